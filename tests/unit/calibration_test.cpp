#include "portraitseg/metrics/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::drawn;
using testing::filled;

cv::Mat constant(const cv::Mat& label, double probability) {
  return cv::Mat(label.size(), CV_32FC1, cv::Scalar(probability));
}

double ece(const MeasuredImage& image) {
  return testing::figure(calibration_metric(), "ece", image);
}

TEST(Calibration, EqualsItsFormulaOnRandomMasks) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    std::vector<double> n(15), right(15), confidence(15);
    for (int y = 0; y < masks.label.rows; ++y) {
      for (int x = 0; x < masks.label.cols; ++x) {
        const int label = masks.label.at<std::uint8_t>(y, x),
                  predicted = masks.prediction.at<std::uint8_t>(y, x);
        if (label == kIgnore) continue;
        const double p = std::round(static_cast<double>(masks.probability.at<float>(y, x)) * 0x1p24) / 0x1p24;
        const double c = predicted == 1 ? p : 1 - p;
        std::size_t m = 0;
        while (m < 14 && 15 * c > static_cast<double>(m + 1)) ++m;
        ++n[m];
        right[m] += (predicted == 1) == (label == 1);
        confidence[m] += c;
      }
    }
    const Calibration bins = Calibration::of(masks.image());
    double gaps = 0, pixels = 0;
    for (std::size_t m = 0; m < 15; ++m) {
      ASSERT_EQ(static_cast<double>(bins.n[m]), n[m]) << i << " bin " << m;
      ASSERT_EQ(static_cast<double>(bins.right[m]), right[m]) << i << " bin " << m;
      ASSERT_EQ(bins.confidence[m], confidence[m]) << i << " bin " << m;
      pixels += n[m];
      if (n[m] > 0) gaps += n[m] * std::abs(right[m] / n[m] - confidence[m] / n[m]);
    }
    if (pixels == 0) continue;
    ASSERT_NEAR(ece(masks.image()), 100 * gaps / pixels, 1e-9) << i;
  }
}

TEST(Calibration, HandComputed) {
  // Four pixels at confidence 0.75, three right: calibrated. One more at 0.75 that is wrong: 3/5 against 0.75.
  const cv::Mat four = drawn({"###."}), five = drawn({"###.."});
  EXPECT_EQ(ece({filled(1, 4, 1), four, constant(four, 0.75)}), 0);
  EXPECT_NEAR(ece({filled(1, 5, 1), five, constant(five, 0.75)}), 15, 1e-12);
  // The background's confidence is 1 - p.
  EXPECT_EQ(ece({filled(1, 4, 0), drawn({"...#"}), constant(four, 0.25)}), 0);
}

TEST(Calibration, BinsAreEquallyWideAndHold0And1) {
  const cv::Mat label = filled(1, 1, 1);
  const auto bin = [&](double confidence) {
    const Calibration bins = Calibration::of({label, label, constant(label, confidence)});
    return std::find(bins.n.begin(), bins.n.end(), 1) - bins.n.begin();
  };
  EXPECT_EQ(bin(0), 0);
  EXPECT_EQ(bin(1), 14);
  EXPECT_EQ(bin(0.5), 7);  // 7 / 15 < 0.5 <= 8 / 15
  EXPECT_EQ(bin(0.25), 3);
  EXPECT_EQ(bin(0.0666), 0);
  EXPECT_EQ(bin(0.0667), 1);
  EXPECT_EQ(bin(0.9333), 13);
  EXPECT_EQ(bin(0.9334), 14);
}

TEST(Calibration, SureAndRightIs0SureAndWrongIs100) {
  const cv::Mat label = drawn({"..##"});
  cv::Mat sure;
  cv::Mat(label == 1).convertTo(sure, CV_32F, 1.0 / 255);
  EXPECT_EQ(ece({label, label, sure}), 0);
  EXPECT_EQ(ece({1 - label, label, 1 - sure}), 100);
}

TEST(Calibration, EmptyCases) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(5, 4)}) {
    const cv::Mat none = filled(size.height, size.width, 0), all = filled(size.height, size.width, 1),
                  ignored = filled(size.height, size.width, kIgnore);
    EXPECT_EQ(ece({none, none, constant(none, 0)}), 0);
    EXPECT_EQ(ece({all, none, constant(none, 1)}), 100);
    EXPECT_EQ(ece({none, all, constant(none, 0)}), 100);
    EXPECT_EQ(ece({all, all, constant(all, 1)}), 0);
    EXPECT_TRUE(std::isnan(ece({all, ignored, constant(all, 1)})));
  }
}

TEST(Calibration, TheSetsFigureIsThatOfTheSummedColumns) {
  // One image too sure by a quarter, one too unsure by as much: together they are calibrated.
  const cv::Mat label = drawn({"##.."}), all = drawn({"####"}), prediction = filled(1, 4, 1);
  const Metric metric = calibration_metric();
  ASSERT_EQ(metric.figures[0].reduction, Reduction::kWholeSet);
  auto columns = metric.measure({prediction, label, constant(label, 0.75)});
  EXPECT_EQ(metric.figures[0].formula(columns), 25);
  const auto others = metric.measure({prediction, all, constant(label, 0.75)});
  EXPECT_EQ(metric.figures[0].formula(others), 25);
  for (std::size_t i = 0; i < columns.size(); ++i) columns[i] += others[i];
  EXPECT_EQ(metric.figures[0].formula(columns), 0);
}

TEST(Calibration, WhatIsNoProbabilityGivesNoFigureUnlessItIsIgnored) {
  const cv::Mat label = drawn({".#?"});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int x = 0; x < 3; ++x) {
    for (const int predicted : {0, 1}) {
      cv::Mat probability = constant(label, 0.25);
      probability.at<float>(0, x) = nan;
      EXPECT_EQ(std::isnan(ece({filled(1, 3, predicted), label, probability})), x < 2) << x;
    }
  }
}

TEST(Calibration, WhatRoundingHasPutBeyondTheEndsIsTheEnd) {
  const cv::Mat label = drawn({".#"}), beyond = (cv::Mat_<float>(1, 2) << -1e-7F, 1 + 1e-6F);
  EXPECT_EQ(ece({label, label, beyond}), 0);
}

TEST(Calibration, RefusesProbabilitiesThatDoNotFit) {
  const cv::Mat label = filled(3, 4, 0);
  EXPECT_THROW(ece({label, label, cv::Mat(4, 3, CV_32FC1)}), std::invalid_argument);
  EXPECT_THROW(ece({label, label, cv::Mat()}), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
