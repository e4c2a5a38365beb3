#include "portraitseg/metrics/boundary_distance.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::drawn;
using testing::filled;

TEST(SquaredDistances, AreThoseOfThePixelsInRowOrder) {
  EXPECT_EQ(squared_distances(drawn({"#...#", "..#.."}), drawn({".....", "...#."})),
            (std::vector<std::int64_t>{10, 2, 1}));
}

TEST(SquaredDistances, AreNoneWithoutAPixelOnEitherSide) {
  EXPECT_TRUE(squared_distances(filled(3, 4, 0), filled(3, 4, 1)).empty());
  EXPECT_TRUE(squared_distances(filled(3, 4, 1), filled(3, 4, 0)).empty());
}

TEST(SquaredDistances, EqualTheMinimumOverAllPixels) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    const cv::Mat from = masks.prediction == 1, to = masks.label == 1;
    std::vector<cv::Point> starts, ends;
    if (cv::countNonZero(to) == 0 || cv::countNonZero(from) == 0) continue;
    cv::findNonZero(from, starts);
    cv::findNonZero(to, ends);
    std::vector<std::int64_t> expected;
    for (const auto& start : starts) {
      int nearest = std::numeric_limits<int>::max();
      for (const auto& end : ends) nearest = std::min(nearest, (end - start).dot(end - start));
      expected.push_back(nearest);
    }
    ASSERT_EQ(squared_distances(from, to), expected) << i;
  }
}

TEST(SquaredDistances, OfAllPixelsAreTheMap) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const cv::Mat to = testing::random_masks(i).label == 1;
    const auto expected = squared_distances(filled(to.rows, to.cols, 1), to);
    const cv::Mat map = squared_distance(to);
    ASSERT_EQ(map.total(), expected.size()) << i;
    for (std::size_t p = 0; p < expected.size(); ++p) ASSERT_EQ(map.ptr<int>()[p], expected[p]) << i;
  }
}

TEST(SquaredDistances, AreExactOverLongWays) {
  cv::Mat from = filled(3000, 4000, 0), to = filled(3000, 4000, 0);
  from.at<std::uint8_t>(0, 0) = to.at<std::uint8_t>(2999, 3998) = 1;
  EXPECT_EQ(squared_distances(from, to), (std::vector<std::int64_t>{2999 * 2999 + 3998 * 3998}));
  EXPECT_EQ(squared_distance(to).at<int>(0, 0), 2999 * 2999 + 3998 * 3998);
}

}  // namespace
}  // namespace portraitseg
