#include "nn/kernels/pixels.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

/// Adds to sums, for each channel, value(x - shift) of all pixels; shift nullptr: 0.
template <class T, class Value>
void sum_pixels(Map<const T> in, const T* shift, double* sums, Value value) {
  const std::int64_t group = group_size<T>(in.channels, is_dense(in));
  const ChannelValues<T> shifts(shift, 0, in.channels, group);
  ChannelSums<T> totals(sums, in.channels, group);
  for_each_block(Rows{0, in.height}, in, group, [&](std::int64_t c, auto lanes, const Block& block) {
    const Vec<T> s = shifts.at(c, lanes);
    const T* x = block.first(in) + c;
    const std::int64_t step = block.step * in.pitch;
    Vec<T> even{}, odd{};  // two sums, so that none waits for the addition before
    std::int64_t i = 0;
    for (; i + 2 <= block.count; i += 2) {
      even += value(lanes.load(x + i * step) - s);
      odd += value(lanes.load(x + (i + 1) * step) - s);
    }
    if (i < block.count) even += value(lanes.load(x + i * step) - s);
    totals.add(c, even + odd, lanes);
  });
}

template <class T>
void moments(Map<const T> in, std::int64_t before, double* mean, double* squares) {
  constexpr std::int64_t kAtOnce = 256;
  const double pixels = static_cast<double>(in.height * in.width), others = static_cast<double>(before);
  for (std::int64_t begin = 0; begin < in.channels; begin += kAtOnce) {
    Map<const T> some = in;
    some.data += begin;
    some.channels = in.channels - begin < kAtOnce ? in.channels - begin : kAtOnce;
    T rounded[kAtOnce];
    double means[kAtOnce] = {}, sums[kAtOnce] = {};
    sum_pixels<T>(some, nullptr, means, [](Vec<T> v) { return v; });
    for (std::int64_t c = 0; c < some.channels; ++c) {
      means[c] /= pixels;
      rounded[c] = static_cast<T>(means[c]);
    }
    sum_pixels<T>(some, rounded, sums, [](Vec<T> v) { return v * v; });
    for (std::int64_t c = 0; c < some.channels; ++c) {
      double& all = mean[begin + c];
      const double apart = before > 0 ? means[c] - all : 0, share = pixels / (pixels + others);
      squares[begin + c] = sums[c] + (before > 0 ? squares[begin + c] + apart * apart * others * share : 0);
      all = before > 0 ? all + apart * share : means[c];
    }
  }
}

template <class T>
void scale_shift(Map<const T> in, const T* scale, const Epilogue<T>& epilogue, Map<T> out, Rows rows) {
  const bool dense =
      is_dense(in) && is_dense(out) && (!epilogue.residual || epilogue.residual_pitch == in.channels);
  const std::int64_t group = group_size<T>(in.channels, dense);
  const ChannelValues<T> scales(scale, 1, in.channels, group);
  const ChannelValues<T> shifts(epilogue.bias, 0, in.channels, group);
  const ChannelValues<T> residual_scales(epilogue.residual_scale, 1, in.channels, group);
  const ChannelValues<T> slopes(epilogue.slope, 1, in.channels, group);
  for_each_block(rows, in, group, [&](std::int64_t c, auto lanes, const Block& block) {
    const Vec<T> a = scales.at(c, lanes), b = shifts.at(c, lanes), r = residual_scales.at(c, lanes),
                 slope = slopes.at(c, lanes);
    const T* x = block.first(in) + c;
    T* y = block.first(out) + c;
    const std::int64_t x_step = block.step * in.pitch, y_step = block.step * out.pitch;
    if (!epilogue.residual) {
      for (std::int64_t i = 0; i < block.count; ++i) {
        lanes.store(y + i * y_step, activate<T>(a * lanes.load(x + i * x_step) + b, slope));
      }
      return;
    }
    const T* residual = epilogue.residual + block.pixel * epilogue.residual_pitch + c;
    const std::int64_t residual_step = block.step * epilogue.residual_pitch;
    for (std::int64_t i = 0; i < block.count; ++i) {
      const Vec<T> v = a * lanes.load(x + i * x_step) + b + r * lanes.load(residual + i * residual_step);
      lanes.store(y + i * y_step, activate<T>(v, slope));
    }
  });
}

template <class T>
void normalise_sums(Map<const T> gradient, Map<const T> x, const Normalisation<T>& normalisation,
                    const T* mean, double* sums) {
  const std::int64_t channels = x.channels;
  const std::int64_t group = group_size<T>(channels, is_dense(gradient) && is_dense(x));
  const ChannelValues<T> scales(normalisation.scale, 1, channels, group);
  const ChannelValues<T> shifts(normalisation.shift, 0, channels, group);
  const ChannelValues<T> slopes(normalisation.slope, 1, channels, group);
  const ChannelValues<T> means(mean, 0, channels, group);
  ChannelSums<T> plain_sums(sums, channels, group), product_sums(sums + channels, channels, group),
      slope_sums(sums + 2 * channels, channels, group);
  for_each_block(Rows{0, x.height}, x, group, [&](std::int64_t c, auto lanes, const Block& block) {
    const Vec<T> a = scales.at(c, lanes), b = shifts.at(c, lanes), slope = slopes.at(c, lanes),
                 m = means.at(c, lanes);
    const T* gradients = block.first(gradient) + c;
    const T* values = block.first(x) + c;
    const std::int64_t gradient_step = block.step * gradient.pitch, step = block.step * x.pitch;
    Vec<T> plain{}, product{}, below{};
    for (std::int64_t i = 0; i < block.count; ++i) {
      const Vec<T> g = lanes.load(gradients + i * gradient_step), v = lanes.load(values + i * step);
      const Vec<T> z = a * v + b;
      const Vec<T> d = z > 0 ? g : slope * g;
      plain += d;
      product += d * (v - m);
      below += g * (z < 0 ? z : Vec<T>{});
    }
    plain_sums.add(c, plain, lanes);
    product_sums.add(c, product, lanes);
    slope_sums.add(c, below, lanes);
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
  for_each_block(rows, x, group, [&](std::int64_t c, auto lanes, const Block& block) {
    const Vec<T> a = scales.at(c, lanes), b = shifts.at(c, lanes), slope = slopes.at(c, lanes),
                 l = linears.at(c, lanes), k = constants.at(c, lanes);
    const T* gradients = block.first(gradient) + c;
    const T* values = block.first(x) + c;
    T* y = block.first(out) + c;
    const std::int64_t gradient_step = block.step * gradient.pitch, step = block.step * x.pitch,
                       y_step = block.step * out.pitch;
    const auto value = [&](std::int64_t i) {
      const Vec<T> g = lanes.load(gradients + i * gradient_step), v = lanes.load(values + i * step);
      const Vec<T> d = a * v + b > 0 ? g : slope * g;
      return a * d + (l * v + k);
    };
    if (!residual.data) {
      for (std::int64_t i = 0; i < block.count; ++i) lanes.store(y + i * y_step, value(i));
      return;
    }
    const T* residuals = block.first(residual) + c;
    const std::int64_t residual_step = block.step * residual.pitch;
    for (std::int64_t i = 0; i < block.count; ++i) {
      lanes.store(y + i * y_step, value(i) + lanes.load(residuals + i * residual_step));
    }
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
