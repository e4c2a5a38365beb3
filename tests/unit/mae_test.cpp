#include "portraitseg/metrics/mae.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::drawn;
using testing::filled;

MeasuredImage image(const cv::Mat& label, const cv::Mat& probability) {
  return {filled(label.rows, label.cols, 0), label, probability};
}

cv::Mat constant(const cv::Mat& label, double probability) {
  return cv::Mat(label.size(), CV_32FC1, cv::Scalar(probability));
}

double mae(const MeasuredImage& measured) {
  return testing::figure(mae_metric(), "mae", measured);
}

TEST(Mae, EqualsItsFormulaOnRandomMasks) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    double sum = 0;
    std::int64_t n = 0;
    for (int y = 0; y < masks.label.rows; ++y) {
      for (int x = 0; x < masks.label.cols; ++x) {
        const int label = masks.label.at<std::uint8_t>(y, x);
        if (label == kIgnore) continue;
        sum += std::abs(static_cast<double>(masks.probability.at<float>(y, x)) - (label == 1));
        ++n;
      }
    }
    const auto error = AbsoluteError::of(masks.image());
    ASSERT_EQ(error.n, n) << i;
    ASSERT_NEAR(error.sum, sum, 1e-7 * static_cast<double>(n)) << i;
  }
}

TEST(Mae, PerfectIs0InverseIs100AndUndecidedIs50) {
  const cv::Mat label = drawn({"..##", "?.##"});
  cv::Mat right;
  cv::Mat(label == 1).convertTo(right, CV_32F, 1.0 / 255);
  EXPECT_EQ(mae(image(label, right)), 0);
  EXPECT_EQ(mae(image(label, 1 - right)), 100);
  EXPECT_EQ(mae(image(label, constant(label, 0.5))), 50);
}

TEST(Mae, EmptyCases) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(5, 4)}) {
    const cv::Mat none = filled(size.height, size.width, 0), all = filled(size.height, size.width, 1),
                  ignored = filled(size.height, size.width, kIgnore);
    EXPECT_EQ(mae(image(none, constant(none, 0))), 0);
    EXPECT_EQ(mae(image(none, constant(none, 1))), 100);
    EXPECT_EQ(mae(image(all, constant(all, 0))), 100);
    EXPECT_EQ(mae(image(all, constant(all, 1))), 0);
    EXPECT_TRUE(std::isnan(mae(image(ignored, constant(ignored, 0.5)))));
  }
}

TEST(Mae, SumsAreExactWhateverTheirOrder) {
  const auto masks = testing::random_masks(5);
  ASSERT_GT(masks.label.rows, 2);
  const auto rows = [&](int first, int last) {
    const cv::Range range(first, last);
    return AbsoluteError::of(
        {masks.prediction.rowRange(range), masks.label.rowRange(range), masks.probability.rowRange(range)});
  };
  const int middle = masks.label.rows / 2;
  EXPECT_EQ(rows(0, middle).sum + rows(middle, masks.label.rows).sum, rows(0, masks.label.rows).sum);
}

TEST(Mae, WhatIsNoProbabilityGivesNoFigureUnlessItIsIgnored) {
  const cv::Mat label = drawn({".#?"});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int x = 0; x < 3; ++x) {
    cv::Mat probability = constant(label, 0.25);
    probability.at<float>(0, x) = nan;
    EXPECT_EQ(std::isnan(mae(image(label, probability))), x < 2) << x;
  }
}

TEST(Mae, WhatRoundingHasPutBeyondTheEndsIsTheEnd) {
  const cv::Mat label = drawn({".#"}), beyond = (cv::Mat_<float>(1, 2) << -1e-7F, 1 + 1e-6F);
  EXPECT_EQ(mae(image(label, beyond)), 0);
}

TEST(Mae, RefusesProbabilitiesThatDoNotFit) {
  const cv::Mat label = filled(3, 4, 0);
  EXPECT_THROW(mae(image(label, cv::Mat(4, 3, CV_32FC1))), std::invalid_argument);
  EXPECT_THROW(mae(image(label, cv::Mat(3, 4, CV_64FC1))), std::invalid_argument);
  EXPECT_THROW(mae(image(label, cv::Mat())), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
