#include <type_traits>

#include "nn/kernels/few_outputs.h"
#include "nn/kernels/patch.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

using std::int64_t;

/// The epilogue of a tile whose sums began with the bias: what it has is asked once, not for each vector. `tail` channels are in the
/// last vector; 0: it is whole.
template <int kHeight, int kWidth, class T, class PixelsOfTile>
[[gnu::always_inline]] inline void finish_tile(Tile<T, kHeight, kWidth>& tile, const PixelsOfTile& pixels,
                                               const Epilogue<T>& epilogue, Activation activation, Map<T> out,
                                               int64_t c, int64_t tail) {
  const auto tail_of = [tail](int w) { return w == kWidth - 1 ? tail : 0; };
  if (epilogue.residual) {
    const T* const scale = epilogue.residual_scale;
    Vec<T> scales[kWidth];
    for (int w = 0; w < kWidth; ++w) scales[w] = scale ? load(scale + c + w * kLanes<T>) : splat(T(1));
    pixels.each(epilogue.residual + c, epilogue.residual_pitch, [&](int h, const T* from) {
#pragma GCC unroll 4
      for (int w = 0; w < kWidth; ++w)
        tile.sums[h][w] += scales[w] * load_tail(from + w * kLanes<T>, tail_of(w));
    });
  }
  if (activation == Activation::kRelu) {
    tile.each([](Vec<T> sum, Vec<T>) { return relu<T>(sum); }, epilogue.slope + c);
  } else if (activation == Activation::kSlopes) {
    tile.each([](Vec<T> sum, Vec<T> slope) { return activate<T>(sum, slope); }, epilogue.slope + c);
  }
  pixels.each(out.data + c, out.pitch, [&](int h, T* to) {
#pragma GCC unroll 4
    for (int w = 0; w < kWidth; ++w) store_tail(to + w * kLanes<T>, tile.sums[h][w], tail_of(w));
  });
}

/// Vectors of output channels from `c` on, of one tile.
template <int kHeight, int kWidth, class T, class PixelsOfTile>
[[gnu::always_inline]] inline void convolve_tile(const Patch<T>& patch, const PixelsOfTile& pixels,
                                                 const Epilogue<T>& epilogue, Activation activation,
                                                 Map<T> out, int64_t c, int64_t tail) {
  Tile<T, kHeight, kWidth> tile{};
  if (epilogue.bias) tile.each([](Vec<T>, Vec<T> bias) { return bias; }, epilogue.bias + c);
  tile.add(pixels.left(), patch.weight + c / kPanel * patch.panel + c % kPanel, patch.walk, 0,
           kLanes<T> == kPanel ? patch.panel : kLanes<T>);
  finish_tile(tile, pixels, epilogue, activation, out, c, tail);
}

/// Calls body(tail) with the constant 0 where the last of kWidth vectors from `c` on is whole, as it mostly is.
template <int kWidth, class T, class Body>
inline void with_tail(Map<T> out, int64_t c, Body body) {
  const int64_t last = out.channels - c - (kWidth - 1) * kLanes<T>;
  if (last >= kLanes<T>) return body(std::integral_constant<int64_t, 0>{});
  body(last);
}

/// The tiles that begin with pixel `first` and lie in its row, before `end`. @return the pixel behind them
template <int kHeight, int kWidth, class T>
[[gnu::noinline]] int64_t convolve_row(const Patch<T>& of_patch, const Epilogue<T>& of_epilogue, Map<T> out,
                                       int64_t c, int64_t first, int64_t end) {
  const Patch<T> patch = of_patch;  // copies: nothing that is stored can change them
  const Epilogue<T> epilogue = of_epilogue;
  const Activation activation = activation_of(epilogue.slope, c, c + kWidth * kLanes<T>);
  const int64_t row = patch.rows == 1 ? 0 : first / patch.columns, column = first - row * patch.columns;
  const int64_t tiles = smaller(end - first, patch.columns - column) / kHeight;
  TilePixelsInRow<T, kHeight> pixels{
      patch.in + row * patch.in_row + column * patch.in_column, patch.in_column,
      patch.out + row * patch.out_row + column * patch.out_column, patch.out_column};
  with_tail<kWidth>(out, c, [&](auto tail) {
    for (int64_t tile = 0; tile < tiles; ++tile, pixels.move())
      convolve_tile<kHeight, kWidth>(patch, pixels, epilogue, activation, out, c, tail);
  });
  return first + tiles * kHeight;
}

/// A tile that may go on in the next row, and may end at `end` before it is full.
template <int kHeight, int kWidth, class T>
[[gnu::noinline]] void convolve_across_rows(const Patch<T>& patch, const Epilogue<T>& epilogue, Map<T> out,
                                            int64_t c, int64_t first, int64_t end) {
  const auto pixels = tile_pixels<T, kHeight>(patch, first, end);
  const Activation activation = activation_of(epilogue.slope, c, c + kWidth * kLanes<T>);
  with_tail<kWidth>(out, c, [&](auto tail) {
    convolve_tile<kHeight, kWidth>(patch, pixels, epilogue, activation, out, c, tail);
  });
}

template <int kHeight, int kWidth, class T>
void convolve_tiles(const Patch<T>& patch, const Epilogue<T>& epilogue, Map<T> out, int64_t c, int64_t first,
                    int64_t end) {
  constexpr int kHalf = (kHeight + 1) / 2;
  while ((first = convolve_row<kHeight, kWidth>(patch, epilogue, out, c, first, end)) < end) {
    if (end - first <= kHalf) return convolve_across_rows<kHalf, kWidth>(patch, epilogue, out, c, first, end);
    convolve_across_rows<kHeight, kWidth>(patch, epilogue, out, c, first, end);
    first += kHeight;
    if (first >= end) return;
  }
}

// Registers hold the tile, its vectors of weights and one spread value.
constexpr int kHeights[] = {kRegisters == 32 ? 14 : 12, kRegisters == 32 ? 14 : 6, kRegisters == 32 ? 7 : 4};

/// Where weights are too large for the first-level cache, a block of pixels uses each part of them before the next is loaded;
/// else a block is what stays there while all output channels use it. Whole tiles of any height.
template <class T>
int64_t pixels_in_block(const Walk& walk, Map<T> out) {
  const int64_t weight_bytes =
      walk.count[0] * walk.count[1] * walk.count[2] * padded(out.channels) * int64_t{sizeof(T)};
  return weight_bytes <= 24 * 1024 ? 7 * 12 : kRegisters == 32 ? 15 * 14 : 18 * 12;
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
