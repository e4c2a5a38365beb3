#include <math.h>

#include "nn/kernels/pixels.h"
#include "nn/kernels/table.h"

namespace portraitseg::kernels::PORTRAITSEG_ISA {
namespace {

/// out = value(in, the channels' values), pixel by pixel.
template <class T, class Value>
void with_channel_values(Map<const T> in, const T* values, Map<T> out, Value value) {
  const std::int64_t group = group_size<T>(in.channels, is_dense(in) && is_dense(out));
  const ChannelValues<T> own(values, 0, in.channels, group);
  const auto write = [&](std::int64_t pixel, std::int64_t c, auto lanes) {
    const Vec<T> v = lanes.load(in.data + pixel * in.pitch + c);
    lanes.store(out.data + pixel * out.pitch + c, value(v, own.at(c, lanes)));
  };
  for_each_vector_of_rows(Rows{0, in.height}, in, group, write);
}

template <class T>
void add_channel_values(Map<const T> in, const T* values, T factor, Map<T> out) {
  with_channel_values(in, values, out, [factor](Vec<T> v, Vec<T> own) { return v + splat(factor) * own; });
}

template <class T>
void multiply_channels(Map<const T> in, const T* values, Map<T> out) {
  with_channel_values(in, values, out, [](Vec<T> v, Vec<T> own) { return v * own; });
}

/// out[channel] = factor * sum of value(a, b) over the pixels.
template <class T, class Value>
void sum_over_pixels(Map<const T> a, Map<const T> b, double factor, T* out, Value value) {
  for_each_slice(a.channels, [&](std::int64_t begin, std::int64_t channels) {
    const Map<const T> some_a = slice(a, begin, channels), some_b = slice(b, begin, channels);
    const std::int64_t group = group_size<T>(channels, is_dense(some_a) && is_dense(some_b));
    double sums[kMostChannels] = {};
    ChannelSums<T> totals(sums, channels, group);
    const auto add = [&](auto pixels, std::int64_t c, auto lanes) {
      Vec<T> sum{};
      pixels.each([&](std::int64_t pixel) {
        const Vec<T> x = lanes.load(some_a.data + pixel * a.pitch + c);
        sum += value(x, lanes.load(some_b.data + pixel * b.pitch + c));
      });
      totals.add(c, sum, lanes);
    };
    sum_vectors_of_pixels(some_a, group, add, totals);
    for (std::int64_t c = 0; c < channels; ++c) out[begin + c] = static_cast<T>(factor * sums[c]);
  });
}

template <class T>
void channel_means(Map<const T> in, T* out) {
  const double pixels = static_cast<double>(in.height * in.width);
  sum_over_pixels(in, in, 1 / pixels, out, [](Vec<T> v, Vec<T>) { return v; });
}

template <class T>
void dot_channels(Map<const T> a, Map<const T> b, T* out) {
  sum_over_pixels(a, b, 1, out, [](Vec<T> v, Vec<T> w) { return v * w; });
}

template <class T>
void multiply_pixels(Map<const T> in, Map<const T> values, Map<T> out) {
  for (std::int64_t pixel = 0; pixel < in.height * in.width; ++pixel) {
    const Vec<T> factor = splat(values.data[pixel * values.pitch]);
    for_each_lanes<T>(0, in.channels, [&](std::int64_t c, auto lanes) {
      lanes.store(out.data + pixel * out.pitch + c, factor * lanes.load(in.data + pixel * in.pitch + c));
    });
  }
}

template <class T>
T sum_of_lanes(Vec<T> v) {
  T values[kLanes<T>], sum = 0;
  store(values, v);
  for (const T value : values) sum += value;
  return sum;
}

template <class T>
void dot_pixels(Map<const T> a, Map<const T> b, Map<T> out) {
  for (std::int64_t pixel = 0; pixel < a.height * a.width; ++pixel) {
    Vec<T> sum{};
    for_each_lanes<T>(0, a.channels, [&](std::int64_t c, auto lanes) {
      sum += lanes.load(a.data + pixel * a.pitch + c) * lanes.load(b.data + pixel * b.pitch + c);
    });
    out.data[pixel * out.pitch] = sum_of_lanes<T>(sum);
  }
}

float exponential(float x) {
  return expf(x);
}
double exponential(double x) {
  return exp(x);
}

/// The largest softmax probability of these channels, and which has it (the first of equals).
template <class T>
struct Largest {
  std::int64_t channel = 0;
  T probability = 0;

  Largest(const T* values, std::int64_t channels) {
    for (std::int64_t c = 1; c < channels; ++c) {
      if (values[c] > values[channel]) channel = c;
    }
    T sum = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      sum += c == channel ? 1 : exponential(values[c] - values[channel]);
    }
    probability = 1 / sum;
  }
};

template <class T>
void confidence(Map<const T> in, Map<T> out) {
  for (std::int64_t pixel = 0; pixel < in.height * in.width; ++pixel) {
    out.data[pixel * out.pitch] = Largest<T>(in.data + pixel * in.pitch, in.channels).probability;
  }
}

template <class T>
void confidence_gradient(Map<const T> gradient, Map<const T> in, Map<T> out) {
  for (std::int64_t pixel = 0; pixel < in.height * in.width; ++pixel) {
    const T* values = in.data + pixel * in.pitch;
    const Largest<T> largest(values, in.channels);
    const T scaled = gradient.data[pixel * gradient.pitch] * largest.probability;
    T rest = 0;  // the other channels' probabilities; 1 - probability would round to 0 first
    for (std::int64_t c = 0; c < in.channels; ++c) {
      if (c == largest.channel) continue;
      const T p = exponential(values[c] - values[largest.channel]) * largest.probability;
      out.data[pixel * out.pitch + c] = -scaled * p;
      rest += p;
    }
    out.data[pixel * out.pitch + largest.channel] = scaled * rest;
  }
}

template <class T>
void gather_channels(Map<const T> in, const std::int32_t* source, Map<T> out) {
  for (std::int64_t pixel = 0; pixel < out.height * out.width; ++pixel) {
    const T* from = in.data + pixel * in.pitch;
    T* to = out.data + pixel * out.pitch;
    for (std::int64_t c = 0; c < out.channels; ++c) to[c] = from[source[c]];
  }
}

/// kChannels: images and logits have few; 0: any number.
template <int kChannels, class T>
void interleave(const T* __restrict in, std::int64_t plane, std::int64_t channels, std::int64_t count,
                T* __restrict out, std::int64_t pitch) {
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (kChannels == 0) {
      for (std::int64_t c = 0; c < channels; ++c) out[i * pitch + c] = in[c * plane + i];
    } else {
      for (int c = 0; c < kChannels; ++c) out[i * kChannels + c] = in[c * plane + i];
    }
  }
}

template <int kChannels, class T>
void separate(const T* __restrict in, std::int64_t pitch, std::int64_t channels, std::int64_t count,
              T* __restrict out, std::int64_t plane) {
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (kChannels == 0) {
      for (std::int64_t c = 0; c < channels; ++c) out[c * plane + i] = in[i * pitch + c];
    } else {
      for (int c = 0; c < kChannels; ++c) out[c * plane + i] = in[i * kChannels + c];
    }
  }
}

template <class T>
void from_planes(const T* in, Map<T> out, Rows rows) {
  const std::int64_t first = rows.begin * out.width, count = rows.end * out.width - first;
  using Interleave = void (*)(const T*, std::int64_t, std::int64_t, std::int64_t, T*, std::int64_t);
  constexpr Interleave kFew[] = {interleave<0, T>, interleave<1, T>, interleave<2, T>, interleave<3, T>,
                                 interleave<4, T>};
  const bool few = out.channels <= 4 && is_dense(out);
  kFew[few ? out.channels : 0](in + first, out.height * out.width, out.channels, count,
                               out.data + first * out.pitch, out.pitch);
}

template <class T>
void to_planes(Map<const T> in, T* out, Rows rows) {
  const std::int64_t first = rows.begin * in.width, count = rows.end * in.width - first;
  using Separate = void (*)(const T*, std::int64_t, std::int64_t, std::int64_t, T*, std::int64_t);
  constexpr Separate kFew[] = {separate<0, T>, separate<1, T>, separate<2, T>, separate<3, T>,
                               separate<4, T>};
  const bool few = in.channels <= 4 && is_dense(in);
  kFew[few ? in.channels : 0](in.data + first * in.pitch, in.pitch, in.channels, count, out + first,
                              in.height * in.width);
}

}  // namespace

template <class T>
void add_elementwise(Kernels<T>& table) {
  table.channel_means = channel_means<T>;
  table.add_channel_values = add_channel_values<T>;
  table.multiply_channels = multiply_channels<T>;
  table.multiply_pixels = multiply_pixels<T>;
  table.dot_channels = dot_channels<T>;
  table.dot_pixels = dot_pixels<T>;
  table.confidence = confidence<T>;
  table.confidence_gradient = confidence_gradient<T>;
  table.gather_channels = gather_channels<T>;
  table.from_planes = from_planes<T>;
  table.to_planes = to_planes<T>;
}

template void add_elementwise(Kernels<float>&);
template void add_elementwise(Kernels<double>&);

}  // namespace portraitseg::kernels::PORTRAITSEG_ISA
