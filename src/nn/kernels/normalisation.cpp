#include <type_traits>

#include "nn/kernels/pixels.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

/// Adds to sums, for each channel, value(x - shift) of all pixels; shift nullptr: 0.
template <class T, class Value>
void add_sums(Map<const T> in, const T* shift, double* sums, Value value) {
  const std::int64_t group = group_size<T>(in.channels, is_dense(in));
  const ChannelValues<T> shifts(shift, 0, in.channels, group);
  ChannelSums<T> totals(sums, in.channels, group);
  const auto add = [&](auto pixels, std::int64_t c, auto lanes) {
    const Vec<T> s = shifts.at(c, lanes);
    Vec<T> sum{};
    pixels.each([&](std::int64_t pixel) { sum += value(lanes.load(in.data + pixel * in.pitch + c) - s); });
    totals.add(c, sum, lanes);
  };
  sum_vectors_of_pixels(in, group, add, totals);
}

template <class T>
void moments(Map<const T> in, std::int64_t before, double* mean, double* squares) {
  const double pixels = static_cast<double>(in.height * in.width), others = static_cast<double>(before);
  for_each_slice(in.channels, [&](std::int64_t begin, std::int64_t channels) {
    const Map<const T> some = slice(in, begin, channels);
    T rounded[kMostChannels];
    double means[kMostChannels] = {}, sums[kMostChannels] = {};
    add_sums<T>(some, nullptr, means, [](Vec<T> v) { return v; });
    for (std::int64_t c = 0; c < channels; ++c) {
      means[c] /= pixels;
      rounded[c] = static_cast<T>(means[c]);
    }
    add_sums<T>(some, rounded, sums, [](Vec<T> v) { return v * v; });
    for (std::int64_t c = 0; c < channels; ++c) {
      double& all = mean[begin + c];
      const double apart = before > 0 ? means[c] - all : 0, share = pixels / (pixels + others);
      squares[begin + c] = sums[c] + (before > 0 ? squares[begin + c] + apart * apart * others * share : 0);
      all = before > 0 ? all + apart * share : means[c];
    }
  });
}

/// Calls body(constant) with a constant of this value.
template <class Body>
void with_activation(Activation activation, Body body) {
  switch (activation) {
    case Activation::kNone:
      return body(std::integral_constant<Activation, Activation::kNone>{});
    case Activation::kRelu:
      return body(std::integral_constant<Activation, Activation::kRelu>{});
    case Activation::kSlopes:
      return body(std::integral_constant<Activation, Activation::kSlopes>{});
  }
}

template <class T>
void scale_shift_slice(Map<const T> in, const T* scale, const Epilogue<T>& epilogue, Map<T> out, Rows rows) {
  const T* const residual = epilogue.residual;
  const std::int64_t residual_pitch = epilogue.residual_pitch;
  const bool dense = is_dense(in) && is_dense(out) && (!residual || residual_pitch == in.channels);
  const std::int64_t group = group_size<T>(in.channels, dense);
  const ChannelValues<T> scales(scale, 1, in.channels, group);
  const ChannelValues<T> shifts(epilogue.bias, 0, in.channels, group);
  const ChannelValues<T> residual_scales(epilogue.residual_scale, 1, in.channels, group);
  const ChannelValues<T> slopes(epilogue.slope, 1, in.channels, group);
  with_activation(activation_of(epilogue.slope, 0, in.channels), [&](auto activation) {
    const auto value = [&](std::int64_t pixel, std::int64_t c, auto lanes) {
      return scales.at(c, lanes) * load_and_prefetch(in.data + pixel * in.pitch + c, lanes) +
             shifts.at(c, lanes);
    };
    const auto write = [&](std::int64_t pixel, std::int64_t c, auto lanes, Vec<T> v) {
      if constexpr (activation == Activation::kRelu) v = relu<T>(v);
      if constexpr (activation == Activation::kSlopes) v = activate<T>(v, slopes.at(c, lanes));
      lanes.store(out.data + pixel * out.pitch + c, v);
    };
    if (!residual) {
      return for_each_vector_of_rows(rows, in, group, [&](std::int64_t pixel, std::int64_t c, auto lanes) {
        write(pixel, c, lanes, value(pixel, c, lanes));
      });
    }
    for_each_vector_of_rows(rows, in, group, [&](std::int64_t pixel, std::int64_t c, auto lanes) {
      const Vec<T> r = lanes.load(residual + pixel * residual_pitch + c);
      write(pixel, c, lanes, value(pixel, c, lanes) + residual_scales.at(c, lanes) * r);
    });
  });
}

template <class T>
void scale_shift(Map<const T> in, const T* scale, const Epilogue<T>& epilogue, Map<T> out, Rows rows) {
  for_each_slice(in.channels, [&](std::int64_t begin, std::int64_t count) {
    scale_shift_slice<T>(slice(in, begin, count), slice(scale, begin), slice(epilogue, begin),
                         slice(out, begin, count), rows);
  });
}

template <class T>
void add_sums_of_slice(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                       const T* mean, bool of_slope, double* plain, double* product, double* below) {
  const std::int64_t channels = x.channels;
  const std::int64_t group = group_size<T>(channels, is_dense(gradient) && is_dense(x));
  const ChannelValues<T> scales(normalisation.scale, 1, channels, group);
  const ChannelValues<T> shifts(normalisation.shift, 0, channels, group);
  const ChannelValues<T> slopes(normalisation.slope, 1, channels, group);
  const ChannelValues<T> means(mean, 0, channels, group);
  ChannelSums<T> plains(plain, channels, group), products(product, channels, group),
      belows(below, channels, group);
  const Activation kind = of_slope ? Activation::kSlopes : activation_of(normalisation.slope, 0, channels);
  with_activation(kind, [&](auto activation) {
    const auto add = [&](auto pixels, std::int64_t c, auto lanes) {
      const Vec<T> scale = scales.at(c, lanes), shift = shifts.at(c, lanes), slope = slopes.at(c, lanes),
                   m = means.at(c, lanes);
      Vec<T> some_plain{}, some_product{}, some_below{};
      pixels.each([&](std::int64_t pixel) {
        const Vec<T> g = load_and_prefetch(gradient.data + pixel * gradient.pitch + c, lanes);
        const Vec<T> v = load_and_prefetch(x.data + pixel * x.pitch + c, lanes);
        const Vec<T> z = scale * v + shift;
        Vec<T> d = g;
        if constexpr (activation == Activation::kRelu) d = z > 0 ? g : Vec<T>{};
        if constexpr (activation == Activation::kSlopes) {
          d = z > 0 ? g : slope * g;
          some_below += g * (z < 0 ? z : Vec<T>{});
        }
        some_plain += d;
        some_product += d * (v - m);
      });
      plains.add(c, some_plain, lanes);
      products.add(c, some_product, lanes);
      if constexpr (activation == Activation::kSlopes) belows.add(c, some_below, lanes);
    };
    if constexpr (activation == Activation::kSlopes) {
      sum_vectors_of_pixels(x, group, add, plains, products, belows);
    } else {
      sum_vectors_of_pixels(x, group, add, plains, products);
    }
  });
}

template <class T>
void normalise_sums(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                    const T* mean, bool of_slope, double* sums) {
  for_each_slice(x.channels, [&](std::int64_t begin, std::int64_t count) {
    double* const plain = sums + begin;
    add_sums_of_slice<T>(slice(gradient, begin, count), slice(x, begin, count), slice(normalisation, begin),
                         mean + begin, of_slope, plain, plain + x.channels, plain + 2 * x.channels);
  });
}

template <class T>
void normalise_gradient_slice(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                              const T* linear, const T* constant, Map<const T> residual, Map<T> out,
                              Rows rows) {
  const bool dense =
      is_dense(gradient) && is_dense(x) && is_dense(out) && (!residual.data || is_dense(residual));
  const std::int64_t group = group_size<T>(x.channels, dense);
  const ChannelValues<T> scales(normalisation.scale, 1, x.channels, group);
  const ChannelValues<T> shifts(normalisation.shift, 0, x.channels, group);
  const ChannelValues<T> slopes(normalisation.slope, 1, x.channels, group);
  const ChannelValues<T> linears(linear, 0, x.channels, group);
  const ChannelValues<T> constants(constant, 0, x.channels, group);
  with_activation(activation_of(normalisation.slope, 0, x.channels), [&](auto activation) {
    const auto value = [&](std::int64_t pixel, std::int64_t c, auto lanes) {
      Vec<T> d = load_and_prefetch(gradient.data + pixel * gradient.pitch + c, lanes);
      const Vec<T> v = load_and_prefetch(x.data + pixel * x.pitch + c, lanes), scale = scales.at(c, lanes);
      if constexpr (activation == Activation::kRelu) d = scale * v + shifts.at(c, lanes) > 0 ? d : Vec<T>{};
      if constexpr (activation == Activation::kSlopes)
        d = scale * v + shifts.at(c, lanes) > 0 ? d : slopes.at(c, lanes) * d;
      return scale * d + (linears.at(c, lanes) * v + constants.at(c, lanes));
    };
    if (!residual.data) {
      return for_each_vector_of_rows(rows, x, group, [&](std::int64_t pixel, std::int64_t c, auto lanes) {
        lanes.store(out.data + pixel * out.pitch + c, value(pixel, c, lanes));
      });
    }
    for_each_vector_of_rows(rows, x, group, [&](std::int64_t pixel, std::int64_t c, auto lanes) {
      const Vec<T> r = lanes.load(residual.data + pixel * residual.pitch + c);
      lanes.store(out.data + pixel * out.pitch + c, value(pixel, c, lanes) + r);
    });
  });
}

template <class T>
void normalise_gradient(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                        const T* linear, const T* constant, Map<const T> residual, Map<T> out, Rows rows) {
  for_each_slice(x.channels, [&](std::int64_t begin, std::int64_t count) {
    normalise_gradient_slice<T>(slice(gradient, begin, count), slice(x, begin, count),
                                slice(normalisation, begin), slice(linear, begin), slice(constant, begin),
                                slice(residual, begin, count), slice(out, begin, count), rows);
  });
}

}  // namespace

template <class T>
void add_normalisation(Kernels<T>& table) {
  table.moments = moments<T>;
  table.scale_shift = scale_shift<T>;
  table.normalise_sums = normalise_sums<T>;
  table.normalise_gradient = normalise_gradient<T>;
}

template void add_normalisation(Kernels<float>&);
template void add_normalisation(Kernels<double>&);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
