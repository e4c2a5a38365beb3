#include "portraitseg/metrics/boundary_iou.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::drawn;
using testing::figure;
using testing::filled;
using testing::with_box;

double boundary_iou(const cv::Mat& prediction, const cv::Mat& label) {
  return figure(boundary_iou_metric(), "boundary_iou_2", prediction, label);
}

/// A foreground pixel with something else, or the outside, within d rows and columns.
bool near_boundary(const cv::Mat& mask, const cv::Mat& label, int y, int x, int d) {
  if (!testing::is_foreground(mask, label, y, x)) return false;
  for (int v = y - d; v <= y + d; ++v) {
    for (int u = x - d; u <= x + d; ++u) {
      if (v < 0 || u < 0 || v >= mask.rows || u >= mask.cols) return true;
      if (!testing::is_foreground(mask, label, v, u)) return true;
    }
  }
  return false;
}

TEST(BoundaryIou, EqualsItsFormulaOnRandomMasks) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    const cv::Mat& label = masks.label;
    const int d = std::sqrt(label.rows * label.rows + label.cols * label.cols) * 0.02 > 1.5 ? 2 : 1;
    std::int64_t both = 0, either = 0;
    for (int y = 0; y < label.rows; ++y) {
      for (int x = 0; x < label.cols; ++x) {
        const bool p = near_boundary(masks.prediction, label, y, x, d),
                   g = near_boundary(label, label, y, x, d);
        both += p && g;
        either += p || g;
      }
    }
    const Overlap overlap = boundary_overlap(masks.prediction, label);
    ASSERT_EQ(overlap.both, both) << i;
    ASSERT_EQ(overlap.either, either) << i;
  }
}

TEST(BoundaryIou, IsTwoPercentOfTheDiagonalWide) {
  // A diagonal of 100 px, d = 2: two frames, 60x80 and 58x80 from the outside, 2 px wide.
  const cv::Mat label = filled(60, 80, 1), prediction = with_box(label, {0, 0, 80, 2}, 0);
  const double frame = 2 * 80 * 2 + 2 * 2 * 56, shorter = 2 * 80 * 2 + 2 * 2 * 54;
  const double both =
      shorter - 80 * 2 + 2 * 2 * 2;  // all but its top side, of which the frame holds the ends
  EXPECT_DOUBLE_EQ(boundary_iou(prediction, label), 100 * both / (frame + shorter - both));
}

TEST(BoundaryIou, RoundsTheWidthHalfToEven) {
  // 75x100 has a diagonal of 125 px: 2.5 px are 2.
  EXPECT_EQ(boundary_overlap(filled(75, 100, 1), filled(75, 100, 1)).either, 75 * 100 - 71 * 96);
}

TEST(BoundaryIou, PerfectIs100AndDisjointOrInverseIs0) {
  const cv::Mat label = with_box(filled(60, 50, 0), {10, 10, 20, 30});
  EXPECT_EQ(boundary_iou(label, label), 100);
  EXPECT_EQ(boundary_iou(1 - label, label), 0);
  EXPECT_EQ(boundary_iou(with_box(filled(60, 50, 0), {35, 10, 10, 30}), label), 0);
}

TEST(BoundaryIou, IsSymmetric) {
  for (int i = 0; i < 50; ++i) {
    const auto a = testing::random_masks(i);
    const cv::Mat label = a.label & 1;  // nothing ignored
    EXPECT_EQ(boundary_iou(a.prediction, label), boundary_iou(label, a.prediction));
  }
}

TEST(BoundaryIou, EmptyCases) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(40, 30)}) {
    const cv::Mat none = filled(size.height, size.width, 0), all = filled(size.height, size.width, 1),
                  ignored = filled(size.height, size.width, kIgnore);
    EXPECT_EQ(boundary_iou(none, none), 100);
    EXPECT_EQ(boundary_iou(all, none), 0);
    EXPECT_EQ(boundary_iou(none, all), 0);
    EXPECT_EQ(boundary_iou(all, all), 100);
    EXPECT_EQ(boundary_iou(all, ignored), 100);
  }
}

TEST(BoundaryIou, RefusesMasksThatDoNotFit) {
  EXPECT_THROW(boundary_overlap(filled(3, 4, 0), filled(4, 3, 0)), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
