#pragma once

// The matrix product that all convolutions are made of. A tile of its result stays in registers for the whole sum: of `kHeight`
// left factors (single values, spread over a vector) and `kWidth` vectors of right factors each step makes kHeight * kWidth
// vector multiply-adds out of kHeight + kWidth loads.

#include "nn/kernels/simd.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

/// The outputs of one panel of a dense convolution's weights.
constexpr std::int64_t kPanel = padded(1);

/// How a sum runs through its factors: step (i, j, k) takes the left ones i * left[0] + j * left[1] + k * left[2] values behind the
/// first, the right ones likewise.
struct Walk {
  std::int64_t count[3], left[3], right[3];
};

/// The left factors of a convolution: pixels that lie anywhere; a step is the next channel.
template <class T, int kHeight>
struct Pixels {
  static constexpr int kUnroll =
      4;  // the pointers do not fit into the processor's registers: each load of one serves 4 channels
  const T* at[kHeight];

  Vec<T> spread(int row, std::int64_t offset) const { return splat(at[row][offset]); }
  static std::int64_t step(const Walk&) { return 1; }
  static std::int64_t right_step(const Walk&) { return kPanel; }
};

/// The left factors of a weight gradient: channels side by side; a step is the next pixel.
template <class T>
struct Channels {
  static constexpr int kUnroll = 1;
  const T* first;

  Vec<T> spread(int row, std::int64_t offset) const { return splat(first[offset + row]); }
  static std::int64_t step(const Walk& walk) { return walk.left[2]; }
  static std::int64_t right_step(const Walk& walk) { return walk.right[2]; }
};

template <class T, int kHeight, int kWidth>
struct Tile {
  Vec<T> sums[kHeight][kWidth];

  /// Adds kSteps steps. Vectors of right factors are `vector` values apart; of the last one only `tail` are there; 0: all.
  template <int kSteps, class Left>
  [[gnu::always_inline]] inline void add_steps(const Left& left, std::int64_t offset, std::int64_t step,
                                               const T* right, std::int64_t right_step, std::int64_t vector,
                                               std::int64_t tail) {
    Vec<T> factors[kSteps][kWidth];
#pragma GCC unroll 4
    for (int s = 0; s < kSteps; ++s) {
#pragma GCC unroll 4
      for (int w = 0; w < kWidth; ++w) {
        const T* from = right + s * right_step + w * vector;
        factors[s][w] = w == kWidth - 1 ? load_tail(from, tail) : load(from);
      }
    }
#pragma GCC unroll 16
    for (int h = 0; h < kHeight; ++h) {
#pragma GCC unroll 4
      for (int s = 0; s < kSteps; ++s) {
        const Vec<T> value = left.spread(h, offset + s * step);
#pragma GCC unroll 4
        for (int w = 0; w < kWidth; ++w) sums[h][w] += value * factors[s][w];
      }
    }
  }

  /// Right factors that are used kAhead steps later: weights mostly come from far away.
  static constexpr std::int64_t kAhead = 16;
  [[gnu::always_inline]] static inline void prefetch(const T* right, std::int64_t vector) {
#pragma GCC unroll 4
    for (int w = 0; kWidth > 1 && w < kWidth; ++w) __builtin_prefetch(right + w * vector);
  }

  /// Each sum becomes body(sum, the value of its channel).
  template <class Body>
  [[gnu::always_inline]] inline void each(Body body, const T* values) {
#pragma GCC unroll 4
    for (int w = 0; w < kWidth; ++w) {
      const Vec<T> value = load(values + w * kLanes<T>);
#pragma GCC unroll 16
      for (int h = 0; h < kHeight; ++h) sums[h][w] = body(sums[h][w], value);
    }
  }

  template <class Left>
  [[gnu::always_inline]] inline void add(const Left& left, const T* right, const Walk& walk,
                                         std::int64_t tail, std::int64_t vector = kLanes<T>) {
    constexpr int kSteps = kWidth == 1 ? Left::kUnroll : 1;
    const std::int64_t step = Left::step(walk), right_step = Left::right_step(walk);
    for (std::int64_t i = 0; i < walk.count[0]; ++i) {
      for (std::int64_t j = 0; j < walk.count[1]; ++j) {
        std::int64_t offset = i * walk.left[0] + j * walk.left[1];
        const T* factors = right + i * walk.right[0] + j * walk.right[1];
        std::int64_t k = walk.count[2];
        for (; k >= kSteps; k -= kSteps) {
          prefetch(factors + kAhead * right_step, vector);
          add_steps<kSteps>(left, offset, step, factors, right_step, vector, tail);
          offset += kSteps * step;
          factors += kSteps * right_step;
        }
        for (; kSteps > 1 && k > 0; --k) {
          add_steps<1>(left, offset, step, factors, right_step, vector, tail);
          offset += step;
          factors += right_step;
        }
      }
    }
  }
};

template <int kValue>
struct Constant {
  constexpr operator int() const { return kValue; }
};

/// Calls body(width, channel) for tiles of 1 to `most` vectors that together hold all channels; 1 only where there is no more.
template <class T, class Body>
inline void for_each_width(std::int64_t channels, Body body, int most = 3) {
  std::int64_t vectors = (channels + kLanes<T> - 1) / kLanes<T>, c = 0;
  while (vectors > 0) {
    const int width = vectors == 4 ? 2 : vectors < most ? static_cast<int>(vectors) : most;
    if (width == 1) body(Constant<1>{}, c);
    if (width == 2) body(Constant<2>{}, c);
    if (width == 3) body(Constant<3>{}, c);
    vectors -= width;
    c += width * kLanes<T>;
  }
}

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
