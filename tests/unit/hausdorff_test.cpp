#include "portraitseg/metrics/hausdorff.h"

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
using testing::with_box;

std::vector<cv::Point> boundary(const cv::Mat& mask, const cv::Mat& label) {
  std::vector<cv::Point> points;
  const auto at = [&](int y, int x) {
    return y >= 0 && x >= 0 && y < mask.rows && x < mask.cols && testing::is_foreground(mask, label, y, x);
  };
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      if (at(y, x) && !(at(y - 1, x) && at(y + 1, x) && at(y, x - 1) && at(y, x + 1)))
        points.emplace_back(x, y);
    }
  }
  return points;
}

void add_distances(const std::vector<cv::Point>& from, const std::vector<cv::Point>& to,
                   std::vector<double>& distances) {
  for (const auto& p : from) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const auto& q : to) nearest = std::min(nearest, std::hypot(p.x - q.x, p.y - q.y));
    distances.push_back(nearest);
  }
}

TEST(Hausdorff95, EqualsItsFormulaOnRandomMasks) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    const auto predicted = boundary(masks.prediction, masks.label),
               labelled = boundary(masks.label, masks.label);
    double expected = 0;
    if (predicted.empty() != labelled.empty()) expected = std::hypot(masks.label.rows, masks.label.cols);
    if (!predicted.empty() && !labelled.empty()) {
      std::vector<double> distances;
      add_distances(predicted, labelled, distances);
      add_distances(labelled, predicted, distances);
      std::sort(distances.begin(), distances.end());
      const double rank = 0.95 * static_cast<double>(distances.size() - 1);
      const auto below = static_cast<std::size_t>(rank);
      const auto above = std::min(below + 1, distances.size() - 1);
      expected = distances[below] + (rank - std::floor(rank)) * (distances[above] - distances[below]);
    }
    ASSERT_NEAR(hausdorff_95(masks.prediction, masks.label), expected, 1e-12) << i;
  }
}

TEST(Hausdorff95, IsTheDistanceOfTwoPixels) {
  EXPECT_DOUBLE_EQ(hausdorff_95(drawn({"#...", "....", "...."}), drawn({"....", "....", "...#"})),
                   std::sqrt(13));
}

TEST(Hausdorff95, LeavesOutTheFarthestTwentieth) {
  // A column of 60 px, and the same with one pixel 50 px away: of 121 distances one is far, and rank 114 is near.
  const cv::Mat label = with_box(filled(60, 60, 0), {0, 0, 1, 60});
  EXPECT_EQ(hausdorff_95(with_box(label, {50, 30, 1, 1}), label), 0);
  // 20 of 140 are far, and rank 132.05 is among them.
  EXPECT_GT(hausdorff_95(with_box(label, {40, 30, 20, 1}), label), 39);
}

TEST(Hausdorff95, IsSymmetric) {
  for (int i = 0; i < 50; ++i) {
    const auto a = testing::random_masks(i);
    const cv::Mat label = a.label & 1;
    EXPECT_DOUBLE_EQ(hausdorff_95(a.prediction, label), hausdorff_95(label, a.prediction));
  }
}

TEST(Hausdorff95, EmptyCases) {
  const cv::Mat none = filled(30, 40, 0), all = filled(30, 40, 1), ignored = filled(30, 40, kIgnore);
  EXPECT_EQ(hausdorff_95(none, none), 0);
  EXPECT_EQ(hausdorff_95(all, all), 0);
  EXPECT_EQ(hausdorff_95(all, ignored), 0);
  EXPECT_EQ(hausdorff_95(none, all), 50);
  EXPECT_EQ(hausdorff_95(all, none), 50);
  EXPECT_EQ(hausdorff_95(filled(1, 1, 1), filled(1, 1, 1)), 0);
  EXPECT_DOUBLE_EQ(hausdorff_95(filled(1, 1, 0), filled(1, 1, 1)), std::sqrt(2));
}

TEST(Hausdorff95, TheFigureIsInPixels) {
  const cv::Mat label = with_box(filled(30, 40, 0), {10, 0, 30, 30});
  const double value = testing::figure(hausdorff_95_metric(), "hausdorff_95", filled(30, 40, 0), label);
  EXPECT_EQ(value, 50);
  EXPECT_NE(hausdorff_95_metric().figures[0].title.find("px"), std::string::npos);
}

TEST(Hausdorff95, RefusesMasksThatDoNotFit) {
  EXPECT_THROW(hausdorff_95(filled(3, 4, 0), filled(4, 3, 0)), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
