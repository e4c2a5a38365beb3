#pragma once

// Convolutions to one or two channels: these would leave most of a vector empty, so vectors hold input channels, and their lanes are
// summed up at the end.

#include "nn/kernels/patch.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

constexpr std::int64_t kFewWeights = 4096;

/// Weights of one output channel after the other for each vector of input channels, 0 behind the last.
template <int kOut, class T>
void gather_weights(const Patch<T>& patch, T* gathered) {
  const Walk& walk = patch.walk;
  for (std::int64_t i = 0; i < walk.count[0]; ++i) {
    for (std::int64_t j = 0; j < walk.count[1]; ++j) {
      const T* tap = patch.weight + i * walk.right[0] + j * walk.right[1];
      for (std::int64_t c = 0; c < walk.count[2]; c += kLanes<T>) {
        for (std::int64_t o = 0; o < kOut; ++o) {
          for (std::int64_t lane = 0; lane < kLanes<T>; ++lane) {
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
  for (std::int64_t i = 0; i < walk.count[0]; ++i) {
    for (std::int64_t j = 0; j < walk.count[1]; ++j) {
      for_each_vector<T>(
          walk.count[2], [&](std::int64_t c, std::int64_t tail) __attribute__((always_inline)) {
            const std::int64_t offset = i * walk.left[0] + j * walk.left[1] + c;
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
  const std::int64_t end = patch.rows * patch.columns;
  for (std::int64_t first = 0; first < end; first += kPixels) {
    const auto pixels = tile_pixels<T, kPixels>(patch, first, end);
    const auto for_each_value = [&](auto body) {
      for (std::int64_t i = 0; i < pixels.count * kOut; ++i) body(values[i], pixels.out[i / kOut], i % kOut);
    };
    Vec<T> sums = few_sums<kOut>(patch, pixels.in, gathered) + bias;
    if (epilogue.residual) {
      for_each_value([&](T& value, std::int64_t pixel, std::int64_t o) {
        value = epilogue.residual[pixel * epilogue.residual_pitch + o];
      });
      sums += scale * load(values);
    }
    sums = activate<T>(sums, slope);
    const bool are_neighbours =
        pixels.count == kPixels && pixels.out[kPixels - 1] - pixels.out[0] == kPixels - 1;
    if (out.pitch == kOut && are_neighbours) {
      store(out.data + pixels.out[0] * kOut, sums);
      continue;
    }
    store(values, sums);
    for_each_value(
        [&](T value, std::int64_t pixel, std::int64_t o) { out.data[pixel * out.pitch + o] = value; });
  }
}

template <class T>
bool are_few(const Walk& walk, std::int64_t out_channels) {
  const std::int64_t in_channels = (walk.count[2] + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  return out_channels <= 2 && out_channels <= kLanes<T> &&
         walk.count[0] * walk.count[1] * in_channels * out_channels <= kFewWeights;
}

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
