#include "nn/kernels/register_tile.h"
#include "nn/kernels/table.h"
#include "nn/kernels/taps.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

using std::int64_t;

/// gradient(l, r) += sum over pixels of left(l) * right(r): a tile has left's channels as its rows and right's in its vectors.
template <class T>
struct Product {
  const T *left, *right;
  int64_t left_channels, right_channels;
  Walk walk;  ///< over the pixels' rows and columns
  T* gradient;
  int64_t left_step, right_step;  ///< of the gradient
};

/// The same with coarse's channels as rows: where they would leave most of a vector empty.
template <class T>
void exchange(Product<T>& product) {
  product = {product.right,
             product.left,
             product.right_channels,
             product.left_channels,
             {{product.walk.count[0], product.walk.count[1], product.walk.count[2]},
              {product.walk.right[0], product.walk.right[1], product.walk.right[2]},
              {product.walk.left[0], product.walk.left[1], product.walk.left[2]}},
             product.gradient,
             product.right_step,
             product.left_step};
}

/// The product without the right channels before `r`.
template <class T>
Product<T> from_right(Product<T> product, int64_t r) {
  product.right += r;
  product.right_channels -= r;
  product.gradient += r * product.right_step;
  return product;
}

/// Adds one row of a tile to a gradient whose left and right are exchanged.
template <class T>
[[gnu::noinline]] void scatter(const Product<T>& product, int64_t l, const T* sums, int64_t count) {
  T* to = product.gradient + l * product.left_step;
  for (int64_t i = 0; i < smaller(count, product.right_channels); ++i) to[i * product.right_step] += sums[i];
}

/// The first kWidth vectors of right channels, left channels from `l` on.
template <int kHeight, int kWidth, class T>
[[gnu::noinline]] void add_tile(const Product<T>& product, int64_t l) {
  Tile<T, kHeight, kWidth> tile{};
  const Channels<T> left{product.left + l};
  const int64_t last = product.right_channels - (kWidth - 1) * kLanes<T>;
  if (last >= kLanes<T>) {
    tile.add(left, product.right, product.walk, 0);
  } else {
    tile.add(left, product.right, product.walk, last);
  }
#pragma GCC unroll 16
  for (int h = 0; h < kHeight; ++h) {
    T* to = product.gradient + (l + h) * product.left_step;
    T sums[kWidth * kLanes<T>];
    const bool is_exchanged = product.right_step != 1;
#pragma GCC unroll 4
    for (int64_t w = 0; w < kWidth * kLanes<T>; w += kLanes<T>) {
      const Vec<T> sum = tile.sums[h][w / kLanes<T>];
      if (is_exchanged) {
        store(sums + w, sum);
      } else {
        store(to + w, load(to + w) + sum);
      }
    }
    if (is_exchanged) scatter(product, l + h, sums, kWidth * kLanes<T>);
  }
}

template <int kHeight, int kWidth, class T>
void add_tile_of_height(int64_t height, const Product<T>& product, int64_t l) {
  if (height == kHeight) return add_tile<kHeight, kWidth>(product, l);
  if constexpr (kHeight > 1) add_tile_of_height<kHeight - 1, kWidth>(height, product, l);
}

// As high as registers allow beside the vectors of right factors and one spread value.
constexpr int kHeights[] = {kRegisters == 32 ? 16 : 10, kRegisters == 32 ? 9 : 6, kRegisters == 32 ? 9 : 4};

/// A product's first kWidth vectors of right factors, copied side by side: pixels of a wide map are so far apart that few of them
/// stay in the first-level cache together.
template <int kWidth, class T>
class Packed {
 public:
  static constexpr int64_t kMostPixels = 256;

  explicit Packed(const Product<T>& product) : product_(product) {
    const Walk& walk = product.walk;
    const int64_t last = smaller(product.right_channels - (kWidth - 1) * kLanes<T>, kLanes<T>);
    T* to = values_;
    for (int64_t y = 0; y < walk.count[1]; ++y) {
      const T* from = product.right + y * walk.right[1];
      for (int64_t x = 0; x < walk.count[2]; ++x, from += walk.right[2]) {
        for (int w = 0; w < kWidth; ++w, to += kLanes<T>)
          store(to, load_tail(from + w * kLanes<T>, w + 1 < kWidth || last == kLanes<T> ? 0 : last));
      }
    }
    product_.right = values_;
    product_.walk.right[2] = kWidth * kLanes<T>;
    product_.walk.right[1] = walk.count[2] * product_.walk.right[2];
  }
  Packed(const Packed&) = delete;
  Packed& operator=(const Packed&) = delete;

  const Product<T>& product() const { return product_; }

 private:
  Product<T> product_;
  alignas(kRegisterBytes) T values_[kMostPixels * kWidth * kLanes<T>];
};

/// Tiles of the first kWidth vectors of right channels, of about the same height: low ones load more for each sum.
template <int kWidth, class T>
void add_tiles(const Product<T>& product, int64_t tiles) {
  for (int64_t l = 0; tiles > 0; --tiles) {
    const int64_t height = (product.left_channels - l + tiles - 1) / tiles;
    add_tile_of_height<kHeights[kWidth - 1], kWidth>(height, product, l);
    l += height;
  }
}

template <class T>
void add_product(const Product<T>& all) {
  constexpr int64_t kWorthPacking = 12;  // tiles
  for_each_width<T>(all.right_channels, [&](auto width, int64_t r) {
    const Product<T> product = from_right(all, r);
    const int64_t height = kHeights[width - 1], tiles = (product.left_channels + height - 1) / height;
    const int64_t pixels = product.walk.count[1] * product.walk.count[2];
    if (tiles < kWorthPacking || pixels > Packed<width, T>::kMostPixels)
      return add_tiles<width>(product, tiles);
    const Packed<width, T> packed(product);
    add_tiles<width>(packed.product(), tiles);
  });
}

/// The part of a convolution that a row of taps has: `columns` are pixels of coarse that meet the taps columns.first_tap to end_tap.
template <class T>
struct TapRow {
  Map<const T> fine, coarse;
  Axis y, x;
  Run rows, columns;
  T* gradient;  ///< the row's first tap
};

template <class T>
void add_taps(const TapRow<T>& taps) {
  const Map<const T>&fine = taps.fine, &coarse = taps.coarse;
  const Axis &y = taps.y, &x = taps.x;
  const int64_t fine_y = y.first_in + taps.rows.first * y.in_step + taps.rows.first_tap * y.tap_in_step;
  const int64_t fine_x = x.first_in + taps.columns.first * x.in_step + taps.columns.first_tap * x.tap_in_step;
  const int64_t coarse_y = y.first_out + taps.rows.first;
  Product<T> product;
  product.left = fine.data + (fine_y * fine.width + fine_x) * fine.pitch;
  product.left_channels = fine.channels * (taps.columns.end_tap - taps.columns.first_tap);
  product.right = coarse.data + (coarse_y * coarse.width + taps.columns.first) * coarse.pitch;
  product.right_channels = coarse.channels;
  product.walk = {{1, taps.rows.count, taps.columns.count},
                  {0, y.in_step * fine.width * fine.pitch, x.in_step * fine.pitch},
                  {0, coarse.width * coarse.pitch, coarse.pitch}};
  product.left_step = padded(coarse.channels);
  product.right_step = 1;
  product.gradient = taps.gradient + taps.columns.first_tap * fine.channels * product.left_step;
  if (2 * coarse.channels <= kLanes<T> && product.left_channels > coarse.channels) exchange(product);
  add_product(product);
}

/// Some rows of coarse.
template <class T>
void add_band(Map<const T> fine, Map<const T> coarse, const Window& window, T* weight_gradient, Rows band) {
  const int64_t row_size = window.kernel[1] * fine.channels * padded(coarse.channels);
  const bool taps_are_neighbours =
      fine.pitch == fine.channels && window.dilation[1] == 1 && fine.channels < 32;
  const Axis y = convolution_axis(window, 0, fine.height, band.begin, band.end);
  const Axis x = convolution_axis(window, 1, fine.width, 0, coarse.width);
  for (int64_t tap_y = 0; tap_y < window.kernel[0]; ++tap_y) {
    const Run rows = run_of_tap(y, tap_y);
    if (rows.count == 0) continue;
    const auto add = [&](const Run& columns) {
      if (columns.count == 0 || columns.first_tap == columns.end_tap) return;
      add_taps<T>({fine, coarse, y, x, rows, columns, weight_gradient + tap_y * row_size});
    };
    if (taps_are_neighbours) {
      for_each_run(x, add);
    } else {
      for (int64_t tap_x = 0; tap_x < window.kernel[1]; ++tap_x) add(run_of_tap(x, tap_x));
    }
  }
}

/// So few that they stay in the second-level cache for all tiles and taps, but enough to make up for the loads and stores of the
/// gradient.
template <class T>
int64_t rows_in_band(Map<const T> fine, Map<const T> coarse, const Window& window) {
  const int64_t fine_row = window.stride[0] * fine.width * fine.channels,
                coarse_row = coarse.width * coarse.channels;
  return larger(128 * 1024 / ((fine_row + coarse_row) * int64_t{sizeof(T)}),
                (127 + coarse.width) / coarse.width);
}

template <class T>
void convolve_weight_gradient(Map<const T> fine, Map<const T> coarse, const Window& window,
                              T* weight_gradient, Rows rows) {
  const int64_t band = rows_in_band(fine, coarse, window);
  for (int64_t y = rows.begin; y < rows.end; y += band) {
    add_band(fine, coarse, window, weight_gradient, {y, smaller(y + band, rows.end)});
  }
}

}  // namespace

template <class T>
void add_weight_gradient(Kernels<T>& table) {
  table.convolve_weight_gradient = convolve_weight_gradient<T>;
}

template void add_weight_gradient(Kernels<float>&);
template void add_weight_gradient(Kernels<double>&);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
