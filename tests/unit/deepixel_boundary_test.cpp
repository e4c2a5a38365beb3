#include "portraitseg/metrics/deepixel_boundary.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "support/masks.h"

namespace portraitseg {
namespace {

using testing::figure;
using testing::filled;
using testing::with_box;

double biou(const cv::Mat& prediction, const cv::Mat& label) {
  return figure(deepixel_boundary_metric(), "deepixel_biou_15", prediction, label);
}

double bf1(const cv::Mat& prediction, const cv::Mat& label) {
  return figure(deepixel_boundary_metric(), "deepixel_bf1_15", prediction, label);
}

using Region = std::vector<std::vector<bool>>;

/// Whether any pixel within `reach` rows and columns, inside the image, satisfies it.
template <class Condition>
bool any_near(const cv::Mat& label, int y, int x, int reach, Condition condition) {
  for (int v = std::max(0, y - reach); v <= std::min(label.rows - 1, y + reach); ++v) {
    for (int u = std::max(0, x - reach); u <= std::min(label.cols - 1, x + reach); ++u) {
      if (condition(v, u)) return true;
    }
  }
  return false;
}

Region band(const cv::Mat& mask, const cv::Mat& label) {
  Region region(label.rows, std::vector<bool>(label.cols));
  for (int y = 0; y < label.rows; ++y) {
    for (int x = 0; x < label.cols; ++x) {
      const auto inside = [&](int v, int u) { return testing::is_foreground(mask, label, v, u); };
      const auto outside = [&](int v, int u) { return !inside(v, u); };
      region[y][x] = label.at<std::uint8_t>(y, x) != kIgnore && any_near(label, y, x, 7, inside) &&
                     any_near(label, y, x, 7, outside);
    }
  }
  return region;
}

TEST(DeepixelBoundary, EqualsItsFormulaOnRandomMasks) {
  for (int i = 0; i < testing::kRandomMasks; ++i) {
    const auto masks = testing::random_masks(i);
    const Region p = band(masks.prediction, masks.label), g = band(masks.label, masks.label);
    DeepixelBoundary expected;
    for (int y = 0; y < masks.label.rows; ++y) {
      for (int x = 0; x < masks.label.cols; ++x) {
        expected.bands.both += p[y][x] && g[y][x];
        expected.bands.either += p[y][x] || g[y][x];
        expected.match.predicted += p[y][x];
        expected.match.labelled += g[y][x];
        expected.match.predicted_matched +=
            p[y][x] && any_near(masks.label, y, x, 2, [&](int v, int u) { return g[v][u]; });
        expected.match.labelled_matched +=
            g[y][x] && any_near(masks.label, y, x, 2, [&](int v, int u) { return p[v][u]; });
      }
    }
    ASSERT_EQ(DeepixelBoundary::of(masks.prediction, masks.label).columns(), expected.columns()) << i;
  }
}

TEST(DeepixelBoundary, HandComputed) {
  // Bands of 14 columns, one shifted by 4: 10 in both, 18 in either, and 12 of 14 within 2 px.
  const cv::Mat label = with_box(filled(20, 60, 0), {30, 0, 30, 20}),
                shifted = with_box(filled(20, 60, 0), {34, 0, 26, 20});
  EXPECT_DOUBLE_EQ(biou(shifted, label), 100 * 10.0 / 18);
  EXPECT_DOUBLE_EQ(bf1(shifted, label), 100 * 12.0 / 14);
}

TEST(DeepixelBoundary, PerfectIs100AndFarAwayIs0AndTheSidesDoNotMatter) {
  const cv::Mat label = with_box(filled(90, 80, 0), {10, 10, 20, 30}),
                far = with_box(filled(90, 80, 0), {60, 60, 10, 10});
  for (const auto& value : {biou, bf1}) {
    EXPECT_EQ(value(label, label), 100);
    EXPECT_EQ(value(1 - label, label), 100);
    EXPECT_EQ(value(far, label), 0);
  }
}

TEST(DeepixelBoundary, IsSymmetric) {
  for (int i = 0; i < 50; ++i) {
    const auto a = testing::random_masks(i);
    const cv::Mat label = a.label & 1;
    EXPECT_DOUBLE_EQ(biou(a.prediction, label), biou(label, a.prediction));
    EXPECT_DOUBLE_EQ(bf1(a.prediction, label), bf1(label, a.prediction));
  }
}

TEST(DeepixelBoundary, EmptyCasesAreTheSources) {
  const cv::Mat none = filled(40, 30, 0), all = filled(40, 30, 1), ignored = filled(40, 30, kIgnore),
                part = with_box(none, {5, 5, 8, 9});
  for (const auto& value : {biou, bf1}) {
    for (const cv::Mat& flat : {none, all}) {
      EXPECT_EQ(value(flat, none), 0);
      EXPECT_EQ(value(flat, all), 0);
      EXPECT_EQ(value(flat, ignored), 0);
      EXPECT_EQ(value(flat, part), 0);
      EXPECT_EQ(value(part, flat), 0);
    }
    EXPECT_EQ(value(filled(1, 1, 1), filled(1, 1, 1)), 0);
  }
}

TEST(DeepixelBoundary, RefusesMasksThatDoNotFit) {
  EXPECT_THROW(DeepixelBoundary::of(filled(3, 4, 0), filled(4, 3, 0)), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
