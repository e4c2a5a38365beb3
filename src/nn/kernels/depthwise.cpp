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

/// So many channels at a time that the rows a kernel reads stay in the first cache.
template <class T>
std::int64_t channels_in_cache(std::int64_t values_per_channel) {
  constexpr std::int64_t kBytes = 32 << 10;
  const std::int64_t vectors = kBytes / (values_per_channel * kRegisterBytes);
  return (vectors > 1 ? vectors : 1) * kLanes<T>;
}

/// Of one row: columns of a vector of channels, `step` values apart; those from `begin` to `end` lie inside.
template <class T>
struct Columns {
  const T* first;
  std::int64_t step, begin, end;

  bool has(int j) const { return j >= begin && j < end; }
  const T* at(int j) const { return first + j * step; }
};

/// Columns x, x + x_step, ... of a row that begins at `row`.
template <class T>
Columns<T> columns_of(const T* row, std::int64_t x, std::int64_t x_step, std::int64_t width,
                      std::int64_t pitch) {
  const std::int64_t begin = x < 0 ? (-x + x_step - 1) / x_step : 0;
  const std::int64_t end = x < width ? (width - x + x_step - 1) / x_step : 0;
  return {row + x * pitch, x_step * pitch, begin, end};
}

/// Output i gets the sum over k < K of column i * S + k times weight k; each column is read once.
template <int N, int K, int S, bool Checked, class T, class Lanes>
[[gnu::always_inline]] inline void add_taps(Vec<T> (&sums)[N], const Columns<T>& in, const T* weight,
                                            std::int64_t weight_step, Lanes lanes) {
  Vec<T> w[K];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) w[k] = load(weight + k * weight_step);
#pragma GCC unroll 32
  for (int j = 0; j < (N - 1) * S + K; ++j) {
    if (Checked && !in.has(j)) continue;
    const Vec<T> v = lanes.load(in.at(j));
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      if (j >= k && (j - k) % S == 0 && (j - k) / S < N) sums[(j - k) / S] += v * w[k];
    }
  }
}

/// One row of outputs for one vector of channels.
template <class T>
struct Line {
  const T* in;  ///< column 0 of the first row that a tap reads
  const T* weight;
  std::int64_t rows, in_row, weight_row;  ///< rows of taps, and how far apart they are
  std::int64_t in_width, in_pitch, weight_pixel;
  Epilogue<T> epilogue;  ///< of this row, from the vector's first channel on
  T* out;
  std::int64_t out_width, out_pitch;
};

/// Outputs of a row that see the same weights: out_first + i * out_step, i < count.
struct Series {
  Taps taps;  ///< of the first
  std::int64_t advance, out_first, out_step, count;
};

/// Outputs i to i + N - 1 of a series. K: their taps; 0: any number, then columns are read once a tap.
template <int N, int K, int S, bool Checked, class T, class Lanes>
void block(const Line<T>& line, const Series& series, std::int64_t i, Lanes lanes) {
  const Taps& taps = series.taps;
  const Epilogue<T>& end = line.epilogue;
  const Vec<T> bias = end.bias ? load(end.bias) : Vec<T>{};
  Vec<T> sums[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) sums[n] = bias;

  const std::int64_t x = taps.first + i * series.advance;
  const std::int64_t x_step = K == 0 ? series.advance : taps.step;
  const std::int64_t weight_step = taps.weight_step * line.weight_pixel;
  Columns<T> columns = columns_of(line.in, x, x_step, line.in_width, line.in_pitch);
  const T* weight = line.weight + taps.weight * line.weight_pixel;
  for (std::int64_t r = 0; r < line.rows; ++r) {
    if constexpr (K > 0) {
      add_taps<N, K, S, Checked>(sums, columns, weight, weight_step, lanes);
    } else {
      for (std::int64_t k = 0; k < taps.count; ++k) {
        const T* row = columns.first - x * line.in_pitch;
        add_taps<N, 1, 1, Checked>(sums,
                                   columns_of(row, x + k * taps.step, x_step, line.in_width, line.in_pitch),
                                   weight + k * weight_step, weight_step, lanes);
      }
    }
    columns.first += line.in_row;
    weight += line.weight_row;
  }

  const Vec<T> slope = end.slope ? load(end.slope) : splat<T>(1);
  const std::int64_t pixel = series.out_first + i * series.out_step;
  if (end.residual) {
    const Vec<T> scale = end.residual_scale ? load(end.residual_scale) : splat<T>(1);
    const T* residual = end.residual + pixel * end.residual_pitch;
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      sums[n] += scale * lanes.load(residual + n * series.out_step * end.residual_pitch);
    }
  }
  T* out = line.out + pixel * line.out_pitch;
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    lanes.store(out + n * series.out_step * line.out_pitch, activate<T>(sums[n], slope));
  }
}

/// All blocks of N from output `begin` on; returns the first output that is left.
template <int N, int K, int S, class T, class Lanes>
std::int64_t blocks(const Line<T>& line, const Series& series, std::int64_t begin, Lanes lanes) {
  const Taps& taps = series.taps;
  const std::int64_t reach = (N - 1) * series.advance + (taps.count - 1) * taps.step;
  std::int64_t i = begin;
  for (; i + N <= series.count; i += N) {
    const std::int64_t x = taps.first + i * series.advance;
    if (x >= 0 && x + reach < line.in_width) {
      block<N, K, S, false>(line, series, i, lanes);
    } else {
      block<N, K, S, true>(line, series, i, lanes);
    }
  }
  return i;
}

constexpr int kBlock = 7;  ///< outputs whose sums stay in registers; widths are often 7 * 2^n

template <class T, class Lanes>
void whole_line(const Line<T>& line, const Axis& axis, Lanes lanes) {
  const std::int64_t period = axis.period(), advance = axis.advance();
  for (std::int64_t first = 0; first < period && first < line.out_width; ++first) {
    const Taps taps = axis.at(first);
    const Series series{taps, advance, first, period, (line.out_width - first + period - 1) / period};
    std::int64_t done = 0;
    if (advance == taps.step && taps.count == 5) {
      done = blocks<kBlock, 5, 1>(line, series, 0, lanes);
    } else if (advance == taps.step && taps.count == 3) {
      done = blocks<kBlock, 3, 1>(line, series, 0, lanes);
    } else if (advance == taps.step && taps.count == 2) {
      done = blocks<kBlock, 2, 1>(line, series, 0, lanes);
    } else if (advance == 2 * taps.step && taps.count == 3) {
      done = blocks<kBlock, 3, 2>(line, series, 0, lanes);
    } else {
      done = blocks<kBlock, 0, 1>(line, series, 0, lanes);
    }
    done = blocks<4, 0, 1>(line, series, done, lanes);
    blocks<1, 0, 1>(line, series, done, lanes);
  }
}

template <class T>
void convolve_rows(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
                   Map<T> out, Rows rows, bool transposed) {
  const Axis y_axis(window, 0, transposed), x_axis(window, 1, transposed);
  const std::int64_t strip = channels_in_cache<T>(in.width * y_axis.kernel);
  const std::int64_t in_row = in.width * in.pitch, weight_pixel = padded(out.channels),
                     weight_row = weight_pixel * window.kernel[1];
  for (std::int64_t begin = 0; begin < out.channels; begin += strip) {
    const std::int64_t end = begin + strip < out.channels ? begin + strip : out.channels;
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      const Taps taps = inside(y_axis.at(y), in.height);
      for_each_lanes<T>(begin, end, [&](std::int64_t c, auto lanes) {
        const auto from = [c](const T* values) { return values ? values + c : nullptr; };
        Line<T> line;
        line.in = in.data + taps.first * in_row + c;
        line.weight = weight + taps.weight * weight_row + c;
        line.rows = taps.count;
        line.in_row = taps.step * in_row;
        line.weight_row = taps.weight_step * weight_row;
        line.in_width = in.width;
        line.in_pitch = in.pitch;
        line.weight_pixel = weight_pixel;
        line.epilogue = {from(epilogue.bias), from(epilogue.residual), epilogue.residual_pitch,
                         from(epilogue.residual_scale), from(epilogue.slope)};
        if (line.epilogue.residual) line.epilogue.residual += y * out.width * epilogue.residual_pitch;
        line.out = out.data + y * out.width * out.pitch + c;
        line.out_width = out.width;
        line.out_pitch = out.pitch;
        whole_line(line, x_axis, lanes);
      });
    }
  }
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

/// Independent sums, so that none waits for the addition before.
template <int K>
constexpr int kChains = K == 1 ? 4 : 2;

/// Adds to sums[chain][k] the products of N coarse pixels with fine column i * S + k.
template <int N, int K, int S, bool Checked, class T, class Lanes>
[[gnu::always_inline]] inline void add_products(Vec<T> (&sums)[kChains<K>][K], const Columns<T>& fine,
                                                const T* coarse, std::int64_t coarse_step, Lanes lanes) {
  Vec<T> g[N];
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) g[i] = lanes.load(coarse + i * coarse_step);
#pragma GCC unroll 32
  for (int j = 0; j < (N - 1) * S + K; ++j) {
    if (Checked && !fine.has(j)) continue;
    const Vec<T> v = lanes.load(fine.at(j));
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      const int i = (j - k) / S;
      if (j >= k && (j - k) % S == 0 && i < N) sums[i % kChains<K>][k] += v * g[i];
    }
  }
}

/// Of one row of each map and K taps from `tap` on, one vector of channels: adds to sums, sum_step apart.
template <int K, int S, class T, class Lanes>
void add_row_products(const T* fine, std::int64_t fine_width, std::int64_t fine_pitch, const T* coarse,
                      std::int64_t coarse_width, std::int64_t coarse_pitch, const Axis& axis,
                      std::int64_t tap, T* sum, std::int64_t sum_step, Lanes lanes) {
  constexpr int kPixels = kRegisters == 32 ? 7 : 4;
  Vec<T> sums[kChains<K>][K] = {};
  const std::int64_t period = axis.period(), advance = axis.advance();
  for (std::int64_t first = 0; first < period && first < coarse_width; ++first) {
    const std::int64_t count = (coarse_width - first + period - 1) / period;
    const std::int64_t x_step = K == 1 ? advance : axis.dilation, g_step = period * coarse_pitch;
    std::int64_t x = axis.at(first).first + tap * axis.dilation;
    const T* g = coarse + first * coarse_pitch;
    for (std::int64_t i = 0; i < count;) {
      const Columns<T> columns = columns_of(fine, x, x_step, fine_width, fine_pitch);
      const std::int64_t pixels = i + kPixels <= count ? kPixels : 1;
      if (pixels == 1) {
        add_products<1, K, S, true>(sums, columns, g, g_step, lanes);
      } else if (columns.has(0) && columns.has((kPixels - 1) * S + K - 1)) {
        add_products<kPixels, K, S, false>(sums, columns, g, g_step, lanes);
      } else {
        add_products<kPixels, K, S, true>(sums, columns, g, g_step, lanes);
      }
      i += pixels;
      x += pixels * advance;
      g += pixels * g_step;
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) {
    Vec<T> total = load(sum + k * sum_step);
#pragma GCC unroll 4
    for (int chain = 0; chain < kChains<K>; ++chain) total += sums[chain][k];
    store(sum + k * sum_step, total);
  }
}

template <class T>
void depthwise_weight_gradient(Map<const T> fine, Map<const T> coarse, const Window& window,
                               T* weight_gradient) {
  const Axis y_axis(window, 0, false), x_axis(window, 1, false);
  const std::int64_t step = padded(coarse.channels);
  const std::int64_t strip = channels_in_cache<T>(fine.width * (y_axis.kernel + 1));
  const bool halving = window.stride[1] == 2 && window.dilation[1] == 1;
  const bool shared = halving || window.stride[1] == 1;
  for (std::int64_t begin = 0; begin < coarse.channels; begin += strip) {
    const std::int64_t end = begin + strip < coarse.channels ? begin + strip : coarse.channels;
    for (std::int64_t y = 0; y < coarse.height; ++y) {
      const Taps rows = inside(y_axis.at(y), fine.height);
      for_each_lanes<T>(begin, end, [&](std::int64_t c, auto lanes) {
        const T* coarse_row = coarse.data + y * coarse.width * coarse.pitch + c;
        for (std::int64_t r = 0; r < rows.count; ++r) {
          const T* fine_row = fine.data + (rows.first + r * rows.step) * fine.width * fine.pitch + c;
          T* sums = weight_gradient + (rows.weight + r) * window.kernel[1] * step + c;
          const auto add = [&](auto function, std::int64_t tap) {
            function(fine_row, fine.width, fine.pitch, coarse_row, coarse.width, coarse.pitch, x_axis, tap,
                     sums + tap * step, step, lanes);
          };
          using Lanes = decltype(lanes);
          std::int64_t tap = 0;
          const auto left = [&] { return window.kernel[1] - tap; };
          for (; shared && left() >= 5; tap += 5) {
            add(halving ? add_row_products<5, 2, T, Lanes> : add_row_products<5, 1, T, Lanes>, tap);
          }
          for (; shared && left() >= 3; tap += 3) {
            add(halving ? add_row_products<3, 2, T, Lanes> : add_row_products<3, 1, T, Lanes>, tap);
          }
          for (; left() >= 1; ++tap) add(add_row_products<1, 1, T, Lanes>, tap);
        }
      });
    }
  }
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
