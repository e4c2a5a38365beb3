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

/// N neighbours of a series, in all rows of a series, for some channels. Distances are in values.
template <class T>
struct Column {
  const T* in;  ///< row 0, column x
  const T* weight;
  std::int64_t in_row, in_height, weight_row;  ///< of one row of the map and of the kernel
  std::int64_t taps, weight_tap;               ///< of a row
  std::int64_t x, x_tap, x_column;  ///< the first output's first tap; to the next tap; to the next output
  std::int64_t in_width, in_pitch;
  T* out;  ///< row 0
  std::int64_t out_row, out_column;
  Epilogue<T> epilogue;  ///< residual: as `out`
  std::int64_t residual_row, residual_column;
  std::int64_t begin, end;  ///< channels
};

/// One row of a Column, and one vector of its channels.
template <class T>
struct Group {
  const T* in;
  const T* weight;
  std::int64_t rows, in_row, weight_row;  ///< rows of taps
  T* out;
  const T* residual;
};

/// Keeps a value in a register: the compiler would rather read it from memory again for each of its uses.
template <class V>
[[gnu::always_inline]] inline V in_register(V v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#endif
  return v;
}

/// Alike, of an address: columns are walked, as the addresses of all of them would not fit into the registers.
template <class T>
[[gnu::always_inline]] inline const T* step_to(const T* p) {
  asm("" : "+r"(p));
  return p;
}

/// Columns of one row for one vector of channels. What lies outside of the map is 0.
template <class T>
struct Columns {
  const T* in;
  std::int64_t pitch, x, step, width;  ///< x: of the first; step: from one to the next

  [[gnu::always_inline]] bool inside() const {
    return static_cast<std::uint64_t>(x) < static_cast<std::uint64_t>(width);
  }
  [[gnu::always_inline]] void move() {
    in = step_to(in + pitch);
    x += step;
  }
};

/// Adds taps to N sums: output i gets column i * S + k times weight k < K. Each column is read once and each weight stays in a
/// register for N outputs: this is what makes it fast.
template <int K, int S, bool Checked, int N, class T, class Lanes>
[[gnu::always_inline]] inline void add_taps(Vec<T> (&sums)[N], Columns<T> column, const T* weight,
                                            std::int64_t weight_tap, Lanes lanes) {
  Vec<T> w[K];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) w[k] = in_register(load(weight + k * weight_tap));
#pragma GCC unroll 32
  for (int j = 0; j < (N - 1) * S + K; ++j, column.move()) {
    if (Checked && !column.inside()) continue;
    const Vec<T> v = in_register(lanes.load(column.in));
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      if (j >= k && (j - k) % S == 0 && (j - k) / S < N) sums[(j - k) / S] += v * w[k];
    }
  }
}

/// All taps of a row: K, or any number if K is 0. S as in add_taps; 0: the outputs share no columns.
template <int K, int S, bool Checked, int N, class T, class Lanes>
[[gnu::always_inline]] inline void add_row(Vec<T> (&sums)[N], const Column<T>& c, const T* in,
                                           const T* weight, Lanes lanes) {
  const auto columns = [&](std::int64_t tap, std::int64_t step) {
    return Columns<T>{in + tap * c.x_tap * c.in_pitch, step * c.in_pitch, c.x + tap * c.x_tap, step,
                      c.in_width};
  };
  if constexpr (K > 0) {
    add_taps<K, S, Checked>(sums, columns(0, c.x_tap), weight, c.weight_tap, lanes);
    return;
  }
  std::int64_t tap = 0;
  const auto add = [&](auto taps) {
    add_taps<decltype(taps)::value, S == 0 ? 1 : S, Checked>(
        sums, columns(tap, S == 0 ? c.x_column : c.x_tap), weight + tap * c.weight_tap, c.weight_tap, lanes);
    tap += taps;
  };
  while (S != 0 && tap + 5 <= c.taps) add(std::integral_constant < int, S == 0 ? 1 : 5 > {});
  while (S != 0 && tap + 2 <= c.taps) add(std::integral_constant < int, S == 0 ? 1 : 2 > {});
  while (tap < c.taps) add(std::integral_constant<int, 1>{});
}

template <int N, int K, int S, bool Checked, class T, class Lanes>
[[gnu::always_inline]] inline void convolve_group(const Column<T>& column, Group<T> g, std::int64_t c,
                                                  Lanes lanes) {
  const Epilogue<T>& end = column.epilogue;
  const Vec<T> bias = end.bias ? load(end.bias + c) : Vec<T>{};
  Vec<T> sums[N];
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) sums[n] = bias;

  for (; g.rows > 0; --g.rows, g.in += g.in_row, g.weight += g.weight_row) {
    add_row<K, S, Checked>(sums, column, g.in, g.weight, lanes);
  }

  if (g.residual) {
    const Vec<T> scale = end.residual_scale ? load(end.residual_scale + c) : splat<T>(1);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      sums[n] += scale * lanes.load(g.residual);
      g.residual = step_to(g.residual + column.residual_column);
    }
  }
  if (end.slope) {
    const Vec<T> slope = load(end.slope + c);
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) sums[n] = activate<T>(sums[n], slope);
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
    lanes.store(g.out, sums[n]);
    g.out += column.out_column;
  }
}

/// Not inlined: alone, what its inner loops need stays in registers.
template <int N, int K, int S, bool Checked, class T>
[[gnu::noinline]] void convolve_column(const Column<T>& of_column, const Series& rows) {
  const Column<T> column = of_column;
  const Series series = rows;
  for (std::int64_t i = 0; i < series.count; ++i) {
    const Taps taps = inside(series.at(i), column.in_height);
    const std::int64_t y = series.output(i);
    const T* in = column.in + taps.first * column.in_row;
    const T* weight = column.weight + taps.weight * column.weight_row;
    T* out = column.out + y * column.out_row;
    const T* residual =
        column.epilogue.residual ? column.epilogue.residual + y * column.residual_row : nullptr;
    for_each_lanes<T>(column.begin, column.end, [&](std::int64_t c, auto lanes) {
      const Group<T> group{in + c,
                           weight + c,
                           taps.count,
                           taps.step * column.in_row,
                           taps.weight_step * column.weight_row,
                           out + c,
                           residual ? residual + c : nullptr};
      convolve_group<N, K, S, Checked>(column, group, c, lanes);
    });
  }
}

template <class T>
using ColumnFunction = void (*)(const Column<T>&, const Series&);

/// Which one computes N outputs of this series: 3 x 3 and 5 x 5 kernels have their own.
template <int N, bool Checked, class T>
ColumnFunction<T> column_function(const Series& series) {
  const std::int64_t taps = series.taps.count, step = series.taps.step, advance = series.advance;
  if constexpr (N == kBlock) {
    if (advance == step && taps == 5) return convolve_column<N, 5, 1, Checked, T>;
    if (advance == step && taps == 3) return convolve_column<N, 3, 1, Checked, T>;
    if (advance == step && taps == 1) return convolve_column<N, 1, 1, Checked, T>;
    if (advance == 2 * step && taps == 3) return convolve_column<N, 3, 2, Checked, T>;
    if (advance == 2 * step) return convolve_column<N, 0, 2, Checked, T>;
  }
  if (advance == step) return convolve_column<N, 0, 1, Checked, T>;
  return convolve_column<N, 0, 0, Checked, T>;
}

template <class T>
constexpr std::int64_t kStrip = 1024 / static_cast<std::int64_t>(sizeof(T));

/// A convolution or its transpose, of some channels.
template <class T>
struct Layer {
  Map<const T> in;
  const T* weight;
  Axis y_axis, x_axis;
  const Epilogue<T>& epilogue;
  Map<T> out;
  Rows rows;
  std::int64_t begin, end;  ///< channels

  /// N outputs of a row from i on, in all rows: below each other, so that the rows they share stay in the first cache.
  template <int N>
  void column(const Series& x, std::int64_t i) const {
    const Taps taps = x.at(i);
    const std::int64_t weight_tap = padded(out.channels), x_out = x.output(i);
    Column<T> c;
    c.in = in.data + taps.first * in.pitch;
    c.weight = weight + taps.weight * weight_tap;
    c.in_row = in.width * in.pitch;
    c.in_height = in.height;
    c.weight_row = x_axis.kernel * weight_tap;
    c.taps = taps.count;
    c.weight_tap = taps.weight_step * weight_tap;
    c.x = taps.first;
    c.x_tap = taps.step;
    c.x_column = x.advance;
    c.in_width = in.width;
    c.in_pitch = in.pitch;
    c.out = out.data + x_out * out.pitch;
    c.out_row = out.width * out.pitch;
    c.out_column = x.step * out.pitch;
    c.epilogue = epilogue;
    if (epilogue.residual) c.epilogue.residual += x_out * epilogue.residual_pitch;
    c.residual_row = out.width * epilogue.residual_pitch;
    c.residual_column = x.step * epilogue.residual_pitch;
    c.begin = begin;
    c.end = end;
    const std::int64_t last = taps.first + (N - 1) * x.advance + (taps.count - 1) * taps.step;
    const auto function = N == kBlock && taps.first >= 0 && last < in.width ? column_function<N, false, T>(x)
                                                                            : column_function<N, true, T>(x);
    for_each_series(y_axis, rows.begin, rows.end, [&](const Series& y) { function(c, y); });
  }

  void run() const {
    for_each_series(x_axis, 0, out.width, [&](const Series& x) {
      std::int64_t i = 0;
      for (; i + kBlock <= x.count; i += kBlock) column<kBlock>(x, i);
      for (; i + 4 <= x.count; i += 4) column<4>(x, i);
      for (; i < x.count; ++i) column<1>(x, i);
    });
  }
};

template <class T>
void convolve_rows(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
                   Map<T> out, Rows rows, bool transposed) {
  const Axis y_axis(window, 0, transposed), x_axis(window, 1, transposed);
  const std::int64_t strip = kStrip<T>;
  for (std::int64_t begin = 0; begin < out.channels; begin += strip) {
    const std::int64_t end = begin + strip < out.channels ? begin + strip : out.channels;
    Layer<T>{in, weight, y_axis, x_axis, epilogue, out, rows, begin, end}.run();
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

/// So many channels at a time that the rows a kernel reads stay in the first cache.
template <class T>
std::int64_t channels_in_cache(std::int64_t values_per_channel) {
  constexpr std::int64_t kBytes = 32 << 10;
  const std::int64_t vectors = kBytes / (values_per_channel * kRegisterBytes);
  return (vectors > 1 ? vectors : 1) * kLanes<T>;
}

/// Of one row: columns of a vector of channels, `step` values apart; those from `begin` to `end` lie inside.
template <class T>
struct FineColumns {
  const T* first;
  std::int64_t step, begin, end;

  bool has(int j) const { return j >= begin && j < end; }
  const T* at(int j) const { return first + j * step; }
};

/// Columns x, x + x_step, ... of a row that begins at `row`.
template <class T>
FineColumns<T> columns_of(const T* row, std::int64_t x, std::int64_t x_step, std::int64_t width,
                          std::int64_t pitch) {
  const std::int64_t begin = x < 0 ? (-x + x_step - 1) / x_step : 0;
  const std::int64_t end = x < width ? (width - x + x_step - 1) / x_step : 0;
  return {row + x * pitch, x_step * pitch, begin, end};
}

/// Independent sums, so that none waits for the addition before.
template <int K>
constexpr int kChains = K == 1 ? 4 : 2;

/// Adds to sums[chain][k] the products of N coarse pixels with fine column i * S + k.
template <int N, int K, int S, bool Checked, class T, class Lanes>
[[gnu::always_inline]] inline void add_products(Vec<T> (&sums)[kChains<K>][K], const FineColumns<T>& fine,
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
      const FineColumns<T> columns = columns_of(fine, x, x_step, fine_width, fine_pitch);
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
