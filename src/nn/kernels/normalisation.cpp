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
    T rounded[kMostSummedChannels];
    double means[kMostSummedChannels] = {}, sums[kMostSummedChannels] = {};
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

template <class T>
void scale_shift(Map<const T> in, const T* scale, const Epilogue<T>& epilogue, Map<T> out, Rows rows) {
  const T* const residual = epilogue.residual;
  const std::int64_t residual_pitch = epilogue.residual_pitch;
  const bool dense = is_dense(in) && is_dense(out) && (!residual || residual_pitch == in.channels);
  const std::int64_t group = group_size<T>(in.channels, dense);
  const ChannelValues<T> scales(scale, 1, in.channels, group);
  const ChannelValues<T> shifts(epilogue.bias, 0, in.channels, group);
  const ChannelValues<T> residual_scales(epilogue.residual_scale, 1, in.channels, group);
  const ChannelValues<T> slopes(epilogue.slope, 1, in.channels, group);
  const auto value = [&](std::int64_t pixel, std::int64_t c, auto lanes) {
    return scales.at(c, lanes) * load_and_prefetch(in.data + pixel * in.pitch + c, lanes) +
           shifts.at(c, lanes);
  };
  const auto write = [&](std::int64_t pixel, std::int64_t c, auto lanes, Vec<T> v) {
    lanes.store(out.data + pixel * out.pitch + c, activate<T>(v, slopes.at(c, lanes)));
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
}

template <class T>
void add_normalise_sums(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                        const T* mean, double* plain, double* product, double* below) {
  const std::int64_t channels = x.channels;
  const std::int64_t group = group_size<T>(channels, is_dense(gradient) && is_dense(x));
  const ChannelValues<T> scales(normalisation.scale, 1, channels, group);
  const ChannelValues<T> shifts(normalisation.shift, 0, channels, group);
  const ChannelValues<T> slopes(normalisation.slope, 1, channels, group);
  const ChannelValues<T> means(mean, 0, channels, group);
  ChannelSums<T> plains(plain, channels, group), products(product, channels, group),
      belows(below, channels, group);
  const auto add = [&](auto pixels, std::int64_t c, auto lanes) {
    const Vec<T> scale = scales.at(c, lanes), shift = shifts.at(c, lanes), slope = slopes.at(c, lanes),
                 m = means.at(c, lanes);
    Vec<T> some_plain{}, some_product{}, some_below{};
    pixels.each([&](std::int64_t pixel) {
      const Vec<T> g = load_and_prefetch(gradient.data + pixel * gradient.pitch + c, lanes);
      const Vec<T> v = load_and_prefetch(x.data + pixel * x.pitch + c, lanes);
      const Vec<T> z = scale * v + shift;
      const Vec<T> d = z > 0 ? g : slope * g;
      some_plain += d;
      some_product += d * (v - m);
      some_below += g * (z < 0 ? z : Vec<T>{});
    });
    plains.add(c, some_plain, lanes);
    products.add(c, some_product, lanes);
    belows.add(c, some_below, lanes);
  };
  sum_vectors_of_pixels(x, group, add, plains, products, belows);
}

template <class T>
void normalise_sums(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                    const T* mean, double* sums) {
  const std::int64_t channels = x.channels;
  for_each_slice(channels, [&](std::int64_t begin, std::int64_t count) {
    const auto from = [begin](const T* values) { return values ? values + begin : nullptr; };
    double* const plain = sums + begin;
    add_normalise_sums<T>(slice(gradient, begin, count), slice(x, begin, count),
                          {from(normalisation.scale), from(normalisation.shift), from(normalisation.slope)},
                          from(mean), plain, plain + channels, plain + 2 * channels);
  });
}

template <class T>
void normalise_gradient(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                        const T* linear, const T* constant, Map<const T> residual, Map<T> out, Rows rows) {
  const bool dense =
      is_dense(gradient) && is_dense(x) && is_dense(out) && (!residual.data || is_dense(residual));
  const std::int64_t group = group_size<T>(x.channels, dense);
  const ChannelValues<T> scales(normalisation.scale, 1, x.channels, group);
  const ChannelValues<T> shifts(normalisation.shift, 0, x.channels, group);
  const ChannelValues<T> slopes(normalisation.slope, 1, x.channels, group);
  const ChannelValues<T> linears(linear, 0, x.channels, group);
  const ChannelValues<T> constants(constant, 0, x.channels, group);
  const auto value = [&](std::int64_t pixel, std::int64_t c, auto lanes) {
    const Vec<T> g = load_and_prefetch(gradient.data + pixel * gradient.pitch + c, lanes);
    const Vec<T> v = load_and_prefetch(x.data + pixel * x.pitch + c, lanes), scale = scales.at(c, lanes);
    const Vec<T> d = scale * v + shifts.at(c, lanes) > 0 ? g : slopes.at(c, lanes) * g;
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
