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

/// Of one row: columns x0, x0 + x_step, ... of a vector of channels.
template <class T>
struct Columns {
  const T* row;
  std::int64_t x, x_step, width, pitch;

  bool has(int j) const { return x + j * x_step >= 0 && x + j * x_step < width; }
  const T* at(int j) const { return row + (x + j * x_step) * pitch; }
};

/// Output i gets the sum over k < K of column i * S + k times weight k; each column is read once.
template <int N, int K, int S, bool Checked, class T, class Lanes>
[[gnu::always_inline]] inline void add_taps(Vec<T>* sums, const Columns<T>& in, const T* weight,
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
  Map<const T> in;  ///< from the vector's first channel on
  const T* weight;  ///< likewise
  std::int64_t weight_row, weight_pixel;
  Taps rows;
  Epilogue<T> epilogue;  ///< bias, residual (its row), residual_scale and slope from that channel on
  T* out;
  std::int64_t out_width, out_pitch;
};

/// N outputs from `x` on, `period` apart.
template <int N, int S, bool Checked, class T, class Lanes>
void block(const Line<T>& line, const Taps& taps, std::int64_t input, std::int64_t advance, std::int64_t x,
           std::int64_t period, Lanes lanes) {
  Vec<T> sums[N];
  const Vec<T> bias = line.epilogue.bias ? load(line.epilogue.bias) : Vec<T>{};
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) sums[i] = bias;

  const bool shared = advance == S * taps.step;  // neighbouring outputs read the same columns
  for (std::int64_t r = 0; r < line.rows.count; ++r) {
    const T* row = line.in.data + (line.rows.first + r * line.rows.step) * line.in.width * line.in.pitch;
    const T* weight = line.weight + (line.rows.weight + r * line.rows.weight_step) * line.weight_row +
                      taps.weight * line.weight_pixel;
    const std::int64_t weight_step = taps.weight_step * line.weight_pixel;
    Columns<T> columns{row, input, taps.step, line.in.width, line.in.pitch};
    std::int64_t left = taps.count;
    const auto next = [&](int count) {
      left -= count;
      weight += count * weight_step;
      columns.x += count * taps.step;
    };
    if (shared) {
      for (; left >= 5; next(5)) add_taps<N, 5, S, Checked>(sums, columns, weight, weight_step, lanes);
      for (; left >= 3; next(3)) add_taps<N, 3, S, Checked>(sums, columns, weight, weight_step, lanes);
      for (; left >= 2; next(2)) add_taps<N, 2, S, Checked>(sums, columns, weight, weight_step, lanes);
    }
    columns.x_step = advance;
    for (; left >= 1; next(1)) add_taps<N, 1, 1, Checked>(sums, columns, weight, weight_step, lanes);
  }

  const Epilogue<T>& end = line.epilogue;
  const Vec<T> scale = end.residual_scale ? load(end.residual_scale) : splat<T>(1);
  const Vec<T> slope = end.slope ? load(end.slope) : splat<T>(1);
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    const std::int64_t pixel = x + i * period;
    if (end.residual) sums[i] += scale * lanes.load(end.residual + pixel * end.residual_pitch);
    lanes.store(line.out + pixel * line.out_pitch, activate<T>(sums[i], slope));
  }
}

template <int N, int S, class T, class Lanes>
std::int64_t blocks(const Line<T>& line, const Axis& axis, const Taps& taps, std::int64_t first,
                    std::int64_t begin, std::int64_t count, Lanes lanes) {
  const std::int64_t period = axis.period(), advance = axis.advance();
  std::int64_t i = begin;
  for (; i + N <= count; i += N) {
    const std::int64_t input = taps.first + i * advance, x = first + i * period;
    const std::int64_t last = input + (N - 1) * advance + (taps.count - 1) * taps.step;
    if (input >= 0 && last < line.in.width) {
      block<N, S, false>(line, taps, input, advance, x, period, lanes);
    } else {
      block<N, S, true>(line, taps, input, advance, x, period, lanes);
    }
  }
  return i;
}

template <int S, class T, class Lanes>
void whole_line(const Line<T>& line, const Axis& axis, Lanes lanes) {
  for (std::int64_t first = 0; first < axis.period() && first < line.out_width; ++first) {
    const Taps taps = axis.at(first);
    const std::int64_t count = (line.out_width - first + axis.period() - 1) / axis.period();
    std::int64_t i = blocks<7, S>(line, axis, taps, first, 0, count, lanes);  // widths are often 7 * 2^n
    i = blocks<4, S>(line, axis, taps, first, i, count, lanes);
    i = blocks<2, S>(line, axis, taps, first, i, count, lanes);
    blocks<1, S>(line, axis, taps, first, i, count, lanes);
  }
}

template <class T>
void convolve_rows(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
                   Map<T> out, Rows rows, bool transposed) {
  const Axis y_axis(window, 0, transposed), x_axis(window, 1, transposed);
  const std::int64_t strip = channels_in_cache<T>(in.width * y_axis.kernel);
  Line<T> line;
  line.weight_pixel = padded(out.channels);
  line.weight_row = line.weight_pixel * window.kernel[1];
  line.out_width = out.width;
  line.out_pitch = out.pitch;
  for (std::int64_t begin = 0; begin < out.channels; begin += strip) {
    const std::int64_t end = begin + strip < out.channels ? begin + strip : out.channels;
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      line.rows = inside(y_axis.at(y), in.height);
      for_each_lanes<T>(begin, end, [&](std::int64_t c, auto lanes) {
        const auto from = [c](const T* values) { return values ? values + c : nullptr; };
        line.in = in;
        line.in.data += c;
        line.weight = weight + c;
        line.out = out.data + y * out.width * out.pitch + c;
        line.epilogue = {from(epilogue.bias), from(epilogue.residual), epilogue.residual_pitch,
                         from(epilogue.residual_scale), from(epilogue.slope)};
        if (line.epilogue.residual) line.epilogue.residual += y * out.width * epilogue.residual_pitch;
        if (!transposed && window.stride[1] == 2 && window.dilation[1] == 1) {
          whole_line<2>(line, x_axis, lanes);
        } else {
          whole_line<1>(line, x_axis, lanes);
        }
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
  constexpr int kBlock = kRegisters == 32 ? 7 : 4;
  Vec<T> sums[kChains<K>][K] = {};
  const std::int64_t period = axis.period(), advance = axis.advance();
  for (std::int64_t first = 0; first < period && first < coarse_width; ++first) {
    const std::int64_t count = (coarse_width - first + period - 1) / period;
    Columns<T> columns{fine, 0, K == 1 ? advance : axis.dilation, fine_width, fine_pitch};
    for (std::int64_t i = 0; i < count;) {
      columns.x = axis.at(first).first + i * advance + tap * axis.dilation;
      const T* g = coarse + (first + i * period) * coarse_pitch;
      const std::int64_t step = period * coarse_pitch;
      if (i + kBlock > count) {
        add_products<1, K, S, true>(sums, columns, g, step, lanes);
        ++i;
        continue;
      }
      if (columns.has(0) && columns.has((kBlock - 1) * S + K - 1)) {
        add_products<kBlock, K, S, false>(sums, columns, g, step, lanes);
      } else {
        add_products<kBlock, K, S, true>(sums, columns, g, step, lanes);
      }
      i += kBlock;
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
