#pragma once

// Loops over the pixels of maps where each channel has its own constants.

#include "nn/kernels/simd.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {

/// Where pixels follow each other without a gap, several are taken for one with as many channels more, so that no lane stays empty.
constexpr std::int64_t kMostGroupedChannels = 1024;

/// Pixels of a group, the fewest that fill whole vectors; 1 where some map is not dense or nothing is gained.
template <class T>
std::int64_t group_size(std::int64_t channels, bool dense) {
  std::int64_t size = 1;
  while (size * channels % kLanes<T> != 0) size *= 2;
  return dense && size * channels <= kMostGroupedChannels ? size : 1;
}

/// Values of the channels, repeated for each pixel of a group; nullptr: all of them are `missing`.
template <class T>
class ChannelValues {
 public:
  ChannelValues(const T* values, T missing, std::int64_t channels, std::int64_t group)
      : values_(values), missing_(splat(missing)) {
    if (!values || group == 1) return;
    for (std::int64_t i = 0; i < group * channels; ++i) repeated_[i] = values[i % channels];
    values_ = repeated_;
  }
  ChannelValues(const ChannelValues&) = delete;
  ChannelValues& operator=(const ChannelValues&) = delete;

  template <class Lanes>
  Vec<T> at(std::int64_t c, Lanes lanes) const {
    return values_ ? lanes.load(values_ + c) : missing_;
  }

 private:
  const T* values_;
  Vec<T> missing_;
  T repeated_[kMostGroupedChannels];
};

/// Sums in double for each channel, added to `sums` [channels] when this goes.
template <class T>
class ChannelSums {
 public:
  ChannelSums(double* sums, std::int64_t channels, std::int64_t group)
      : sums_(sums), own_(group == 1 ? sums : grouped_), channels_(channels), group_(group) {
    for (std::int64_t i = 0; own_ == grouped_ && i < group * channels; ++i) grouped_[i] = 0;
  }
  ~ChannelSums() {
    for (std::int64_t i = 0; own_ == grouped_ && i < group_ * channels_; ++i) {
      sums_[i % channels_] += grouped_[i];
    }
  }
  ChannelSums(const ChannelSums&) = delete;
  ChannelSums& operator=(const ChannelSums&) = delete;

  template <class Lanes>
  void add(std::int64_t c, Vec<T> v, Lanes lanes) {
    T values[kLanes<T>];
    store(values, v);
    for (std::int64_t i = 0; i < lanes.size(); ++i) own_[c + i] += static_cast<double>(values[i]);
  }

 private:
  double* sums_;
  double* own_;
  std::int64_t channels_, group_;
  double grouped_[kMostGroupedChannels];
};

/// Pixels pixel + i * step, i < count.
struct Block {
  std::int64_t pixel, count, step;

  template <class T>
  T* first(const Map<T>& map) const {
    return map.data + pixel * map.pitch;
  }
};

/// A function of its own, so that the loop in `body` has all registers.
template <class Body, class Lanes>
[[gnu::noinline]] void run_block(const Body& body, std::int64_t c, Lanes lanes, const Block& block) {
  body(c, lanes, block);
}

/// Calls body(c, lanes, block) until the channels c ... of each block were all channels of the rows' pixels, groups being pixels
/// of more channels. A block is some vectors wide and fits the first cache.
template <class T, class Body>
void for_each_block(Rows rows, const Map<const T>& map, std::int64_t group, Body body) {
  constexpr std::int64_t kVectors = 8, kBytes = 8 << 10;
  const std::int64_t channels = group * map.channels, end = rows.end * map.width;
  const std::int64_t begin = rows.begin * map.width, whole_end = begin + (end - begin) / group * group;
  for (std::int64_t c0 = 0; c0 < channels; c0 += kVectors * kLanes<T>) {
    const std::int64_t left = channels - c0,
                       width = left < kVectors * kLanes<T> ? left : kVectors * kLanes<T>;
    const std::int64_t most = kBytes / (width * static_cast<std::int64_t>(sizeof(T)));
    for (std::int64_t pixel = begin; pixel < whole_end; pixel += most * group) {
      const std::int64_t groups = (whole_end - pixel) / group;
      const Block block{pixel, groups < most ? groups : most, group};
      for_each_lanes<T>(c0, c0 + width,
                        [&](std::int64_t c, auto lanes) { run_block(body, c, lanes, block); });
    }
  }
  if (whole_end < end) {  // fewer than a group
    for_each_lanes<T>(0, (end - whole_end) * map.channels, [&](std::int64_t c, auto lanes) {
      body(c, lanes, Block{whole_end, 1, group});
    });
  }
}

template <class T>
bool is_dense(const Map<T>& map) {
  return map.pitch == map.channels;
}

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
