#include "portraitseg/metrics/wiou31.h"

#include <cmath>
#include <stdexcept>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::figure;
using testing::filled;
using testing::with_box;

double wiou31(const cv::Mat& prediction, const cv::Mat& label) {
  return figure(wiou31_metric(), "wiou31", prediction, label);
}

double weight(const cv::Mat& label, int y, int x) {
  double around = 0;
  for (int v = y - 15; v <= y + 15; ++v) {
    for (int u = x - 15; u <= x + 15; ++u) {
      if (v >= 0 && u >= 0 && v < label.rows && u < label.cols) around += label.at<std::uint8_t>(v, u) == 1;
    }
  }
  return 1 + 5 * std::abs(around / (31 * 31) - (label.at<std::uint8_t>(y, x) == 1));
}

TEST(Wiou31, EqualsItsFormulaOnRandomMasks) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    double both = 0, either = 0;
    for (int y = 0; y < masks.label.rows; ++y) {
      for (int x = 0; x < masks.label.cols; ++x) {
        const bool p = testing::is_foreground(masks.prediction, masks.label, y, x),
                   g = testing::is_foreground(masks.label, masks.label, y, x);
        both += p && g ? weight(masks.label, y, x) : 0;
        either += p || g ? weight(masks.label, y, x) : 0;
      }
    }
    const Overlap overlap = weighted_overlap_31(masks.prediction, masks.label);
    ASSERT_NEAR(static_cast<double>(overlap.both), 961 * both, 1e-9 * overlap.both + 1e-6) << i;
    ASSERT_NEAR(static_cast<double>(overlap.either), 961 * either, 1e-9 * overlap.either + 1e-6) << i;
  }
}

TEST(Wiou31, AnErrorAtTheBoundaryCostsMoreThanOneInside) {
  const cv::Mat label = with_box(filled(100, 100, 0), {0, 0, 100, 60});
  const double at_boundary = wiou31(with_box(label, {50, 59, 1, 1}, 0), label),
               inside = wiou31(with_box(label, {50, 30, 1, 1}, 0), label);
  EXPECT_LT(at_boundary, inside);
}

TEST(Wiou31, PerfectIs100AndDisjointIs0) {
  const cv::Mat label = with_box(filled(60, 50, 0), {10, 10, 20, 30});
  EXPECT_EQ(wiou31(label, label), 100);
  EXPECT_EQ(wiou31(1 - label, label), 0);
  EXPECT_EQ(wiou31(with_box(filled(60, 50, 0), {40, 10, 5, 30}), label), 0);
}

TEST(Wiou31, EmptyCases) {
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(40, 30)}) {
    const cv::Mat none = filled(size.height, size.width, 0), all = filled(size.height, size.width, 1),
                  ignored = filled(size.height, size.width, kIgnore);
    EXPECT_EQ(wiou31(none, none), 100);
    EXPECT_EQ(wiou31(all, none), 0);
    EXPECT_EQ(wiou31(none, all), 0);
    EXPECT_EQ(wiou31(all, all), 100);
    EXPECT_EQ(wiou31(all, ignored), 100);
  }
}

TEST(Wiou31, SumsOfAWideImageDoNotOverflow) {
  const cv::Mat all = filled(1, 200000, 1);
  const Overlap overlap = weighted_overlap_31(all, all);
  EXPECT_GT(overlap.either, 200000LL * (961 + 5 * 930));
  EXPECT_EQ(overlap.both, overlap.either);
}

TEST(Wiou31, RefusesMasksThatDoNotFit) {
  EXPECT_THROW(weighted_overlap_31(filled(3, 4, 0), filled(4, 3, 0)), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
