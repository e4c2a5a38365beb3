#pragma once

// Loops over the pixels of maps where each channel has its own constants. Values are read and written in the order in which they
// lie in memory, so that they are fetched ahead; the constants are loaded anew for each pixel (in sums: for four), from the
// first-level cache.

#include "nn/kernels/simd.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

/// Where pixels follow each other without a gap, several are taken for one with as many channels more: no lane stays empty, and
/// no loop over channels is short.
constexpr std::int64_t kFewestChannels = 64, kMostChannels = 1024;

/// Pixels of a group; 1 where some map is not dense, nothing is gained or the group would be too long.
template <class T>
std::int64_t group_size(std::int64_t channels, bool dense) {
  std::int64_t size = 1;
  const auto is_enough = [&] {
    return size * channels >= kFewestChannels && size * channels % kLanes<T> == 0;
  };
  while (!is_enough() && size < kMostChannels) size *= 2;
  return dense && size * channels <= kMostChannels ? size : 1;
}

/// Loads a vector of a map that is read in the order in which it lies in memory, and asks for what lies 2 KiB behind it: by
/// itself the processor stops at the end of each page.
template <class T, class Lanes>
[[gnu::always_inline]] inline Vec<T> load_and_prefetch(const T* p, Lanes lanes) {
  __builtin_prefetch(reinterpret_cast<const char*>(p) + 2048);
  return lanes.load(p);
}

template <class T>
bool is_dense(const Map<T>& map) {
  return map.pitch == map.channels;
}

/// Calls body(pixel, c, lanes) for each vector of the pixels `begin` to `end`; a group counts as one pixel, its first.
template <class T, class Body>
inline void for_each_vector_of_pixels(std::int64_t begin, std::int64_t end, std::int64_t channels,
                                      std::int64_t group, Body body) {
  std::int64_t pixel = begin;
  for (; pixel + group <= end; pixel += group) {
    for_each_lanes<T>(0, group * channels, [&](std::int64_t c, auto lanes) { body(pixel, c, lanes); });
  }
  for_each_lanes<T>(0, (end - pixel) * channels,
                    [&](std::int64_t c, auto lanes) { body(pixel, c, lanes); });  // fewer than a group
}

template <class T, class Body>
inline void for_each_vector_of_rows(Rows rows, const Map<const T>& map, std::int64_t group, Body body) {
  for_each_vector_of_pixels<T>(rows.begin * map.width, rows.end * map.width, map.channels, group, body);
}

/// Values of the channels, repeated for each pixel of a group; nullptr: all of them, up to kMostChannels, are `missing`.
template <class T>
class ChannelValues {
 public:
  ChannelValues(const T* values, T missing, std::int64_t channels, std::int64_t group) : values_(values) {
    if (values && group == 1) return;
    for (std::int64_t i = 0; i < group * channels; ++i) own_[i] = values ? values[i % channels] : missing;
    values_ = own_;
  }
  ChannelValues(const ChannelValues&) = delete;
  ChannelValues& operator=(const ChannelValues&) = delete;

  template <class Lanes>
  Vec<T> at(std::int64_t c, Lanes lanes) const {
    return lanes.load(values_ + c);
  }

 private:
  const T* values_;
  alignas(kRegisterBytes) T own_[kMostChannels];
};

/// Maps with more channels are gone through one slice after the other.
template <class Body>
inline void for_each_slice(std::int64_t channels, Body body) {
  for (std::int64_t c = 0; c < channels; c += kMostChannels) {
    const std::int64_t left = channels - c;
    body(c, left < kMostChannels ? left : kMostChannels);
  }
}

template <class T>
Map<T> slice(Map<T> map, std::int64_t first, std::int64_t channels) {
  return {map.data ? map.data + first : nullptr, map.height, map.width, channels, map.pitch};
}

template <class T>
const T* slice(const T* values, std::int64_t first) {
  return values ? values + first : nullptr;
}

template <class T>
Normalisation<T> slice(const Normalisation<T>& all, std::int64_t first) {
  return {slice(all.scale, first), slice(all.shift, first), slice(all.slope, first)};
}

template <class T>
Epilogue<T> slice(const Epilogue<T>& all, std::int64_t first) {
  return {slice(all.bias, first), slice(all.residual, first), all.residual_pitch,
          slice(all.residual_scale, first), slice(all.slope, first)};
}

/// Sums for each channel: of some pixels in T, of all in double.
template <class T>
class ChannelSums {
 public:
  /// @param sums [channels], to which `flush` adds
  ChannelSums(double* sums, std::int64_t channels, std::int64_t group)
      : sums_(sums), channels_(channels), count_(group * channels) {
    clear();
  }
  ChannelSums(const ChannelSums&) = delete;
  ChannelSums& operator=(const ChannelSums&) = delete;

  template <class Lanes>
  void add(std::int64_t c, Vec<T> v, Lanes lanes) {
    lanes.store(some_ + c, lanes.load(some_ + c) + v);
  }

  void flush() {
    for (std::int64_t first = 0; first < count_; first += channels_) {
      for (std::int64_t c = 0; c < channels_; ++c) sums_[c] += static_cast<double>(some_[first + c]);
    }
    clear();
  }

 private:
  void clear() {
    for (std::int64_t i = 0; i < count_; ++i) some_[i] = 0;
  }

  double* sums_;
  std::int64_t channels_, count_;
  alignas(kRegisterBytes) T some_[kMostChannels];
};

/// kCount neighbouring pixels, or groups of `step` pixels.
template <int kCount>
struct Neighbours {
  std::int64_t first, step;

  template <class Body>
  [[gnu::always_inline]] inline void each(Body body) const {
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) body(first + i * step);
  }
};

/// Calls body(neighbours, c, lanes) for each vector of a map's channels. What it adds to `sums`, once for all neighbours, is flushed
/// before T becomes too coarse for it.
template <class T, class Body, class... Sums>
inline void sum_vectors_of_pixels(const Map<const T>& map, std::int64_t group, Body body, Sums&... sums) {
  constexpr int kAtOnce = 4, kBetweenFlushes = 8;
  const std::int64_t end = map.height * map.width;
  std::int64_t pixel = 0;
  while (pixel + kAtOnce * group <= end) {
    for (int i = 0; i < kBetweenFlushes && pixel + kAtOnce * group <= end; ++i, pixel += kAtOnce * group) {
      for_each_lanes<T>(0, group * map.channels, [&](std::int64_t c, auto lanes) {
        body(Neighbours<kAtOnce>{pixel, group}, c, lanes);
      });
    }
    (sums.flush(), ...);
  }
  for_each_vector_of_pixels<T>(pixel, end, map.channels, group,
                               [&](std::int64_t i, std::int64_t c, auto lanes) {
                                 body(Neighbours<1>{i, group}, c, lanes);
                               });
  (sums.flush(), ...);
}

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
