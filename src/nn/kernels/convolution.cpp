#include "nn/kernels/few_outputs.h"
#include "nn/kernels/patch.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

using std::int64_t;

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

/// `finish` for a tile whose sums began with the bias: what it asks is asked once, not for each vector.
template <int kHeight, int kWidth, class T>
[[gnu::always_inline]] inline void finish_tile(Tile<T, kHeight, kWidth>& tile,
                                               const TilePixels<T, kHeight>& pixels,
                                               const Epilogue<T>& epilogue, Map<T> out, int64_t c,
                                               int64_t tail) {
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
  if (epilogue.bias) tile.each([](Vec<T>, Vec<T> bias) { return bias; }, epilogue.bias + c);
  tile.add(pixels.in, patch.weight + c / kPanel * patch.panel + c % kPanel, patch.walk, 0,
           kLanes<T> == kPanel ? patch.panel : kLanes<T>);
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
  return weight_bytes <= 24 * 1024 ? 6 * 14 : 15 * 14;  // whole tiles of 14, 7 and 6 pixels
}

template <class T>
void convolve_patch(const Patch<T>& patch, const Epilogue<T>& epilogue, Map<T> out) {
  FewOutputs<T> few;
  find_few_outputs(patch, out.channels, few);
  if (few.groups > 0) return convolve_few_of(patch, few, epilogue, out);
  const int64_t pixels = patch.rows * patch.columns, block = pixels_in_block(patch.walk, out);
  for (int64_t first = 0; first < pixels; first += block) {
    const int64_t end = smaller(first + block, pixels);
    const auto tiles = [&](auto width, int64_t c) {
      convolve_tiles<kHeights[width - 1], width>(patch, epilogue, out, c, first, end);
    };
    for_each_width<T>(out.channels, tiles, kLanes<T> == kPanel ? 3 : 2);  // vectors are panels, or lie in one
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
