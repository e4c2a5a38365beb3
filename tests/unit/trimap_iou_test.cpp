#include "portraitseg/metrics/trimap_iou.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::drawn;
using testing::figure;
using testing::filled;
using testing::with_box;

/// Pixels with a 4-neighbour on the other side; ignored is not the foreground's side.
std::vector<cv::Point> boundary(const cv::Mat& label) {
  std::vector<cv::Point> points;
  for (int y = 0; y < label.rows; ++y) {
    for (int x = 0; x < label.cols; ++x) {
      bool differs = false;
      for (const cv::Point step : {cv::Point(0, 1), cv::Point(0, -1), cv::Point(1, 0), cv::Point(-1, 0)}) {
        const cv::Point other = cv::Point(x, y) + step;
        if (!cv::Rect({0, 0}, label.size()).contains(other)) continue;
        differs |= (label.at<std::uint8_t>(other) == 1) != (label.at<std::uint8_t>(y, x) == 1);
      }
      if (differs) points.emplace_back(x, y);
    }
  }
  return points;
}

/// From each pixel to the nearest of the boundary; infinite if there is none.
cv::Mat distances(const cv::Mat& label) {
  cv::Mat nearest(label.size(), CV_64FC1, cv::Scalar(std::numeric_limits<double>::infinity()));
  for (const auto& p : boundary(label)) {
    for (int y = 0; y < label.rows; ++y) {
      for (int x = 0; x < label.cols; ++x) {
        double& distance = nearest.at<double>(y, x);
        distance = std::min(distance, std::hypot(p.x - x, p.y - y));
      }
    }
  }
  return nearest;
}

TEST(TrimapIou, EqualsItsFormulaOnRandomMasks) {
  const std::vector<int> widths = {1, 3, 5, 10, 20};
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    const auto counts = trimap_counts(masks.prediction, masks.label, widths);
    const cv::Mat distance = distances(masks.label);
    ASSERT_EQ(counts.size(), widths.size());
    for (std::size_t w = 0; w < widths.size(); ++w) {
      cv::Mat band = filled(masks.label.rows, masks.label.cols, kIgnore);
      masks.label.copyTo(band, distance < widths[w]);
      const PixelCounts expected = PixelCounts::of(masks.prediction, band);
      ASSERT_EQ(counts[w].tp, expected.tp) << i << " width " << widths[w];
      ASSERT_EQ(counts[w].fp, expected.fp) << i << " width " << widths[w];
      ASSERT_EQ(counts[w].fn, expected.fn) << i << " width " << widths[w];
      ASSERT_EQ(counts[w].tn, expected.tn) << i << " width " << widths[w];
    }
  }
}

TEST(TrimapIou, ABandReachesItsWidthToEachSide) {
  const cv::Mat label = with_box(filled(10, 40, 0), {20, 0, 20, 10});
  for (const int width : {1, 3, 7}) {
    const PixelCounts counts = trimap_counts(label, label, {width})[0];
    EXPECT_EQ(counts.tp, 10 * width);
    EXPECT_EQ(counts.tn, 10 * width);
  }
}

TEST(TrimapIou, WidthsBeyondTheImageGiveIou) {
  const cv::Mat label = with_box(filled(20, 20, 0), {5, 5, 9, 8}),
                prediction = with_box(filled(20, 20, 0), {4, 5, 9, 9});
  EXPECT_DOUBLE_EQ(trimap_counts(prediction, label, {100})[0].iou_foreground(),
                   PixelCounts::of(prediction, label).iou_foreground());
}

TEST(TrimapIou, PerfectIs100AndInverseIs0AtEachWidth) {
  const cv::Mat label = with_box(filled(60, 50, 0), {10, 10, 20, 30});
  const Metric metric = trimap_iou_metric();
  ASSERT_EQ(metric.figures.size(), 5U);
  for (const Figure& one : metric.figures) {
    EXPECT_EQ(figure(metric, one.name, label, label), 100) << one.name;
    EXPECT_EQ(figure(metric, one.name, 1 - label, label), 0) << one.name;
    EXPECT_EQ(figure(metric, one.name, filled(60, 50, 0), label), 0) << one.name;
  }
}

TEST(TrimapIou, ALabelWithoutBoundaryHasNone) {
  const Metric metric = trimap_iou_metric({3, 5});
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(30, 20)}) {
    for (const int value : {0, 1, 255}) {
      for (const int predicted : {0, 1}) {
        const cv::Mat label = filled(size.height, size.width, value),
                      prediction = filled(size.height, size.width, predicted);
        EXPECT_TRUE(std::isnan(figure(metric, "trimap_iou_3", prediction, label)));
        EXPECT_TRUE(std::isnan(figure(metric, "trimap_iou_5", prediction, label)));
      }
    }
  }
}

TEST(TrimapIou, RefusesOtherWidthsAndMasksThatDoNotFit) {
  const cv::Mat label = drawn({"..##"});
  for (const std::vector<int>& widths : {std::vector<int>{0}, {3, 3}, {5, 3}, {-1, 2}}) {
    EXPECT_THROW(trimap_counts(label, label, widths), std::invalid_argument);
    EXPECT_THROW(trimap_iou_metric(widths), std::invalid_argument);
  }
  EXPECT_THROW(trimap_counts(filled(3, 4, 0), filled(4, 3, 0), {3}), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
