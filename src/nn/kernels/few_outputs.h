#pragma once

// Convolutions to so few channels that they would leave half of a vector or more empty. A vector holds groups of lanes instead: one
// group an output channel, one lane an input channel. These are neighbours in memory, so that one load spreads them over all groups.
// The groups are summed up at the end.

#include "nn/kernels/patch.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

constexpr std::int64_t kFewWeights = 4096;
constexpr int kFewPixels = kRegisters / 2;  ///< of a tile; a multiple of all groups

/// p[0] to p[kCount - 1], again and again.
template <int kCount, class T>
[[gnu::always_inline]] inline Vec<T> load_repeated(const T* p) {
  constexpr int kBytes = kCount * static_cast<int>(sizeof(T));
  if constexpr (kBytes == kRegisterBytes) {
    return load(p);
  } else if constexpr (kCount == 1) {
    return splat(*p);
  } else if constexpr (kBytes == sizeof(std::int64_t)) {
    std::int64_t bits;
    std::memcpy(&bits, p, sizeof bits);
    return reinterpret_cast<Vec<T>>(splat(bits));
#if defined(__AVX512F__)
  } else if constexpr (kBytes == 16) {
    return reinterpret_cast<Vec<T>>(
        _mm512_maskz_broadcast_i32x4(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  } else {
    return reinterpret_cast<Vec<T>>(
        _mm512_maskz_broadcast_i64x4(0xff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
  } else {
    return reinterpret_cast<Vec<T>>(
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#endif
  }
}

/// The left factors of a tile: pixels that lie anywhere; a step is the next group of channels, of any tap.
template <class T, int kGroup>
struct PixelGroups {
  static constexpr int kUnroll = 4;
  const T* const* at;
  const std::int64_t* offsets;

  Vec<T> spread(int row, int step) const { return load_repeated<kGroup>(at[row] + offsets[step]); }
  void move(std::int64_t steps) { offsets += steps; }
  static std::int64_t step(const Walk&) { return 1; }
  static std::int64_t right_step(const Walk&) { return kLanes<T>; }
};

/// How a patch is met in groups.
template <class T>
struct FewOutputs {
  std::int64_t
      groups;  ///< in a vector: a power of two, not less than the output channels; 0: there are too many for groups
  std::int64_t steps;
  std::int64_t offsets[kFewWeights / kLanes<T>];  ///< of each step's input channels from a pixel's first
  T weights[kFewWeights];                         ///< a vector a step
};

/// Input channels that do not fill a group are met with some of those before them, whose weights are 0 there.
template <class T>
void group_weights(const Patch<T>& patch, FewOutputs<T>& few) {
  const Walk& walk = patch.walk;
  const std::int64_t group = kLanes<T> / few.groups;
  T* weight = few.weights;
  few.steps = 0;
  for (std::int64_t i = 0; i < walk.count[0]; ++i) {
    for (std::int64_t j = 0; j < walk.count[1]; ++j) {
      const T* tap = patch.weight + i * walk.right[0] + j * walk.right[1];
      for (std::int64_t c = 0; c < walk.count[2]; c += group) {
        const std::int64_t begin = smaller(c, walk.count[2] - group);
        few.offsets[few.steps++] = i * walk.left[0] + j * walk.left[1] + begin;
        for (std::int64_t lane = 0; lane < kLanes<T>; ++lane) {
          const std::int64_t channel = begin + lane % group;
          *weight++ = channel < c ? T(0) : tap[channel * walk.right[2] + lane / group];
        }
      }
    }
  }
}

template <class T>
void find_few_outputs(const Patch<T>& patch, std::int64_t out_channels, FewOutputs<T>& few) {
  const Walk& walk = patch.walk;
  few.groups = 0;
  std::int64_t groups = 1;
  while (groups < kLanes<T> && (groups < out_channels || walk.count[2] * groups < kLanes<T>)) groups *= 2;
  if (groups == kLanes<T>) return;
  const std::int64_t vectors_of_tap = (walk.count[2] * groups + kLanes<T> - 1) / kLanes<T>;
  if (walk.count[0] * walk.count[1] * vectors_of_tap * kLanes < T >> kFewWeights) return;
  few.groups = groups;
  group_weights(patch, few);
}

/// Sums of a tile's pixels, kGroups of each, of which the first are output channels.
template <int kGroups, class T>
[[gnu::noinline]] void few_sums(const FewOutputs<T>& few, const T* const* in, T* sums) {
  constexpr int kGroup = kLanes<T> / kGroups;
  Tile<T, kFewPixels, 1> tile{};
  tile.add(PixelGroups<T, kGroup>{in, few.offsets}, few.weights,
           {{1, 1, few.steps}, {0, 0, 1}, {0, 0, kLanes<T>}}, 0);
#pragma GCC unroll 16
  for (int p = 0; p < kFewPixels; p += kGroup) {
    Vec<T> vectors[kGroup];
#pragma GCC unroll 16
    for (int i = 0; i < kGroup; ++i) vectors[i] = tile.sums[p + i][0];
    store(sums + p * kGroups, lane_sums<T, kGroup>(vectors));
  }
}

/// What becomes of a tile's sums; `residual` is laid out like them.
template <int kGroups, class T>
inline void finish_few(const T* sums, const T* residual, const Epilogue<T>& epilogue, T* out) {
  for (int i = 0; i < kFewPixels * kGroups; i += kLanes<T>) {
    Vec<T> v = load(sums + i);
    if (epilogue.bias) v += load_repeated<kGroups>(epilogue.bias);
    if (residual && epilogue.residual_scale) {
      v += load_repeated<kGroups>(epilogue.residual_scale) * load(residual + i);
    } else if (residual) {
      v += load(residual + i);
    }
    if (epilogue.slope) v = activate<T>(v, load_repeated<kGroups>(epilogue.slope));
    store(out + i, v);
  }
}

/// The usual numbers of channels are constants: one load and store each.
template <int kMost, class T>
inline void copy_channels(const T* from, std::int64_t channels, T* to) {
  if (channels == kMost) {
    std::memcpy(to, from, kMost * sizeof(T));
  } else if (2 * channels == kMost) {
    std::memcpy(to, from, kMost / 2 * sizeof(T));
  } else {
    for (std::int64_t c = 0; c < channels; ++c) to[c] = from[c];
  }
}

template <int kGroups, class T>
void convolve_few(const Patch<T>& patch, const FewOutputs<T>& few, const Epilogue<T>& epilogue, Map<T> out) {
  T sums[kFewPixels * kGroups], residuals[kFewPixels * kGroups] = {};
  const std::int64_t end = patch.rows * patch.columns;
  for (std::int64_t first = 0; first < end; first += kFewPixels) {
    const auto pixels = tile_pixels<T, kFewPixels>(patch, first, end);
    const bool are_neighbours = out.channels == kGroups && pixels.count == kFewPixels &&
                                pixels.out[kFewPixels - 1] - pixels.out[0] == kFewPixels - 1;
    few_sums<kGroups>(few, pixels.in, sums);

    const T* residual = epilogue.residual;
    if (residual && are_neighbours && epilogue.residual_pitch == kGroups) {
      residual += pixels.out[0] * kGroups;
    } else if (residual) {
      for (std::int64_t p = 0; p < pixels.count; ++p) {
        copy_channels<kGroups>(residual + pixels.out[p] * epilogue.residual_pitch, out.channels,
                               residuals + p * kGroups);
      }
      residual = residuals;
    }
    if (are_neighbours && out.pitch == kGroups) {
      finish_few<kGroups>(sums, residual, epilogue, out.data + pixels.out[0] * kGroups);
      continue;
    }
    finish_few<kGroups>(sums, residual, epilogue, sums);
    for (std::int64_t p = 0; p < pixels.count; ++p)
      copy_channels<kGroups>(sums + p * kGroups, out.channels, out.data + pixels.out[p] * out.pitch);
  }
}

template <class T, int kGroups = kLanes<T> / 2>
void convolve_few_of(const Patch<T>& patch, const FewOutputs<T>& few, const Epilogue<T>& epilogue,
                     Map<T> out) {
  if (few.groups == kGroups) return convolve_few<kGroups>(patch, few, epilogue, out);
  if constexpr (kGroups > 1) convolve_few_of<T, kGroups / 2>(patch, few, epilogue, out);
}

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
