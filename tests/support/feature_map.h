#pragma once

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "nn/kernels/kernels.h"

namespace portraitseg::testing {

/// Owns a kernels::Map whose surroundings (channels beside it, values before and behind) are NaN: what reads them shows, and
/// what writes them is found.
template <class T>
class FeatureMap {
 public:
  /// `beside`: channels of the wider map beside this one, on either side.
  FeatureMap(std::int64_t of_height, std::int64_t of_width, std::int64_t of_channels, std::int64_t beside = 0)
      : height(of_height),
        width(of_width),
        channels(of_channels),
        pitch_(channels + 2 * beside),
        begin_(kAround + beside) {
    values_.assign(static_cast<std::size_t>(height * width * pitch_ + 2 * kAround),
                   std::numeric_limits<T>::quiet_NaN());
  }

  FeatureMap& fill(T value) {
    for_each([&](std::int64_t y, std::int64_t x, std::int64_t c) { at(y, x, c) = value; });
    return *this;
  }
  FeatureMap& randomise(unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<T> draw(-1, 1);
    for_each([&](std::int64_t y, std::int64_t x, std::int64_t c) { at(y, x, c) = draw(random); });
    return *this;
  }

  T& at(std::int64_t y, std::int64_t x, std::int64_t c) {
    return values_[static_cast<std::size_t>(begin_ + (y * width + x) * pitch_ + c)];
  }
  T at(std::int64_t y, std::int64_t x, std::int64_t c) const {
    return values_[static_cast<std::size_t>(begin_ + (y * width + x) * pitch_ + c)];
  }
  /// 0 outside of the map.
  T padded_at(std::int64_t y, std::int64_t x, std::int64_t c) const {
    return y < 0 || y >= height || x < 0 || x >= width ? 0 : at(y, x, c);
  }

  kernels::Map<T> map() { return {values_.data() + begin_, height, width, channels, pitch_}; }
  kernels::Map<const T> view() const { return {values_.data() + begin_, height, width, channels, pitch_}; }
  std::int64_t pitch() const { return pitch_; }

  template <class Function>
  void for_each(Function function) const {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        for (std::int64_t c = 0; c < channels; ++c) function(y, x, c);
      }
    }
  }

  /// Number of values that were ever written, also beside the map.
  std::size_t written() const {
    std::size_t count = 0;
    for (const T value : values_) count += std::isnan(value) ? 0 : 1;
    return count;
  }

  std::int64_t height, width, channels;

 private:
  static constexpr std::int64_t kAround = 64;
  std::int64_t pitch_, begin_;
  std::vector<T> values_;
};

/// One value a channel, padded with 0 as kernels want it.
template <class T>
std::vector<T> channel_values(std::int64_t channels, unsigned seed, T low = -1, T high = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<T> draw(low, high);
  std::vector<T> values(static_cast<std::size_t>(kernels::padded(channels)), T(0));
  for (std::int64_t c = 0; c < channels; ++c) values[static_cast<std::size_t>(c)] = draw(random);
  return values;
}

template <class T>
constexpr double kNear = sizeof(T) == 4 ? 2e-5 : 1e-12;

/// The rows of `actual` are expected(y, x, c), and nothing else of it was written.
template <class T, class Expected>
void expect_rows(const FeatureMap<T>& actual, kernels::Rows rows, Expected expected, double scale = 1) {
  std::size_t wrong = 0;
  actual.for_each([&](std::int64_t y, std::int64_t x, std::int64_t c) {
    if (y < rows.begin || y >= rows.end || wrong > 3) return;
    const double wanted = expected(y, x, c), got = static_cast<double>(actual.at(y, x, c));
    if (std::abs(got - wanted) <= kNear<T> * scale * (1 + std::abs(wanted))) return;
    ++wrong;
    ADD_FAILURE() << "(" << y << ", " << x << ") channel " << c << ": " << got << ", expected " << wanted;
  });
  EXPECT_EQ(actual.written(),
            static_cast<std::size_t>((rows.end - rows.begin) * actual.width * actual.channels));
}

/// Sum of a * b.
template <class T>
double dot(const FeatureMap<T>& a, const FeatureMap<T>& b) {
  double sum = 0;
  a.for_each([&](std::int64_t y, std::int64_t x, std::int64_t c) {
    sum += static_cast<double>(a.at(y, x, c)) * static_cast<double>(b.at(y, x, c));
  });
  return sum;
}

/// Calls body(kernels) for each instruction set of this processor.
template <class T, class Body>
void for_each_kernels(Body body) {
  for (auto kernels = kernels::all_kernels<T>(); *kernels; ++kernels) {
    SCOPED_TRACE((*kernels)->instruction_set);
    body(**kernels);
  }
}

/// Of slopes: of more than 1024 channels, which are gone through in slices of so many, only the first slice.
template <class T>
void set_some_to_zero(std::vector<T>& slopes) {
  std::fill_n(slopes.begin(), std::min(slopes.size(), std::size_t{1024}), T(0));
}

/// The parts of an epilogue, and what they do by definition.
template <class T>
struct EpilogueParts {
  std::vector<T> bias, residual_scale, slope;
  FeatureMap<T> residual;
  bool has_bias, has_residual, has_scale, has_slope;

  /// Bits of `parts` switch them on.
  EpilogueParts(std::int64_t height, std::int64_t width, std::int64_t channels, unsigned parts)
      : bias(channel_values<T>(channels, 11)),
        residual_scale(channel_values<T>(channels, 12)),
        slope(channel_values<T>(channels, 13)),
        residual(height, width, channels, parts % 3),
        has_bias((parts & 1) != 0),
        has_residual((parts & 2) != 0),
        has_scale((parts & 4) != 0),
        has_slope((parts & 8) != 0) {
    if ((parts & 16) != 0) set_some_to_zero(slope);
    residual.randomise(14);
  }

  kernels::Epilogue<T> epilogue() const {
    kernels::Epilogue<T> result;
    if (has_bias) result.bias = bias.data();
    if (has_residual) {
      result.residual = residual.view().data;
      result.residual_pitch = residual.pitch();
    }
    if (has_scale) result.residual_scale = residual_scale.data();
    if (has_slope) result.slope = slope.data();
    return result;
  }

  double operator()(double sum, std::int64_t y, std::int64_t x, std::int64_t channel) const {
    const auto c = static_cast<std::size_t>(channel);
    if (has_bias) sum += static_cast<double>(bias[c]);
    if (has_residual) {
      const double scale = has_scale ? static_cast<double>(residual_scale[c]) : 1;
      sum += scale * static_cast<double>(residual.at(y, x, channel));
    }
    return has_slope && sum < 0 ? static_cast<double>(slope[c]) * sum : sum;
  }
};

}  // namespace portraitseg::testing
