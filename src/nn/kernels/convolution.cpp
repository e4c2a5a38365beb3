#include "nn/kernels/register_tile.h"
#include "nn/kernels/table.h"
#include "nn/kernels/taps.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

using std::int64_t;

/// Output pixels that meet the same taps: borders are patches of their own, so that no sum asks whether a tap is inside.
template <class T>
struct Patch {
  const T* in;      ///< the first pixel's first tap
  const T* weight;  ///< of that tap
  Walk walk;        ///< over the taps' rows, columns and channels
  int64_t rows, columns;
  int64_t in_row, in_column;         ///< from one output pixel to the next
  int64_t out, out_row, out_column;  ///< counted in pixels
};

/// Taps that are neighbours in the input as well as in the weight are one tap with more channels.
void join_columns(Walk& walk) {
  if (walk.left[1] != walk.count[2] || walk.right[1] != walk.count[2] * walk.right[2]) return;
  walk.count[2] *= walk.count[1];
  walk.count[1] = 1;
}

template <class T>
Patch<T> make_patch(Map<const T> in, const T* weight, const Window& window, Map<T> out, const Axis& y,
                    const Axis& x, const Run& rows, const Run& columns) {
  const int64_t tap = in.channels * padded(out.channels), in_row = in.width * in.pitch;
  const int64_t first_y = y.first_in + rows.first * y.in_step + rows.first_tap * y.tap_in_step;
  const int64_t first_x = x.first_in + columns.first * x.in_step + columns.first_tap * x.tap_in_step;
  const int64_t tap_y = y.first_tap + rows.first_tap * y.tap_step;
  const int64_t tap_x = x.first_tap + columns.first_tap * x.tap_step;
  Patch<T> patch;
  patch.walk = {{rows.end_tap - rows.first_tap, columns.end_tap - columns.first_tap, in.channels},
                {y.tap_in_step * in_row, x.tap_in_step * in.pitch, 1},
                {y.tap_step * window.kernel[1] * tap, x.tap_step * tap, padded(out.channels)}};
  join_columns(patch.walk);
  const bool has_taps = patch.walk.count[0] > 0 && patch.walk.count[1] > 0;
  patch.in = has_taps ? in.data + first_y * in_row + first_x * in.pitch : in.data;
  patch.weight = has_taps ? weight + (tap_y * window.kernel[1] + tap_x) * tap : weight;
  patch.rows = rows.count;
  patch.columns = columns.count;
  patch.in_row = has_taps ? y.in_step * in_row : 0;
  patch.in_column = has_taps ? x.in_step * in.pitch : 0;
  patch.out = (y.first_out + rows.first * y.out_step) * out.width + x.first_out + columns.first * x.out_step;
  patch.out_row = y.out_step * out.width;
  patch.out_column = x.out_step;
  return patch;
}

// Sums, tile by tile.

/// The pixels of a tile; where a patch ends within it, its last pixel fills the rest.
template <class T, int kHeight>
struct TilePixels {
  Pixels<T, kHeight> in;
  int64_t out[kHeight];
  int64_t count;
};

template <class T, int kHeight>
inline TilePixels<T, kHeight> tile_pixels(const Patch<T>& patch, int64_t first, int64_t end) {
  TilePixels<T, kHeight> pixels;
  pixels.count = smaller(end - first, kHeight);
  int64_t row = patch.rows == 1 ? 0 : first / patch.columns, column = first - row * patch.columns;
  const T* in = patch.in + row * patch.in_row + column * patch.in_column;
  int64_t out = patch.out + row * patch.out_row + column * patch.out_column;
  for (int64_t i = 0; i < kHeight; ++i) {
    pixels.in.at[i] = in;
    pixels.out[i] = out;
    if (i + 1 >= pixels.count) continue;
    in += patch.in_column;
    out += patch.out_column;
    if (++column == patch.columns) {
      column = 0;
      in += patch.in_row - patch.columns * patch.in_column;
      out += patch.out_row - patch.columns * patch.out_column;
    }
  }
  return pixels;
}

/// `tail` channels are in the last vector of the tile; 0: it is whole.
template <int kHeight, int kWidth, class T>
[[gnu::always_inline]] inline void add_residual(Tile<T, kHeight, kWidth>& tile,
                                                const TilePixels<T, kHeight>& pixels,
                                                const Epilogue<T>& epilogue, int64_t c, int64_t tail) {
#pragma GCC unroll 4
  for (int w = 0; w < kWidth; ++w) {
    const int64_t channel = c + w * kLanes<T>;
    const Vec<T> scale = epilogue.residual_scale ? load(epilogue.residual_scale + channel) : splat(T(1));
#pragma GCC unroll 16
    for (int h = 0; h < kHeight; ++h) {
      const T* from = epilogue.residual + pixels.out[h] * epilogue.residual_pitch + channel;
      tile.sums[h][w] += scale * (w == kWidth - 1 ? load_tail(from, tail) : load(from));
    }
  }
}

template <int kHeight, int kWidth, class T>
[[gnu::always_inline]] inline void write(const Tile<T, kHeight, kWidth>& tile,
                                         const TilePixels<T, kHeight>& pixels, Map<T> out, int64_t c,
                                         int64_t tail) {
#pragma GCC unroll 16
  for (int h = 0; h < kHeight; ++h) {
    if (h >= pixels.count) return;
    T* to = out.data + pixels.out[h] * out.pitch + c;
#pragma GCC unroll 4
    for (int w = 0; w < kWidth; ++w) {
      store_tail(to + w * kLanes<T>, tile.sums[h][w], w == kWidth - 1 ? tail : 0);
    }
  }
}

/// `finish` for a tile: what it asks is asked once, not for each vector.
template <int kHeight, int kWidth, class T>
[[gnu::always_inline]] inline void finish_tile(Tile<T, kHeight, kWidth>& tile,
                                               const TilePixels<T, kHeight>& pixels,
                                               const Epilogue<T>& epilogue, Map<T> out, int64_t c,
                                               int64_t tail) {
  if (epilogue.bias) tile.each([&](Vec<T> sum, Vec<T> bias) { return sum + bias; }, epilogue.bias + c);
  if (epilogue.residual) add_residual(tile, pixels, epilogue, c, tail);
  if (epilogue.slope)
    tile.each([&](Vec<T> sum, Vec<T> slope) { return activate<T>(sum, slope); }, epilogue.slope + c);
  if (tail == 0) {
    write(tile, pixels, out, c, 0);
  } else {
    write(tile, pixels, out, c, tail);
  }
}

/// Vectors of output channels from `c` on, of one tile.
template <int kHeight, int kWidth, class T>
[[gnu::noinline]] void convolve_tile(const Patch<T>& patch, const TilePixels<T, kHeight>& pixels,
                                     const Epilogue<T>& epilogue, Map<T> out, int64_t c) {
  Tile<T, kHeight, kWidth> tile{};
  tile.add(pixels.in, patch.weight + c, patch.walk, 0);
  const int64_t last = out.channels - c - (kWidth - 1) * kLanes<T>;
  finish_tile(tile, pixels, epilogue, out, c, last < kLanes<T> ? last : 0);
}

template <int kHeight, int kWidth, class T>
void convolve_tiles(const Patch<T>& patch, const Epilogue<T>& epilogue, Map<T> out, int64_t c, int64_t first,
                    int64_t end) {
  constexpr int kHalf = (kHeight + 1) / 2;
  for (; end - first > kHalf; first += kHeight) {
    convolve_tile<kHeight, kWidth>(patch, tile_pixels<T, kHeight>(patch, first, end), epilogue, out, c);
  }
  if (first < end)
    convolve_tile<kHalf, kWidth>(patch, tile_pixels<T, kHalf>(patch, first, end), epilogue, out, c);
}

// Registers hold the tile, its vectors of weights and one spread value. 14 and 7 divide the sizes of all maps of 224x224 networks.
constexpr int kHeights[] = {14, kRegisters == 32 ? 14 : 6, kRegisters == 32 ? 7 : 4};

/// Where weights are too large for the first-level cache, a block of pixels uses each part of them before the next is loaded;
/// else a block is what stays there while all output channels use it.
template <class T>
int64_t pixels_in_block(const Walk& walk, Map<T> out) {
  const int64_t weight_bytes =
      walk.count[0] * walk.count[1] * walk.count[2] * padded(out.channels) * int64_t{sizeof(T)};
  return kHeights[0] * (weight_bytes <= 24 * 1024 ? 4 : 16);
}

// One or two output channels would leave most of a vector empty: here vectors hold input channels, and are summed up at the end.

constexpr int64_t kFewWeights = 4096;

/// Weights of one output channel after the other for each vector of input channels, 0 behind the last.
template <int kOut, class T>
void gather_weights(const Patch<T>& patch, T* gathered) {
  const Walk& walk = patch.walk;
  for (int64_t i = 0; i < walk.count[0]; ++i) {
    for (int64_t j = 0; j < walk.count[1]; ++j) {
      const T* tap = patch.weight + i * walk.right[0] + j * walk.right[1];
      for (int64_t c = 0; c < walk.count[2]; c += kLanes<T>) {
        for (int64_t o = 0; o < kOut; ++o) {
          for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
            *gathered++ = c + lane < walk.count[2] ? tap[(c + lane) * walk.right[2] + o] : T(0);
          }
        }
      }
    }
  }
}

template <int kOut, int kPixels, class T>
inline Vec<T> few_sums(const Patch<T>& patch, const Pixels<T, kPixels>& in, const T* gathered) {
  const Walk& walk = patch.walk;
  Vec<T> sums[kPixels * kOut]{};
  for (int64_t i = 0; i < walk.count[0]; ++i) {
    for (int64_t j = 0; j < walk.count[1]; ++j) {
      for_each_vector<T>(walk.count[2], [&](int64_t c, int64_t tail) __attribute__((always_inline)) {
        const int64_t offset = i * walk.left[0] + j * walk.left[1] + c;
#pragma GCC unroll 16
        for (int p = 0; p < kPixels; ++p) {
          const Vec<T> values = load_tail(in.at[p] + offset, tail);
#pragma GCC unroll 2
          for (int o = 0; o < kOut; ++o) sums[p * kOut + o] += values * load(gathered + o * kLanes<T>);
        }
        gathered += kOut * kLanes<T>;
      });
    }
  }
  return lane_sums<T>(sums);
}

/// values[0] to values[kOut - 1], again and again.
template <int kOut, class T>
inline Vec<T> repeated(const T* values) {
  Vec<T> v{};
  for (int i = 0; i < kLanes<T>; ++i) v[i] = values[i % kOut];
  return v;
}

template <int kOut, class T>
void convolve_few(const Patch<T>& patch, const Epilogue<T>& epilogue, Map<T> out) {
  constexpr int kPixels = kLanes<T> / kOut;
  T gathered[kFewWeights], values[kLanes<T>] = {};
  gather_weights<kOut>(patch, gathered);
  const Vec<T> bias = epilogue.bias ? repeated<kOut>(epilogue.bias) : splat(T(0));
  const Vec<T> slope = epilogue.slope ? repeated<kOut>(epilogue.slope) : splat(T(1));
  const Vec<T> scale = epilogue.residual_scale ? repeated<kOut>(epilogue.residual_scale) : splat(T(1));
  const int64_t end = patch.rows * patch.columns;
  for (int64_t first = 0; first < end; first += kPixels) {
    const auto pixels = tile_pixels<T, kPixels>(patch, first, end);
    const auto for_each_value = [&](auto body) {
      for (int64_t i = 0; i < pixels.count * kOut; ++i) body(values[i], pixels.out[i / kOut], i % kOut);
    };
    Vec<T> sums = few_sums<kOut>(patch, pixels.in, gathered) + bias;
    if (epilogue.residual) {
      for_each_value([&](T& value, int64_t pixel, int64_t o) {
        value = epilogue.residual[pixel * epilogue.residual_pitch + o];
      });
      sums += scale * load(values);
    }
    sums = activate<T>(sums, slope);
    const bool are_neighbours = pixels.count == kPixels && pixels.out[kPixels - 1] - pixels.out[0] == kPixels - 1;
    if (out.pitch == kOut && are_neighbours) {
      store(out.data + pixels.out[0] * kOut, sums);
      continue;
    }
    store(values, sums);
    for_each_value([&](T value, int64_t pixel, int64_t o) { out.data[pixel * out.pitch + o] = value; });
  }
}

template <class T>
bool are_few(const Walk& walk, int64_t out_channels) {
  const int64_t in_channels = (walk.count[2] + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  return out_channels <= 2 && out_channels <= kLanes<T> &&
         walk.count[0] * walk.count[1] * in_channels * out_channels <= kFewWeights;
}

template <class T>
void convolve_patch(const Patch<T>& patch, const Epilogue<T>& epilogue, Map<T> out) {
  if (are_few<T>(patch.walk, out.channels)) {
    return out.channels == 1 ? convolve_few<1>(patch, epilogue, out) : convolve_few<2>(patch, epilogue, out);
  }
  const int64_t pixels = patch.rows * patch.columns, block = pixels_in_block(patch.walk, out);
  for (int64_t first = 0; first < pixels; first += block) {
    const int64_t end = smaller(first + block, pixels);
    for_each_width<T>(out.channels, [&](auto width, int64_t c) {
      convolve_tiles<kHeights[width - 1], width>(patch, epilogue, out, c, first, end);
    });
  }
}

template <class T>
void convolve_axes(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
                   Map<T> out, const Axis& y, const Axis& x) {
  for_each_run(y, [&](const Run& rows) {
    for_each_run(x, [&](const Run& columns) {
      convolve_patch(make_patch(in, weight, window, out, y, x, rows, columns), epilogue, out);
    });
  });
}

template <class T>
void convolve(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue, Map<T> out,
              Rows rows) {
  convolve_axes(in, weight, window, epilogue, out,
                convolution_axis(window, 0, in.height, rows.begin, rows.end),
                convolution_axis(window, 1, in.width, 0, out.width));
}

template <class T>
void convolve_transposed(Map<const T> in, const T* weight, const Window& window, const Epilogue<T>& epilogue,
                         Map<T> out, Rows rows) {
  for (int64_t y = rows.begin; y < smaller(rows.begin + window.stride[0], rows.end); ++y) {
    for (int64_t x = 0; x < smaller(window.stride[1], out.width); ++x) {
      convolve_axes(in, weight, window, epilogue, out, transposed_axis(window, 0, in.height, y, rows.end),
                    transposed_axis(window, 1, in.width, x, out.width));
    }
  }
}

}  // namespace

template <class T>
void add_convolutions(Kernels<T>& table) {
  table.convolve = convolve<T>;
  table.convolve_transposed = convolve_transposed<T>;
}

template void add_convolutions(Kernels<float>&);
template void add_convolutions(Kernels<double>&);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
