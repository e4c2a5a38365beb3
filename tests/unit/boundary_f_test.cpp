#include "portraitseg/metrics/boundary_f.h"

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::drawn;
using testing::figure;
using testing::filled;
using testing::with_box;

double boundary_f(const cv::Mat& prediction, const cv::Mat& label) {
  return figure(boundary_f_metric(), "boundary_f_0.8", prediction, label);
}

/// Where the pixel differs from the one to the right, below or both, as far as there is one.
std::vector<cv::Point> contour(const cv::Mat& mask, const cv::Mat& label) {
  std::vector<cv::Point> points;
  const auto at = [&](int y, int x) { return testing::is_foreground(mask, label, y, x); };
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      const bool right = x + 1 < mask.cols, below = y + 1 < mask.rows;
      if ((right && at(y, x) != at(y, x + 1)) || (below && at(y, x) != at(y + 1, x)) ||
          (right && below && at(y, x) != at(y + 1, x + 1)))
        points.emplace_back(x, y);
    }
  }
  return points;
}

std::int64_t matched(const std::vector<cv::Point>& points, const std::vector<cv::Point>& others,
                     double tolerance) {
  std::int64_t count = 0;
  for (const auto& p : points) {
    bool near = false;
    for (const auto& q : others) near |= std::hypot(p.x - q.x, p.y - q.y) <= tolerance;
    count += near;
  }
  return count;
}

TEST(BoundaryF, EqualsItsFormulaOnRandomMasks) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    const auto predicted = contour(masks.prediction, masks.label),
               labelled = contour(masks.label, masks.label);
    const double tolerance = std::ceil(0.008 * std::hypot(masks.label.rows, masks.label.cols));
    const BoundaryMatch match = match_contours(masks.prediction, masks.label);
    ASSERT_EQ(match.predicted, static_cast<std::int64_t>(predicted.size())) << i;
    ASSERT_EQ(match.labelled, static_cast<std::int64_t>(labelled.size())) << i;
    ASSERT_EQ(match.predicted_matched, matched(predicted, labelled, tolerance)) << i;
    ASSERT_EQ(match.labelled_matched, matched(labelled, predicted, tolerance)) << i;
  }
}

TEST(BoundaryF, RoundsTheToleranceUp) {
  // A diagonal of 150 px: 1.2 px are 2.
  const cv::Mat label = with_box(filled(90, 120, 0), {40, 0, 80, 90});
  EXPECT_EQ(boundary_f(with_box(filled(90, 120, 0), {42, 0, 78, 90}), label), 100);
  EXPECT_EQ(boundary_f(with_box(filled(90, 120, 0), {43, 0, 77, 90}), label), 0);
}

TEST(BoundaryF, IsTheHarmonicMeanOfPrecisionAndRecall) {
  // The label's contour is 30 px long; the prediction adds a second one of the same length elsewhere.
  const cv::Mat label = with_box(filled(30, 60, 0), {20, 0, 40, 30}),
                prediction = with_box(label, {50, 0, 10, 30}, 0);
  const BoundaryMatch match = match_contours(prediction, label);
  EXPECT_EQ(match.predicted, 60);
  EXPECT_EQ(match.predicted_matched, 30);
  EXPECT_EQ(match.labelled_matched, 30);
  EXPECT_NEAR(boundary_f(prediction, label), 100 * 2 * 0.5 / 1.5, 1e-12);
}

TEST(BoundaryF, PerfectIs100AndFarAwayIs0AndTheSidesDoNotMatter) {
  const cv::Mat label = with_box(filled(60, 50, 0), {10, 10, 20, 30});
  EXPECT_EQ(boundary_f(label, label), 100);
  EXPECT_EQ(boundary_f(1 - label, label), 100);
  EXPECT_EQ(boundary_f(with_box(filled(60, 50, 0), {35, 45, 10, 10}), label), 0);
}

TEST(BoundaryF, IsSymmetric) {
  for (int i = 0; i < 50; ++i) {
    const auto a = testing::random_masks(i);
    const cv::Mat label = a.label & 1;
    EXPECT_DOUBLE_EQ(boundary_f(a.prediction, label), boundary_f(label, a.prediction));
  }
}

TEST(BoundaryF, EmptyCases) {
  const cv::Mat none = filled(20, 30, 0), all = filled(20, 30, 1), ignored = filled(20, 30, kIgnore),
                part = with_box(none, {5, 5, 8, 9});
  for (const cv::Mat& flat : {none, all}) {  // neither has a contour
    EXPECT_EQ(boundary_f(flat, none), 100);
    EXPECT_EQ(boundary_f(flat, all), 100);
    EXPECT_EQ(boundary_f(flat, ignored), 100);
    EXPECT_EQ(boundary_f(part, flat), 0);
    EXPECT_EQ(boundary_f(flat, part), 0);
  }
  EXPECT_EQ(boundary_f(filled(1, 1, 1), filled(1, 1, 0)), 100);
}

TEST(BoundaryF, RefusesMasksThatDoNotFit) {
  EXPECT_THROW(match_contours(filled(3, 4, 0), filled(4, 3, 0)), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
