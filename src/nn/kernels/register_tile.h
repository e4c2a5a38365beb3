#pragma once

// The matrix product that all convolutions are made of. A tile of its result stays in registers for the whole sum: of `kHeight`
// left factors (single values, spread over a vector) and `kWidth` vectors of right factors each step makes kHeight * kWidth
// vector multiply-adds out of kHeight + kWidth loads.

#include <type_traits>

#include "nn/kernels/simd.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

/// The outputs of one panel of a dense convolution's weights.
constexpr std::int64_t kPanel = padded(1);

/// How a sum runs through its factors: step (i, j, k) takes the left ones i * left[0] + j * left[1] + k * left[2] values behind the
/// first, the right ones likewise.
struct Walk {
  std::int64_t count[3], left[3], right[3];
};

// Left factors are cursors: spread(row, step) is a row's factor `step` steps ahead, step < kUnroll; move() goes on as a Walk counts.

/// The left factors of a convolution: pixels that lie anywhere; a step is the next channel.
template <class T>
struct Pixels {
  static constexpr int kUnroll = 4;  // registers hold few of the pointers: each load of one serves 4 channels
  const T* const* at;
  std::int64_t offset = 0;

  Vec<T> spread(int row, int step) const { return splat(at[row][offset + step]); }
  void move(std::int64_t values) { offset += values; }
  static std::int64_t step(const Walk&) { return 1; }
  static std::int64_t right_step(const Walk&) { return kPanel; }
};

/// The same, of pixels that are equally far apart. Five share a pointer: x86 adds 1, 2 or 4 times another register to an address,
/// and one more register holds three times it.
template <class T, int kHeight>
struct PixelsInRow {
  static constexpr int kUnroll = 2;  // two channels of a pixel are loaded faster than one of two pixels
  static constexpr int kShared = 5, kPointers = (kHeight + kShared - 1) / kShared;
  static constexpr std::int64_t kSize = sizeof(T);
  const char* at[kPointers];
  std::int64_t apart, three_apart;  ///< bytes

  PixelsInRow(const T* first, std::int64_t in_column) : apart(in_column * kSize), three_apart(3 * apart) {
    for (int i = 0; i < kPointers; ++i) at[i] = reinterpret_cast<const char*>(first) + i * kShared * apart;
  }
  [[gnu::always_inline]] Vec<T> spread(int row, int step) const {
    const int i = row % kShared;
    const char* const pixel = at[row / kShared] + (i == 3 ? three_apart : i * apart);
    return splat(*reinterpret_cast<const T*>(pixel + step * kSize));
  }
  [[gnu::always_inline]] void move(std::int64_t values) {
    for (const char*& pointer : at) pointer = walked(pointer + values * kSize);
  }
  static std::int64_t step(const Walk&) { return 1; }
  static std::int64_t right_step(const Walk&) { return kPanel; }
};

/// The left factors of a weight gradient: channels side by side; a step is the next pixel.
template <class T>
struct Channels {
  static constexpr int kUnroll = 1;
  const T* first;

  Vec<T> spread(int row, int) const { return splat(first[row]); }
  void move(std::int64_t values) { first += values; }
  static std::int64_t step(const Walk& walk) { return walk.left[2]; }
  static std::int64_t right_step(const Walk& walk) { return walk.right[2]; }
};

template <class T, int kHeight, int kWidth>
struct Tile {
  Vec<T> sums[kHeight][kWidth];

  /// Adds kSteps steps. Vectors of right factors are `vector` values apart; of the last one only `tail` are there; 0: all.
  template <int kSteps, class Left>
  [[gnu::always_inline]] inline void add_steps(const Left& left, const T* right, std::int64_t right_step,
                                               std::int64_t vector, std::int64_t tail) {
    Vec<T> factors[kSteps][kWidth];
#pragma GCC unroll 4
    for (int s = 0; s < kSteps; ++s) {
#pragma GCC unroll 4
      for (int w = 0; w < kWidth; ++w) {
        const T* from = right + s * right_step + w * vector;
        const Vec<T> factor = w == kWidth - 1 ? load_tail(from, tail) : load(from);
        factors[s][w] = kHeight < 4 ? in_register(factor) : factor;  // else read again for each of two rows
      }
    }
#pragma GCC unroll 16
    for (int h = 0; h < kHeight; ++h) {
#pragma GCC unroll 4
      for (int s = 0; s < kSteps; ++s) {
        const Vec<T> value = left.spread(h, s);
#pragma GCC unroll 4
        for (int w = 0; w < kWidth; ++w) sums[h][w] += value * factors[s][w];
      }
    }
  }

  /// The processor begins so many multiply-adds before the first is done. Weight gradients of fewer sums keep those of every other
  /// pixel apart, lest they wait for each other.
  static constexpr int kFewest = 8;

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
        Left at = left;
        at.move(i * walk.left[0] + j * walk.left[1]);
        const T* factors = right + i * walk.right[0] + j * walk.right[1];
        std::int64_t k = walk.count[2];
        if constexpr (std::is_same_v<Left, Channels<T>> && kHeight * kWidth < kFewest) {
          Tile others{};
          for (; k >= 2; k -= 2) {
            add_steps<1>(at, factors, right_step, vector, tail);
            at.move(step);
            others.template add_steps<1>(at, factors + right_step, right_step, vector, tail);
            at.move(step);
            factors += 2 * right_step;
          }
          for (int h = 0; h < kHeight; ++h) {
            for (int w = 0; w < kWidth; ++w) sums[h][w] += others.sums[h][w];
          }
        }
        for (; k >= kSteps; k -= kSteps) {
          prefetch(factors + kAhead * right_step, vector);
          add_steps<kSteps>(at, factors, right_step, vector, tail);
          at.move(kSteps * step);
          factors += kSteps * right_step;
        }
        for (; kSteps > 1 && k > 0; --k) {
          add_steps<1>(at, factors, right_step, vector, tail);
          at.move(step);
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
