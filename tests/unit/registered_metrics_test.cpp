// What holds for every metric of portraits that is registered.
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "portraitseg/metrics/metrics.h"

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::filled;
using testing::with_box;

std::vector<Metric> all_metrics() {
  return chosen_metrics({"all"}, protocols().at("native"), 2);
}

/// As a network that is sure of it would say it.
cv::Mat sure(const cv::Mat& prediction) {
  cv::Mat probability;
  prediction.convertTo(probability, CV_32F);
  return probability;
}

/// Each figure of the image by its name, all of them.
std::map<std::string, double> figures(const cv::Mat& prediction, const cv::Mat& label) {
  std::map<std::string, double> values;
  for (const Metric& metric : all_metrics()) {
    const auto columns = metric.measure({prediction, label, sure(prediction)});
    EXPECT_EQ(columns.size(), metric.columns.size());
    for (const Figure& figure : metric.figures) values[figure.name] = figure.formula(columns);
  }
  return values;
}

/// 0 is the best of these.
const std::set<std::string> kErrors = {"mae", "ece", "hausdorff_95"};

/// These are not defined without a boundary in the label.
bool needs_boundary(const std::string& figure) {
  return figure.rfind("trimap_iou_", 0) == 0;
}

bool is_deepixel(const std::string& figure) {
  return figure.rfind("deepixel_", 0) == 0;
}

TEST(RegisteredMetrics, NoTwoColumnsAndNoTwoFiguresHaveOneName) {
  std::set<std::string> columns, names, titles;
  for (const Metric& metric : all_metrics()) {
    for (const auto& column : metric.columns) EXPECT_TRUE(columns.insert(column).second) << column;
    for (const Figure& figure : metric.figures) {
      EXPECT_TRUE(names.insert(figure.name).second) << figure.name;
      EXPECT_TRUE(titles.insert(figure.title).second) << figure.title;
    }
  }
  EXPECT_EQ(names.count("boundary_iou_2"), 1U);
}

TEST(RegisteredMetrics, ThePerfectPredictionIsTheBest) {
  const cv::Mat label = with_box(filled(60, 50, 0), {10, 10, 30, 45});
  for (const auto& [name, value] : figures(label, label))
    EXPECT_EQ(value, kErrors.count(name) ? 0 : 100) << name;
}

TEST(RegisteredMetrics, AnotherPlaceIsTheWorstUnlessOnlyTheBoundaryIsSeen) {
  const cv::Mat label = with_box(filled(120, 100, 0), {5, 5, 25, 25}),
                other = with_box(filled(120, 100, 0), {60, 80, 25, 25});
  for (const auto& [name, value] : figures(other, label)) {
    if (name == "hausdorff_95") {
      EXPECT_GT(value, 80);
    }
    if (name == "mae" || name == "ece") {
      EXPECT_NEAR(value, 100 * 2 * 625 / 12000.0, 1e-9) << name;
    }
    const bool sees_background =
        name.find("background") != std::string::npos || name.find("miou") == 0 || name == "pixel_accuracy";
    if (!kErrors.count(name) && !sees_background) {
      EXPECT_EQ(value, 0) << name;
    }
  }
}

TEST(RegisteredMetrics, AnImageWithoutPortraitThatIsLeftEmptyIsPerfectButWhereTheSourceHasItOtherwise) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(50, 60)}) {
    const cv::Mat empty = filled(size.height, size.width, 0);
    for (const auto& [name, value] : figures(empty, empty)) {
      if (needs_boundary(name))
        EXPECT_TRUE(std::isnan(value)) << name;
      else
        EXPECT_EQ(value, kErrors.count(name) || is_deepixel(name) ? 0 : 100) << name;
    }
  }
}

TEST(RegisteredMetrics, OnlyDocumentedCasesHaveNoValue) {
  const std::set<std::string> of_pixels = {"mae", "ece", "pixel_accuracy"};
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(50, 60)}) {
    for (const int labelled : {0, 1, 255}) {
      for (const int predicted : {0, 1}) {
        const cv::Mat label = filled(size.height, size.width, labelled),
                      prediction = filled(size.height, size.width, predicted);
        for (const auto& [name, value] : figures(prediction, label)) {
          const bool has_none = needs_boundary(name) || (labelled == kIgnore && of_pixels.count(name));
          EXPECT_EQ(std::isnan(value), has_none) << name << " of " << predicted << " where " << labelled;
          EXPECT_FALSE(std::isinf(value)) << name;
        }
      }
    }
  }
}

TEST(RegisteredMetrics, WhatIsPredictedAtIgnoredPixelsChangesNothing) {
  for (int i = 0; i < 50; ++i) {
    const auto masks = testing::random_masks(i);
    cv::Mat other = masks.prediction.clone(), probability = masks.probability.clone();
    other.setTo(1, masks.label == kIgnore);
    probability.setTo(std::numeric_limits<float>::quiet_NaN(), masks.label == kIgnore);
    for (const Metric& metric : all_metrics())
      EXPECT_EQ(metric.measure(masks.image()), metric.measure({other, masks.label, probability}))
          << metric.columns[0];
  }
}

TEST(RegisteredMetrics, OneThatNeedsNoProbabilityIsMeasuredWithoutIt) {
  const cv::Mat label = with_box(filled(30, 20, 0), {5, 5, 9, 9});
  for (const Metric& metric : all_metrics()) {
    if (!metric.uses_probability) {
      EXPECT_NO_THROW(metric.measure({label, label, {}})) << metric.columns[0];
    }
  }
}

}  // namespace
}  // namespace portraitseg
