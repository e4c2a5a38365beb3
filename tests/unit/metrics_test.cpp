#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/edge_band.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/boundary_distance.h"
#include "portraitseg/metrics/boundary_f1.h"
#include "portraitseg/metrics/edge_iou.h"
#include "portraitseg/metrics/pixel_counts.h"
#include "portraitseg/metrics/weighted_iou.h"

namespace portraitseg {
namespace {

const std::vector<double> kSigmas = {3, 5, 10, 20, 40, 80};

cv::Mat filled(int height, int width, int value) {
  return cv::Mat(height, width, CV_8UC1, cv::Scalar(value));
}

cv::Mat with_box(cv::Mat mask, const cv::Rect& box, int value = 1) {
  mask(box).setTo(value);
  return mask;
}

cv::Mat random_mask(cv::RNG& random, int height, int width, double foreground, double ignored = 0) {
  cv::Mat mask(height, width, CV_8UC1);
  for (auto it = mask.begin<std::uint8_t>(); it != mask.end<std::uint8_t>(); ++it) {
    const double draw = random.uniform(0.0, 1.0);
    *it = draw < ignored ? kIgnore : draw < ignored + foreground ? 1 : 0;
  }
  return mask;
}

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && cv::countNonZero(a != b) == 0;
}

void expect_all(const std::vector<double>& values, double expected) {
  ASSERT_EQ(values.size(), kSigmas.size());
  for (const double value : values) EXPECT_DOUBLE_EQ(value, expected);
}

/// Row by row; '.' background, '#' foreground, '?' ignored.
cv::Mat drawn(const std::vector<std::string>& rows) {
  cv::Mat mask(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()), CV_8UC1);
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      const char c = rows[y][x];
      mask.at<std::uint8_t>(y, x) = c == '#' ? 1 : c == '?' ? kIgnore : 0;
    }
  }
  return mask;
}

TEST(PixelCounts, CountsEachCase) {
  const auto counts = PixelCounts::of(drawn({"###..", ".##.."}), drawn({"##.?.", "?.#.#"}));
  EXPECT_EQ(counts.tp, 3);
  EXPECT_EQ(counts.fp, 2);
  EXPECT_EQ(counts.fn, 1);
  EXPECT_EQ(counts.tn, 2);
  EXPECT_DOUBLE_EQ(counts.iou_foreground(), 3.0 / 6);
  EXPECT_DOUBLE_EQ(counts.iou_background(), 2.0 / 5);
  EXPECT_DOUBLE_EQ(counts.miou(), 0.45);
  EXPECT_DOUBLE_EQ(counts.f1(), 2 * 0.6 * 0.75 / 1.35);
}

TEST(PixelCounts, PerfectIsOneAndInvertedIsZero) {
  cv::RNG random(1);
  const cv::Mat label = random_mask(random, 17, 13, 0.4);
  const auto perfect = PixelCounts::of(label, label);
  EXPECT_EQ(perfect.miou(), 1);
  EXPECT_EQ(perfect.f1(), 1);
  const cv::Mat inverted = 1 - label;
  EXPECT_EQ(PixelCounts::of(inverted, label).miou(), 0);
  EXPECT_EQ(PixelCounts::of(inverted, label).f1(), 0);
}

TEST(PixelCounts, EmptyUnionIsOne) {
  const cv::Mat background = filled(4, 5, 0), foreground = filled(4, 5, 1), ignored = filled(4, 5, kIgnore);
  EXPECT_EQ(PixelCounts::of(background, background).iou_foreground(), 1);
  EXPECT_EQ(PixelCounts::of(background, background).f1(), 1);
  EXPECT_EQ(PixelCounts::of(foreground, foreground).iou_background(), 1);
  EXPECT_EQ(PixelCounts::of(foreground, ignored).miou(), 1);
  EXPECT_EQ(PixelCounts::of(foreground, ignored).f1(), 1);
  // Only one of the two is empty: precision or recall counts as 1, the other is 0.
  EXPECT_EQ(PixelCounts::of(foreground, background).iou_foreground(), 0);
  EXPECT_EQ(PixelCounts::of(foreground, background).f1(), 0);
  EXPECT_EQ(PixelCounts::of(background, foreground).f1(), 0);
}

TEST(PixelCounts, F1IsDiceAndSymmetricAndFollowsFromIou) {
  cv::RNG random(2);
  for (int i = 0; i < 20; ++i) {
    const cv::Mat a = random_mask(random, 9, 11, 0.3), b = random_mask(random, 9, 11, 0.6);
    const auto ab = PixelCounts::of(a, b), ba = PixelCounts::of(b, a);
    EXPECT_DOUBLE_EQ(ab.iou_foreground(), ba.iou_foreground());
    EXPECT_DOUBLE_EQ(ab.f1(), ba.f1());
    EXPECT_NEAR(ab.f1(), 2 * ab.iou_foreground() / (1 + ab.iou_foreground()), 1e-15);
  }
}

TEST(PixelCounts, DiceIsF1InAllCases) {
  for (const PixelCounts& counts :
       {PixelCounts{3, 2, 1, 2}, {0, 0, 0, 5}, {0, 4, 0, 0}, {0, 0, 4, 0}, {0, 2, 3, 0}, {}})
    EXPECT_DOUBLE_EQ(counts.dice(), counts.f1());
  EXPECT_DOUBLE_EQ((PixelCounts{3, 2, 1, 2}.dice()), 6.0 / 9);
}

TEST(PixelCounts, AccuracyIsTheShareOfRightPixels) {
  EXPECT_DOUBLE_EQ((PixelCounts{3, 2, 1, 2}.accuracy()), 5.0 / 8);
  EXPECT_EQ((PixelCounts{0, 0, 0, 7}.accuracy()), 1);
  EXPECT_EQ((PixelCounts{0, 7, 0, 0}.accuracy()), 0);
  EXPECT_TRUE(std::isnan(PixelCounts{}.accuracy()));
}

TEST(PixelCounts, CountsOfPartsAddUp) {
  cv::RNG random(3);
  const cv::Mat prediction = random_mask(random, 20, 15, 0.5), label = random_mask(random, 20, 15, 0.5, 0.2);
  const auto whole = PixelCounts::of(prediction, label);
  PixelCounts sum;
  for (const auto& rows : {cv::Range(0, 7), cv::Range(7, 20)}) {
    sum += PixelCounts::of(prediction.rowRange(rows), label.rowRange(rows));
  }
  EXPECT_EQ(sum.tp, whole.tp);
  EXPECT_EQ(sum.fp, whole.fp);
  EXPECT_EQ(sum.fn, whole.fn);
  EXPECT_EQ(sum.tn, whole.tn);
  EXPECT_EQ(whole.tp + whole.fp + whole.fn + whole.tn, cv::countNonZero(label != kIgnore));
}

TEST(PixelCounts, OtherClassesAreBackground) {
  cv::Mat label = filled(1, 4, 0), prediction = filled(1, 4, 0);
  label.at<std::uint8_t>(0, 1) = 2;
  prediction.at<std::uint8_t>(0, 2) = 3;
  EXPECT_EQ(PixelCounts::of(prediction, label).tn, 4);
}

TEST(EveryMetric, RefusesMasksThatDoNotFit) {
  const cv::Mat label = filled(4, 5, 1), wide = filled(4, 6, 1), none;
  const cv::Mat real(4, 5, CV_32FC1, cv::Scalar(1));
  for (const cv::Mat& wrong : {wide, real, none}) {
    EXPECT_THROW(PixelCounts::of(wrong, label), std::invalid_argument);
    EXPECT_THROW(boundary_counts(wrong, label, 3), std::invalid_argument);
    EXPECT_THROW(edge_iou(wrong, label, {3}), std::invalid_argument);
    EXPECT_THROW(weighted_iou(wrong, label, {3}), std::invalid_argument);
  }
  EXPECT_THROW(PixelCounts::of(none, none), std::invalid_argument);
  EXPECT_THROW(edge_iou(label, label, {3, 0}), std::invalid_argument);
  EXPECT_THROW(weighted_iou(label, label, {-1}), std::invalid_argument);
  try {
    PixelCounts::of(wide, label);
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("prediction is 4x6, label is 4x5"), std::string::npos)
        << error.what();
  }
}

TEST(EveryMetric, IgnoredPixelsDoNotCount) {
  cv::RNG random(4);
  const cv::Mat label = random_mask(random, 30, 40, 0.5, 0.3);
  cv::Mat zeros = random_mask(random, 30, 40, 0.5), ones = zeros.clone();
  zeros.setTo(0, label == kIgnore);
  ones.setTo(1, label == kIgnore);
  EXPECT_EQ(PixelCounts::of(zeros, label).miou(), PixelCounts::of(ones, label).miou());
  EXPECT_EQ(boundary_counts(zeros, label, 3).f1(), boundary_counts(ones, label, 3).f1());
  EXPECT_EQ(edge_iou(zeros, label, kSigmas), edge_iou(ones, label, kSigmas));
  EXPECT_EQ(weighted_iou(zeros, label, kSigmas), weighted_iou(ones, label, kSigmas));
}

TEST(EdgeBand, IsTheLabelWithinHalfAKernelOfTheBorder) {
  EXPECT_TRUE(same(edge_band(drawn({"....####"}), 3), drawn({"???.#???"})));
  EXPECT_TRUE(same(edge_band(drawn({"....####"}), 5), drawn({"??..##??"})));
  EXPECT_TRUE(same(edge_band(drawn({"....####"}), 1), drawn({"????????"})));
}

TEST(EdgeBand, IgnoredPixelsStayIgnoredAndCountAsBackground) {
  EXPECT_TRUE(same(edge_band(drawn({"..??####"}), 3), drawn({"????#???"})));
  EXPECT_TRUE(same(edge_band(drawn({"..??####"}), 7), drawn({"?.??###?"})));
}

TEST(EdgeBand, ForegroundClassesKeepTheirValueAndShareOneBand) {
  const cv::Mat label = (cv::Mat_<std::uint8_t>(1, 8) << 0, 0, 0, 1, 2, 2, 3, 3);
  const cv::Mat expected = (cv::Mat_<std::uint8_t>(1, 8) << 255, 0, 0, 1, 2, 255, 255, 255);
  EXPECT_TRUE(same(edge_band(label, 5), expected));
}

TEST(EdgeBand, TheImageBorderIsNoEdge) {
  for (const int value : {0, 1})
    EXPECT_TRUE(same(edge_band(filled(20, 30, value), 15), filled(20, 30, kIgnore)));
}

TEST(EdgeBand, RefusesOtherTypesAndKernels) {
  EXPECT_THROW(edge_band(cv::Mat(3, 3, CV_32FC1), 3), std::invalid_argument);
  EXPECT_THROW(edge_band(cv::Mat(), 3), std::invalid_argument);
  EXPECT_THROW(edge_band(filled(3, 3, 0), 0), std::invalid_argument);
}

TEST(BoundaryF1, CountsOnlyTheLabelsBand) {
  const cv::Mat label = drawn({".....#####"});
  const auto counts = boundary_counts(drawn({"#...######"}), label, 5);  // the band is the middle four pixels
  EXPECT_EQ(counts.tp, 2);
  EXPECT_EQ(counts.fp, 1);
  EXPECT_EQ(counts.fn, 0);
  EXPECT_EQ(counts.tn, 1);
  EXPECT_DOUBLE_EQ(counts.f1(), 0.8);
}

TEST(BoundaryF1, IsOneWithoutABand) {
  EXPECT_EQ(boundary_counts(filled(9, 9, 1), filled(9, 9, 0), 5).f1(), 1);
  EXPECT_EQ(boundary_counts(filled(9, 9, 0), filled(9, 9, 1), 5).f1(), 1);
}

TEST(BoundaryF1, PerfectIsOneAndInvertedIsZero) {
  const cv::Mat label = with_box(filled(40, 30, 0), {5, 5, 20, 35});
  EXPECT_EQ(boundary_counts(label, label, 15).f1(), 1);
  EXPECT_EQ(boundary_counts(1 - label, label, 15).f1(), 0);
}

TEST(BoundaryDistance, BoundariesDifferInSidesAndAtTheImageBorder) {
  const cv::Mat label = drawn({".....", ".###.", ".###.", ".###."});
  EXPECT_TRUE(same(boundary_of_both_sides(label), drawn({".###.", "#####", "##.##", "##.##"}) * 255));
  EXPECT_TRUE(same(boundary_of_foreground(label), drawn({".....", ".###.", ".#.#.", ".###."}) * 255));
  EXPECT_EQ(cv::countNonZero(boundary_of_both_sides(filled(6, 7, 1))), 0);
  EXPECT_EQ(cv::countNonZero(boundary_of_foreground(filled(6, 7, 1))), 22);
}

TEST(BoundaryDistance, IgnoredBoundsLikeBackground) {
  const cv::Mat ignored = drawn({"?####", "?####"}), background = drawn({".####", ".####"});
  EXPECT_TRUE(same(boundary_of_both_sides(ignored), boundary_of_both_sides(background)));
  EXPECT_TRUE(same(boundary_of_foreground(ignored), boundary_of_foreground(background)));
}

TEST(BoundaryDistance, NoBoundaryGivesNoDistance) {
  EXPECT_TRUE(squared_distance(filled(3, 3, 0)).empty());
}

TEST(BoundaryDistance, EqualsTheMinimumOverAllBoundaryPixels) {
  cv::RNG random(5);
  const std::vector<std::pair<cv::Size, double>> cases = {
      {{1, 1}, 1},      {{50, 1}, 0.1},  {{1, 40}, 0.1},    {{60, 45}, 0.001},
      {{60, 45}, 0.05}, {{60, 45}, 0.5}, {{600, 400}, 1e-4}};
  for (const auto& [size, density] : cases) {
    cv::Mat boundary = random_mask(random, size.height, size.width, density);
    boundary.at<std::uint8_t>(size.height - 1, 0) = 1;  // at least one, and some distances far
    std::vector<cv::Point> points;
    cv::findNonZero(boundary, points);
    const cv::Mat distance = squared_distance(boundary);
    for (int y = 0; y < size.height; ++y) {
      for (int x = 0; x < size.width; ++x) {
        int nearest = std::numeric_limits<int>::max();
        for (const auto& p : points)
          nearest = std::min(nearest, (p - cv::Point(x, y)).dot(p - cv::Point(x, y)));
        ASSERT_EQ(distance.at<int>(y, x), nearest) << size << " at " << y << ", " << x;
      }
    }
  }
}

TEST(EdgeIou, HandComputed) {
  // Distances of the foreground from its boundary: the image border and the left end give 0 all along.
  const cv::Mat flat = drawn({"..####"});
  EXPECT_DOUBLE_EQ(edge_iou(drawn({"####.."}), flat, {3})[0], 0.5);
  // A 5x5 square: 16 pixels at distance 0, 8 at 1, the centre at 2. Missing: the centre and one pixel next to
  // it.
  const cv::Mat label = with_box(filled(9, 9, 0), {2, 2, 5, 5});
  const cv::Mat prediction = with_box(label.clone(), {4, 4, 2, 1}, 0);
  const double w1 = std::exp(-1.0 / 18), w2 = std::exp(-4.0 / 18);
  EXPECT_DOUBLE_EQ(edge_iou(prediction, label, {3})[0], (16 + 7 * w1) / (16 + 8 * w1 + w2));
}

TEST(EdgeIou, FalsePositivesCostNothing) {
  const cv::Mat label = with_box(filled(30, 30, 0), {10, 10, 8, 9});
  expect_all(edge_iou(filled(30, 30, 1), label, kSigmas), 1);
  expect_all(edge_iou(filled(30, 30, 0), label, kSigmas), 0);
}

TEST(EdgeIou, IsOneWithoutForeground) {
  expect_all(edge_iou(filled(8, 9, 1), filled(8, 9, 0), kSigmas), 1);
  expect_all(edge_iou(filled(8, 9, 1), filled(8, 9, kIgnore), kSigmas), 1);
  expect_all(edge_iou(filled(8, 9, 0), filled(8, 9, 1), kSigmas), 0);  // bounded by the image border
}

TEST(WeightedIou, HandComputed) {
  // Distances from the boundary (the third and fourth pixel): 2 1 0 0 1 2.
  const cv::Mat label = drawn({"...###"});
  const double w1 = std::exp(-1.0 / 18), w2 = std::exp(-4.0 / 18);
  EXPECT_DOUBLE_EQ(weighted_iou(drawn({"..##.."}), label, {3})[0], 1 / (2 + w1 + w2));
  EXPECT_DOUBLE_EQ(weighted_iou(drawn({"######"}), label, {3})[0], 0.5);
  EXPECT_DOUBLE_EQ(weighted_iou(drawn({"#...##"}), label, {3})[0], (w1 + w2) / (1 + w1 + 2 * w2));
}

TEST(WeightedIou, PerfectIsOneAndDisjointIsZero) {
  cv::RNG random(6);
  const cv::Mat label = random_mask(random, 30, 20, 0.5);
  expect_all(weighted_iou(label, label, kSigmas), 1);
  expect_all(weighted_iou(1 - label, label, kSigmas), 0);
  expect_all(weighted_iou(filled(30, 20, 0), label, kSigmas), 0);
}

TEST(WeightedIou, IsOneWithoutBoundary) {
  for (const int value : {0, 1, 255}) {
    expect_all(weighted_iou(filled(8, 9, 0), filled(8, 9, value), kSigmas), 1);
    expect_all(weighted_iou(filled(8, 9, 1), filled(8, 9, value), kSigmas), 1);
  }
}

TEST(WeightedIou, ErrorsOnEitherSideHaveTheSameWeight) {
  const cv::Mat label = with_box(filled(20, 20, 0), {10, 0, 10, 20});
  const cv::Mat more = with_box(label.clone(), {8, 0, 2, 20}),
                less = with_box(label.clone(), {10, 0, 2, 20}, 0);
  const auto with_more = weighted_iou(more, label, kSigmas), with_less = weighted_iou(less, label, kSigmas);
  for (std::size_t i = 0; i < kSigmas.size(); ++i) {
    const double error = 1 - with_less[i];  // e / g: (g - e) / g on the one side, g / (g + e) on the other
    EXPECT_NEAR(with_more[i], 1 / (1 + error), 1e-12);
  }
}

TEST(WeightedIou, LargeSigmaApproachesIou) {
  cv::RNG random(7);
  const cv::Mat prediction = random_mask(random, 40, 40, 0.5), label = random_mask(random, 40, 40, 0.5, 0.1);
  EXPECT_NEAR(weighted_iou(prediction, label, {1e6})[0], PixelCounts::of(prediction, label).iou_foreground(),
              1e-9);
}

TEST(WeightedIou, TinySigmaKeepsTheBoundaryOnly) {
  const cv::Mat label = drawn({"...###"});
  EXPECT_DOUBLE_EQ(weighted_iou(drawn({"#..#.."}), label, {1e-3})[0], 1);
}

}  // namespace
}  // namespace portraitseg
