// The distributions that draw_augment() draws from, over 10,000 images. Bounds are five standard deviations, or for
// counts of many kinds a chi-square with about the same chance of a false alarm; the seed is fixed.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>

#include "portraitseg/data/augment.h"

namespace portraitseg {
namespace {

constexpr int kDraws = 10000;

const std::vector<AugmentDraws>& draws() {
  static const auto all = [] {
    AugmentOptions options;
    options.prior.probability = 0.5;
    options.distortion.enabled = true;
    std::vector<AugmentDraws> drawn;
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      Random random(1, Purpose::kAugment, {0, i});
      drawn.push_back(draw_augment(options, {224, 224}, random));
    }
    return drawn;
  }();
  return all;
}

void expect_share(double share, const std::function<bool(const AugmentDraws&)>& holds) {
  const auto count = std::count_if(draws().begin(), draws().end(), holds);
  EXPECT_NEAR(static_cast<double>(count), share * kDraws, 5 * std::sqrt(share * (1 - share) * kDraws));
}

/// Uniform in [low, high): mean, and as many in each tenth of the range.
void expect_uniform(double low, double high, const std::function<double(const AugmentDraws&)>& value) {
  std::vector<int> tenths(10);
  double sum = 0;
  for (const auto& d : draws()) {
    const double v = value(d);
    ASSERT_GE(v, low);
    ASSERT_LT(v, high);
    sum += v;
    ++tenths[static_cast<std::size_t>((v - low) / (high - low) * 10)];
  }
  EXPECT_NEAR(sum / kDraws, (low + high) / 2, 5 * (high - low) / std::sqrt(12.0 * kDraws));
  for (const int count : tenths) EXPECT_NEAR(count, kDraws / 10, 5 * std::sqrt(kDraws * 0.1 * 0.9));
}

/// @param bound of chi-square with `kinds - 1` degrees of freedom: exceeded by chance once in a million times.
void expect_equal_shares(std::size_t kinds, double bound,
                         const std::function<std::int64_t(const AugmentDraws&)>& kind, std::int64_t first,
                         std::int64_t last) {
  std::map<std::int64_t, int> counts;
  for (const auto& d : draws()) ++counts[kind(d)];
  ASSERT_EQ(counts.size(), kinds);
  EXPECT_EQ(counts.begin()->first, first);
  EXPECT_EQ(counts.rbegin()->first, last);
  const double expected = kDraws / static_cast<double>(kinds);
  double chi_square = 0;
  for (const auto& [value, count] : counts) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, bound);
}

std::int64_t tenths(double factor) {
  return std::lround(10 * factor);
}

TEST(AugmentStatistics, StepsHaveTheirShares) {
  expect_share(0.5, [](const auto& d) { return d.flip; });
  expect_share(0.5, [](const auto& d) { return d.colored; });
  expect_share(0.5, [](const auto& d) { return d.blurred; });
  expect_share(0.5, [](const auto& d) { return d.noisy; });
  expect_share(0.5, [](const auto& d) { return d.prior.present; });
  expect_share(0.25, [](const auto& d) { return d.prior.present && d.prior.image_moves; });
  expect_share(1.0 / 16, [](const auto& d) {
    const MotionDraws& m = d.prior.motion;
    return !m.blurred && !m.affine && !m.perspective && !m.thin_plate;
  });
  expect_share(0.5, [](const auto& d) { return d.distortion.brightness.has_value(); });
  expect_share(1.0 / 16, [](const auto& d) {
    return d.distortion.brightness && d.distortion.contrast && d.distortion.saturation && d.distortion.hue;
  });
}

TEST(AugmentStatistics, StepsAreIndependent) {
  expect_share(1.0 / 16, [](const auto& d) { return d.flip && d.colored && d.blurred && d.noisy; });
  expect_share(1.0 / 16, [](const auto& d) { return !d.flip && !d.colored && !d.blurred && !d.noisy; });
}

TEST(AugmentStatistics, BlurKindsAndKernels) {
  expect_share(0.3, [](const auto& d) { return d.blur == Blur::kGaussian; });
  expect_share(0.3, [](const auto& d) { return d.blur == Blur::kMedian; });
  expect_share(0.4, [](const auto& d) { return d.blur == Blur::kBox; });
  expect_share(0.5, [](const auto& d) { return d.kernel == 3; });
  expect_share(0.2, [](const auto& d) { return d.kernel == 5 && d.blur == Blur::kBox; });
}

TEST(AugmentStatistics, FactorsAreUniformOverTenths) {
  // Chi-square's upper 1e-6 quantiles for 12, 8 and 4 degrees of freedom.
  expect_equal_shares(
      13, 51.7, [](const auto& d) { return tenths(d.color); }, 4, 16);
  expect_equal_shares(
      13, 51.7, [](const auto& d) { return tenths(d.brightness); }, 4, 16);
  expect_equal_shares(
      9, 42.7, [](const auto& d) { return tenths(d.contrast); }, 6, 14);
  expect_equal_shares(
      5, 33.4, [](const auto& d) { return tenths(d.sharpness); }, 8, 12);
}

TEST(AugmentStatistics, SigmaIsUniform) {
  expect_uniform(0, 10, [](const auto& d) { return d.sigma; });
}

TEST(AugmentStatistics, RotationScaleAndShiftFillTheirRanges) {
  const cv::Size image(600, 800), output(224, 224);
  const double fill = (224 / 599.0 + 224 / 799.0) / 2;
  const auto matrix = [&](const AugmentDraws& d) {
    return affine_matrix(image, output, d.x, d.y, d.angle, d.scale, AffineOptions());
  };
  expect_uniform(-45, 45.0001, [&](const auto& d) {
    const cv::Matx23d m = matrix(d);
    return std::atan2(m(0, 1), m(0, 0)) * 180 / CV_PI;
  });
  expect_uniform(0.4999, 1.5001, [&](const auto& d) {
    const cv::Matx23d m = matrix(d);
    return std::hypot(m(0, 0), m(0, 1)) / fill;
  });
  // The point that rotation and scale leave where it is: up to a quarter of the output from its centre.
  const auto fixed_point = [&](const AugmentDraws& d) {
    const cv::Matx23d m = matrix(d);
    const double move_x = (224 - 599) / 2.0, move_y = (224 - 799) / 2.0;  // before the rotation
    const cv::Matx22d to_source = cv::Matx22d::eye() - m.get_minor<2, 2>(0, 0);
    const cv::Vec2d constant(m(0, 2) - m(0, 0) * move_x - m(0, 1) * move_y,
                             m(1, 2) - m(1, 0) * move_x - m(1, 1) * move_y);
    return cv::Vec2d(to_source.solve(constant, cv::DECOMP_LU));
  };
  expect_uniform(112 - 56.001, 112 + 56.001, [&](const auto& d) { return fixed_point(d)[0]; });
  expect_uniform(112 - 56.001, 112 + 56.001, [&](const auto& d) { return fixed_point(d)[1]; });
}

TEST(AugmentStatistics, ConsecutiveImagesAreUncorrelated) {
  const auto correlation = [](const std::function<double(const AugmentDraws&)>& value) {
    double sum = 0;
    for (std::size_t i = 0; i + 1 < draws().size(); ++i) {
      sum += (value(draws()[i]) - 0.5) * (value(draws()[i + 1]) - 0.5) * 12;
    }
    return sum / (kDraws - 1);
  };
  EXPECT_NEAR(correlation([](const auto& d) { return d.x; }), 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(correlation([](const auto& d) { return d.scale; }), 0, 5 / std::sqrt(kDraws));
}

}  // namespace
}  // namespace portraitseg
