#pragma once

// Vectors of as many values as a register of the instruction set holds for which this file is compiled. Each instruction set
// has its own namespace (PORTRAITSEG_ISA), so that the linker never takes one's code for another's.

#include <cstdint>
#include <cstring>
#include <utility>

#include "nn/kernels/kernels.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace portraitseg::kernels::PORTRAITSEG_ISA {

#if defined(__AVX512F__)
constexpr int kRegisterBytes = 64, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kRegisterBytes = 32, kRegisters = 16;
#else
constexpr int kRegisterBytes = 16, kRegisters = 16;
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kRegisterBytes)));
};

/// Operators +, -, *, <, ?: work lane by lane; the compiler joins a * b + c.
template <class T>
using Vec = typename VectorOf<T>::type;

template <class T>
constexpr std::int64_t kLanes = kRegisterBytes / static_cast<std::int64_t>(sizeof(T));

template <class T>
inline Vec<T> load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
inline void store(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}

template <class T>
inline Vec<T> splat(T value) {
  return value - Vec<T>{};  // with + the compiler would have to turn -0 into 0
}

/// The first `count` lanes, 0 behind them; nothing behind them is read. 0 < count < kLanes.
template <class T>
inline Vec<T> load(const T* p, std::int64_t count) {
  Vec<T> v{};
  std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(T));
  return v;
}

template <class T>
inline void store(T* p, Vec<T> v, std::int64_t count) {
  std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(T));
}

#if defined(__AVX512F__)
inline Vec<float> load(const float* p, std::int64_t count) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
}
inline void store(float* p, Vec<float> v, std::int64_t count) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), v);
}
inline Vec<double> load(const double* p, std::int64_t count) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), p);
}
inline void store(double* p, Vec<double> v, std::int64_t count) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << count) - 1), v);
}
#elif defined(__AVX2__)
inline __m256i first_lanes(std::int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec<float> load(const float* p, std::int64_t count) {
  return _mm256_maskload_ps(p, first_lanes(count));
}
inline void store(float* p, Vec<float> v, std::int64_t count) {
  _mm256_maskstore_ps(p, first_lanes(count), v);
}
#endif

/// Calls body(channel, tail) for each vector of channels; tail is 0 where the vector is whole, else its number of channels.
template <class T, class Body>
inline void for_each_vector(std::int64_t channels, Body body) {
  std::int64_t c = 0;
  for (; c + kLanes<T> <= channels; c += kLanes<T>) body(c, std::int64_t{0});
  if (c < channels) body(c, channels - c);
}

template <class T>
inline Vec<T> load_tail(const T* p, std::int64_t tail) {
  return tail == 0 ? load(p) : load(p, tail);
}

template <class T>
inline void store_tail(T* p, Vec<T> v, std::int64_t tail) {
  if (tail == 0) {
    store(p, v);
  } else {
    store(p, v, tail);
  }
}

/// How a loop over pixels reads and writes one vector of channels: all of its lanes, or the first `count`.
template <class T>
struct Whole {
  static constexpr std::int64_t size() { return kLanes<T>; }
  Vec<T> load(const T* p) const { return PORTRAITSEG_ISA::load(p); }
  void store(T* p, Vec<T> v) const { PORTRAITSEG_ISA::store(p, v); }
};

template <class T>
struct Part {
  std::int64_t count;
  std::int64_t size() const { return count; }
  Vec<T> load(const T* p) const { return PORTRAITSEG_ISA::load(p, count); }
  void store(T* p, Vec<T> v) const { PORTRAITSEG_ISA::store(p, v, count); }
};

/// Calls body(channel, lanes) for each vector of the channels from `begin` to `end`; lanes is a Whole or a Part.
template <class T, class Body>
inline void for_each_lanes(std::int64_t begin, std::int64_t end, Body body) {
  std::int64_t c = begin;
  for (; c + kLanes<T> <= end; c += kLanes<T>) body(c, Whole<T>{});
  if (c < end) body(c, Part<T>{end - c});
}

/// Of two vectors that hold sums in groups of kGroup lanes, one with groups half as large: a's before b's.
template <int kGroup, class T, int... kLane>
inline Vec<T> fold(Vec<T> a, Vec<T> b, std::integer_sequence<int, kLane...>) {
  constexpr int kHalf = kGroup / 2;
  return __builtin_shufflevector(a, b, (kLane / kHalf * kGroup + kLane % kHalf)...) +
         __builtin_shufflevector(a, b, (kLane / kHalf * kGroup + kLane % kHalf + kHalf)...);
}

/// Lane i is the sum of the lanes of vectors[i]; there are as many vectors as lanes. `vectors` is used up.
template <class T, int kCount = kLanes<T>>
[[gnu::always_inline]] inline Vec<T> lane_sums(Vec<T>* vectors) {
  if constexpr (kCount == 1) {
    return vectors[0];
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < kCount / 2; ++i) {
      vectors[i] =
          fold<kCount, T>(vectors[2 * i], vectors[2 * i + 1], std::make_integer_sequence<int, kLanes<T>>{});
    }
    return lane_sums<T, kCount / 2>(vectors);
  }
}

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

/// An address that a loop steps on: computed ahead, those of all steps would not fit into the processor's registers.
template <class T>
[[gnu::always_inline]] inline T* walked(T* p) {
  asm("" : "+r"(p));
  return p;
}

/// v > 0 ? v : slope * v
template <class T>
inline Vec<T> activate(Vec<T> v, Vec<T> slope) {
  return v > 0 ? v : slope * v;
}

/// v < 0 ? 0 : v
template <class T>
inline Vec<T> relu(Vec<T> v) {
  return Vec<T>{} > v ? Vec<T>{} : v;
}

/// What slopes come to: ReLU, where all of them are 0, is one operation.
enum class Activation { kNone, kRelu, kSlopes };

/// Of the slopes from `begin` to `end`; nullptr: there are none.
template <class T>
Activation activation_of(const T* slope, std::int64_t begin, std::int64_t end) {
  if (!slope) return Activation::kNone;
  for (std::int64_t c = begin; c < end; ++c) {
    if (slope[c] != 0) return Activation::kSlopes;
  }
  return Activation::kRelu;
}

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
