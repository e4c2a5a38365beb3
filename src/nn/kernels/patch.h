#pragma once

// The output pixels of a convolution in groups that meet the same taps of its kernel.

#include "nn/kernels/register_tile.h"
#include "nn/kernels/taps.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

/// Output pixels that meet the same taps: borders are patches of their own, so that no sum asks whether a tap is inside.
template <class T>
struct Patch {
  const T* in;         ///< the first pixel's first tap
  const T* weight;     ///< of that tap, in the first panel
  std::int64_t panel;  ///< from one panel of weights to the next
  Walk walk;           ///< over the taps' rows, columns and channels
  std::int64_t rows, columns;
  std::int64_t in_row, in_column;         ///< from one output pixel to the next
  std::int64_t out, out_row, out_column;  ///< counted in pixels
};

/// Taps that are neighbours in the input as well as in the weight are one tap with more channels.
inline void join_columns(Walk& walk) {
  if (walk.left[1] != walk.count[2] || walk.right[1] != walk.count[2] * walk.right[2]) return;
  walk.count[2] *= walk.count[1];
  walk.count[1] = 1;
}

/// Rows that follow each other without a gap are one long row: no tile has to ask where one ends.
template <class T>
inline void join_rows(Patch<T>& patch) {
  if (patch.in_row != patch.columns * patch.in_column || patch.out_row != patch.columns * patch.out_column)
    return;
  patch.columns *= patch.rows;
  patch.rows = 1;
}

template <class T>
Patch<T> make_patch(Map<const T> in, const T* weight, const Window& window, Map<T> out, const Axis& y,
                    const Axis& x, const Run& rows, const Run& columns) {
  const std::int64_t tap = in.channels * kPanel, in_row = in.width * in.pitch;
  const std::int64_t first_y = y.first_in + rows.first * y.in_step + rows.first_tap * y.tap_in_step;
  const std::int64_t first_x = x.first_in + columns.first * x.in_step + columns.first_tap * x.tap_in_step;
  const std::int64_t tap_y = y.first_tap + rows.first_tap, tap_x = x.first_tap + columns.first_tap;
  const bool has_taps = rows.first_tap < rows.end_tap && columns.first_tap < columns.end_tap;
  Patch<T> patch;
  patch.walk = {{rows.end_tap - rows.first_tap, columns.end_tap - columns.first_tap, in.channels},
                {y.tap_in_step * in_row, x.tap_in_step * in.pitch, 1},
                {window.kernel[1] * tap, tap, kPanel}};
  join_columns(patch.walk);
  patch.panel = window.kernel[0] * window.kernel[1] * tap;
  patch.in = has_taps ? in.data + first_y * in_row + first_x * in.pitch : in.data;
  patch.weight = has_taps ? weight + (tap_y * window.kernel[1] + tap_x) * tap : weight;
  patch.rows = rows.count;
  patch.columns = columns.count;
  patch.in_row = has_taps ? y.in_step * in_row : 0;
  patch.in_column = has_taps ? x.in_step * in.pitch : 0;
  patch.out = (y.first_out + rows.first * y.out_step) * out.width + x.first_out + columns.first * x.out_step;
  patch.out_row = y.out_step * out.width;
  patch.out_column = x.out_step;
  join_rows(patch);
  return patch;
}

/// The pixels of a tile, wherever they lie; where a patch ends within it, its last pixel fills the rest.
template <class T, int kHeight>
struct TilePixels {
  const T* in[kHeight];
  std::int64_t out[kHeight];
  std::int64_t count;

  Pixels<T> left() const { return {in}; }

  /// Calls body(i, p) for each pixel; p: where its output lies in a map.
  template <class V, class Body>
  [[gnu::always_inline]] inline void each(V* data, std::int64_t pitch, Body body) const {
#pragma GCC unroll 16
    for (int i = 0; i < kHeight; ++i) {
      if (i < count) body(i, data + out[i] * pitch);
    }
  }
};

template <class T, int kHeight>
inline TilePixels<T, kHeight> tile_pixels(const Patch<T>& patch, std::int64_t first, std::int64_t end) {
  TilePixels<T, kHeight> pixels;
  pixels.count = smaller(end - first, kHeight);
  std::int64_t row = patch.rows == 1 ? 0 : first / patch.columns, column = first - row * patch.columns;
  const T* in = patch.in + row * patch.in_row + column * patch.in_column;
  std::int64_t out = patch.out + row * patch.out_row + column * patch.out_column;
  if (pixels.count == kHeight &&
      column + kHeight <= patch.columns) {  // all in one row: no step waits for the one before
    for (std::int64_t i = 0; i < kHeight; ++i) {
      pixels.in[i] = in + i * patch.in_column;
      pixels.out[i] = out + i * patch.out_column;
    }
    return pixels;
  }
  for (std::int64_t i = 0; i < kHeight; ++i) {
    pixels.in[i] = in;
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

/// The same where they all lie in one row of the patch.
template <class T, int kHeight>
struct TilePixelsInRow {
  const T* in;
  std::int64_t in_column;        ///< counted in values
  std::int64_t out, out_column;  ///< counted in pixels

  PixelsInRow<T, kHeight> left() const { return {in, in_column}; }

  template <class V, class Body>
  [[gnu::always_inline]] inline void each(V* data, std::int64_t pitch, Body body) const {
    V* p = data + out * pitch;
#pragma GCC unroll 16
    for (int i = 0; i < kHeight; ++i, p += out_column * pitch) body(i, p);
  }

  void move() {
    in += kHeight * in_column;
    out += kHeight * out_column;
  }
};

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
