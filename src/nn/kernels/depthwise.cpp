#include <type_traits>

#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

/// What one output position sees along one axis: tap i reads the input at first + i * step with the weight
/// at weight + i * weight_step.
struct Taps {
  std::int64_t count = 0, first = 0, step = 1, weight = 0, weight_step = 1;
};

/// One axis of a convolution or of its transpose.
struct Axis {
  std::int64_t kernel, stride, padding, dilation;
  bool transposed;

  Axis(const Window& window, int axis, bool is_transposed)
      : kernel(window.kernel[axis]),
        stride(window.stride[axis]),
        padding(window.padding[axis]),
        dilation(window.dilation[axis]),
        transposed(is_transposed) {}

  Taps at(std::int64_t position) const {
    if (!transposed) return {kernel, position * stride - padding, dilation, 0, 1};
    if (stride == 1) {
      return {kernel, position + padding - (kernel - 1) * dilation, dilation, kernel - 1, -1};
    }
    std::int64_t first = 0, step = 1;
    while (first < kernel && (position + padding - first * dilation) % stride != 0) ++first;
    if (first == kernel) return {};
    while (step * dilation % stride != 0) ++step;
    const std::int64_t count = (kernel - first + step - 1) / step, last = first + (count - 1) * step;
    return {count, (position + padding - last * dilation) / stride, step * dilation / stride, last, -step};
  }

  /// Outputs this far apart see the same weights, advance() inputs apart; chosen so that they share inputs.
  std::int64_t period() const {
    if (stride == 1) return dilation;
    return transposed ? stride : 1;
  }
  std::int64_t advance() const { return transposed ? period() / stride : period() * stride; }
};

/// Without the taps that lie outside of an input of this size.
Taps inside(Taps taps, std::int64_t size) {
  for (; taps.count > 0 && taps.first < 0; --taps.count) {
    taps.first += taps.step;
    taps.weight += taps.weight_step;
  }
  while (taps.count > 0 && taps.first + (taps.count - 1) * taps.step >= size) --taps.count;
  return taps;
}

/// Outputs that see the same weights: first + i * step, i < count.
struct Series {
  std::int64_t first, step, count;
  Taps taps;             ///< of the first one
  std::int64_t advance;  ///< of the taps from one to the next

  std::int64_t output(std::int64_t i) const { return first + i * step; }
  Taps at(std::int64_t i) const {
    Taps moved = taps;
    moved.first += i * advance;
    return moved;
  }
};

/// Calls body(series) until all outputs from `begin` to `end` were in one.
template <class Body>
void for_each_series(const Axis& axis, std::int64_t begin, std::int64_t end, Body body) {
  const std::int64_t period = axis.period();
  for (std::int64_t first = begin; first < begin + period && first < end; ++first) {
    body(Series{first, period, (end - first + period - 1) / period, axis.at(first), axis.advance()});
  }
}

constexpr int kBlock = 7;  ///< outputs whose sums stay in registers; widths are often 7 * 2^n

/// Where a kernel finds N neighbours of a series in one row, and the rows below. Distances are in values.
struct Place {
  std::int64_t in_first, in_row, in_pitch;  ///< in_first: of the first output's first tap, in row 0
  std::int64_t in_width, in_height;
  std::int64_t x, x_tap, x_column;  ///< the first output's first tap; to its next tap; to the next output
  std::int64_t taps;                ///< of a row
  std::int64_t weight_first, weight_row, weight_tap;
  std::int64_t pixel, pixel_row, pixel_column;  ///< of the outputs, in pixels
};

/// What is known when the code for N outputs is compiled: they have K taps in a row (0: any number). Tap k of output i reads
/// column i * S + k (S = 0: the outputs share no columns), which if Checked may lie outside of the map.
template <int N, int K, int S, bool Checked>
struct Shape {
  static constexpr int kOutputs = N, kTaps = K, kStride = S;
  static constexpr bool kChecked = Checked;
};

/// Calls body(shape) with the one for N outputs of this series; what networks have most has its own code.
template <int N, bool Checked, class Body>
void with_shape(const Series& x, Body body) {
  const std::int64_t taps = x.taps.count, step = x.taps.step;
  const bool by_one = x.advance == step, by_two = x.advance == 2 * step;
  if constexpr (N == kBlock) {
    if (by_one && taps == 5) return body(Shape<N, 5, 1, Checked>{});
    if (by_one && taps == 3) return body(Shape<N, 3, 1, Checked>{});
    if (by_one && taps == 2) return body(Shape<N, 2, 1, Checked>{});
    if (by_one && taps == 1) return body(Shape<N, 1, 1, Checked>{});
    if (by_two && taps == 3) return body(Shape<N, 3, 2, Checked>{});
  }
  if (by_one) return body(Shape<N, 0, 1, Checked>{});
  body(Shape<N, 0, 0, Checked>{});
}

/// The maps' sizes and axes of a call.
struct Layout {
  Axis y_axis, x_axis;
  std::int64_t in_width, in_height, in_pitch, out_width, weight_tap;

  Place place(const Series& x, std::int64_t i) const {
    const Taps taps = x.at(i);
    Place p;
    p.in_row = in_width * in_pitch;
    p.in_first = taps.first * in_pitch;
    p.in_pitch = in_pitch;
    p.in_width = in_width;
    p.in_height = in_height;
    p.x = taps.first;
    p.x_tap = taps.step;
    p.x_column = x.advance;
    p.taps = taps.count;
    p.weight_first = taps.weight * weight_tap;
    p.weight_row = x_axis.kernel * weight_tap;
    p.weight_tap = taps.weight_step * weight_tap;
    p.pixel = x.output(i);
    p.pixel_row = out_width;
    p.pixel_column = x.step;
    return p;
  }

  bool is_inside(const Taps& x) const { return x.first >= 0 && x.first + (x.count - 1) * x.step < in_width; }

  /// Calls body(shape, place, rows) for blocks of outputs that lie in `rows`, a series, below each other: so the input rows that
  /// they share stay in the first cache, and reading runs over all channels.
  template <class Body>
  void for_each_block(Rows rows, Body body) const {
    for_each_series(x_axis, 0, out_width, [&](const Series& x) {
      std::int64_t i = 0;
      const auto block = [&](auto outputs, auto checked) {
        const Place here = place(x, i);
        for_each_series(y_axis, rows.begin, rows.end, [&](const Series& y) {
          with_shape<outputs, checked>(x, [&](auto shape) { body(shape, here, y); });
        });
        i += outputs;
      };
      while (i + kBlock <= x.count) {
        if (is_inside(x.at(i)) && is_inside(x.at(i + kBlock - 1))) {
          block(std::integral_constant<int, kBlock>{}, std::false_type{});
        } else {
          block(std::integral_constant<int, kBlock>{}, std::true_type{});
        }
      }
      while (i + 4 <= x.count) block(std::integral_constant<int, 4>{}, std::true_type{});
      while (i < x.count) block(std::integral_constant<int, 1>{}, std::true_type{});
    });
  }
};

/// For lambdas: inlined so early that the sums they capture become registers.
#define PORTRAITSEG_INLINED __attribute__((always_inline))

/// Columns of one row for one vector of channels. What lies outside of the map is 0.
template <class T>
struct Columns {
  const T* in;
  std::int64_t pitch, x, step, width;  ///< x: of the first; step: from one to the next

  [[gnu::always_inline]] bool inside() const {
    return static_cast<std::uint64_t>(x) < static_cast<std::uint64_t>(width);
  }
  [[gnu::always_inline]] void move() {
    in = walked(in + pitch);
    x += step;
  }
};

/// Calls meet(i, k, value) for each output i and its tap k < K; each column is read once for all that it meets.
template <class Shape, int K, class T, class Lanes, class Meet>
[[gnu::always_inline]] inline void for_each_meeting(Columns<T> column, Lanes lanes, Meet meet) {
  constexpr int N = Shape::kOutputs, S = Shape::kStride == 0 ? 1 : Shape::kStride;
#pragma GCC unroll 32
  for (int j = 0; j < (N - 1) * S + K; ++j, column.move()) {
    if (Shape::kChecked && !column.inside()) continue;
    const Vec<T> value = in_register(lanes.load(column.in));
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      if (j >= k && (j - k) % S == 0 && (j - k) / S < N) meet((j - k) / S, k, value);
    }
  }
}

/// Calls add(K, columns, weight) until the taps of a row are used up, K at a time.
template <class Shape, class T, class Weight, class Add>
[[gnu::always_inline]] inline void for_taps(const Place& p, const T* in, Weight* weight, Add add) {
  const std::int64_t step = Shape::kStride == 0 ? p.x_column : p.x_tap;
  std::int64_t tap = 0;
  const auto next = [&](auto taps) PORTRAITSEG_INLINED {
    const std::int64_t x = tap * p.x_tap;
    add(taps, Columns<T>{in + x * p.in_pitch, step * p.in_pitch, p.x + x, step, p.in_width},
        weight + tap * p.weight_tap);
    tap += taps;
  };
  if constexpr (Shape::kTaps > 0) {
    next(std::integral_constant<int, Shape::kTaps>{});
  } else {
    if constexpr (Shape::kStride > 0) {
      while (tap + 5 <= p.taps) next(std::integral_constant<int, 5>{});
      while (tap + 2 <= p.taps) next(std::integral_constant<int, 2>{});
    }
    while (tap < p.taps) next(std::integral_constant<int, 1>{});
  }
}

/// The rows of taps of one row of outputs.
template <class T, class Weight>
struct TapRows {
  const T* in;
  Weight* weight;
  std::int64_t count, in_row, weight_row;

  TapRows(const Place& p, const Series& rows, std::int64_t i, const T* all_in, Weight* all_weight) {
    const Taps taps = inside(rows.at(i), p.in_height);
    in = all_in + p.in_first + taps.first * p.in_row;
    weight = all_weight + p.weight_first + taps.weight * p.weight_row;
    count = taps.count;
    in_row = taps.step * p.in_row;
    weight_row = taps.weight_step * p.weight_row;
  }
};

/// Calls body(begin, end) for so many channels at a time that all a block reads of them stays in the first cache.
template <class T, class Body>
void for_each_strip(std::int64_t channels, Body body) {
  constexpr std::int64_t kStrip = 1024 / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t begin = 0; begin < channels; begin += kStrip) {
    body(begin, begin + kStrip < channels ? begin + kStrip : channels);
  }
}

/// Writes a block's sums; `residual` and `out` are of its first output, and the columns' distances follow them.
template <int N, class T, class Lanes>
[[gnu::always_inline]] inline void finish_block(Vec<T> (&sums)[N], const Epilogue<T>& end, std::int64_t c,
                                                const T* residual, std::int64_t residual_column, T* out,
                                                std::int64_t out_column, Lanes lanes) {
  if (residual) {
    const Vec<T> scale = end.residual_scale ? load(end.residual_scale + c) : splat<T>(1);
    residual += c;
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      sums[n] += scale * lanes.load(residual);
      residual = walked(residual + residual_column);
    }
  }
  if (end.slope) {
    const Vec<T> slope = load(end.slope + c);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sums[n] = activate<T>(sums[n], slope);
  }
  out += c;
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    lanes.store(out, sums[n]);
    out = walked(out + out_column);
  }
}

template <class T>
struct Convolution {
  const T* in;
  const T* weight;
  Epilogue<T> epilogue;
  T* out;
  std::int64_t out_pitch, begin, end;  ///< channels
};

/// Each column of a row is read once and each weight stays in a register for N outputs, whose sums never leave theirs: this is
/// what makes it fast. Not inlined: alone, what its inner loops need stays in registers.
template <class Shape, class T>
[[gnu::noinline]] void convolve_block(const Convolution<T>& convolution, const Place& place,
                                      const Series& of_rows) {
  constexpr int N = Shape::kOutputs;
  const Convolution<T> job = convolution;  // copies: nothing that is stored can change them
  const Place p = place;
  const Series rows = of_rows;
  const Epilogue<T>& end = job.epilogue;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const TapRows<T, const T> taps(p, rows, i, job.in, job.weight);
    const std::int64_t pixel = rows.output(i) * p.pixel_row + p.pixel;
    const T* residual = end.residual ? end.residual + pixel * end.residual_pitch : nullptr;
    T* out = job.out + pixel * job.out_pitch;
    for_each_lanes<T>(job.begin, job.end, [&](std::int64_t c, auto lanes) {
      const Vec<T> bias = end.bias ? load(end.bias + c) : Vec<T>{};
      Vec<T> sums[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) sums[n] = bias;
      const T* in = taps.in + c;
      const T* weight = taps.weight + c;
      for (std::int64_t r = 0; r < taps.count; ++r, in += taps.in_row, weight += taps.weight_row) {
        for_taps<Shape>(
            p, in, weight, [&](auto k_taps, Columns<T> columns, const T* weights) PORTRAITSEG_INLINED {
              constexpr int K = decltype(k_taps)::value;
              Vec<T> w[K];
#pragma GCC unroll 8
              for (int k = 0; k < K; ++k) w[k] = in_register(load(weights + k * p.weight_tap));
              for_each_meeting<Shape, K>(columns, lanes, [&](int n, int k, Vec<T> value) PORTRAITSEG_INLINED {
                sums[n] += value * w[k];
              });
            });
      }
      finish_block(sums, end, c, residual, p.pixel_column * end.residual_pitch, out,
                   p.pixel_column * job.out_pitch, lanes);
    });
  }
}

template <class T>
void convolve_rows(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
                   Map<T> out, Rows rows, bool transposed) {
  const Layout layout{
      Axis(window, 0, transposed), Axis(window, 1, transposed), in.width, in.height, in.pitch, out.width,
      padded(out.channels)};
  for_each_strip<T>(out.channels, [&](std::int64_t begin, std::int64_t end) {
    const Convolution<T> job{in.data, weight, epilogue, out.data, out.pitch, begin, end};
    layout.for_each_block(rows, [&](auto shape, const Place& place, const Series& y) {
      convolve_block<decltype(shape)>(job, place, y);
    });
  });
}

template <class T>
void depthwise(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
               Map<T> out, Rows rows) {
  convolve_rows(in, weight, window, epilogue, out, rows, false);
}

template <class T>
void depthwise_transposed(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
                          Map<T> out, Rows rows) {
  convolve_rows(in, weight, window, epilogue, out, rows, true);
}

template <class T>
struct WeightGradient {
  const T* fine;
  const T* coarse;
  T* sums;
  std::int64_t coarse_pitch, begin, end;  ///< channels
};

/// As convolve_block, but the outputs are read and the weights summed up.
template <class Shape, class T>
[[gnu::noinline]] void add_block_products(const WeightGradient<T>& gradient, const Place& place,
                                          const Series& of_rows) {
  constexpr int N = Shape::kOutputs;
  const WeightGradient<T> job = gradient;
  const Place p = place;
  const Series rows = of_rows;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const TapRows<T, T> taps(p, rows, i, job.fine, job.sums);
    const T* coarse = job.coarse + (rows.output(i) * p.pixel_row + p.pixel) * job.coarse_pitch;
    for_each_lanes<T>(job.begin, job.end, [&](std::int64_t c, auto lanes) {
      Vec<T> g[N];
      const T* pixel = coarse + c;
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        g[n] = in_register(lanes.load(pixel));
        pixel = walked(pixel + p.pixel_column * job.coarse_pitch);
      }
      const T* fine = taps.in + c;
      T* sum = taps.weight + c;
      for (std::int64_t r = 0; r < taps.count; ++r, fine += taps.in_row, sum += taps.weight_row) {
        for_taps<Shape>(p, fine, sum, [&](auto k_taps, Columns<T> columns, T* tap_sums) PORTRAITSEG_INLINED {
          constexpr int K = decltype(k_taps)::value;
          Vec<T> sums[K];
#pragma GCC unroll 8
          for (int k = 0; k < K; ++k) sums[k] = load(tap_sums + k * p.weight_tap);
          for_each_meeting<Shape, K>(columns, lanes, [&](int n, int k, Vec<T> value) PORTRAITSEG_INLINED {
            sums[k] += value * g[n];
          });
#pragma GCC unroll 8
          for (int k = 0; k < K; ++k) store(tap_sums + k * p.weight_tap, sums[k]);
        });
      }
    });
  }
}

template <class T>
void depthwise_weight_gradient(Map<const T> fine, Map<const T> coarse, const Window& window,
                               T* weight_gradient, Rows rows) {
  const Layout layout{Axis(window, 0, false), Axis(window, 1, false), fine.width, fine.height, fine.pitch,
                      coarse.width,           padded(coarse.channels)};
  for_each_strip<T>(coarse.channels, [&](std::int64_t begin, std::int64_t end) {
    const WeightGradient<T> job{fine.data, coarse.data, weight_gradient, coarse.pitch, begin, end};
    layout.for_each_block(rows, [&](auto shape, const Place& place, const Series& y) {
      add_block_products<decltype(shape)>(job, place, y);
    });
  });
}

}  // namespace

template <class T>
void add_depthwise(Kernels<T>& table) {
  table.depthwise = depthwise<T>;
  table.depthwise_transposed = depthwise_transposed<T>;
  table.depthwise_weight_gradient = depthwise_weight_gradient<T>;
}

template void add_depthwise(Kernels<float>&);
template void add_depthwise(Kernels<double>&);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
