// smooth_label() and contour().
#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/data/contour.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/data/smooth_label.h"

namespace portraitseg {
namespace {

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.type() == b.type() && a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

/// Patches of the values.
cv::Mat patches(cv::Size size, const std::vector<int>& values, std::uint64_t seed) {
  cv::RNG random(seed);
  cv::Mat label = cv::Mat::zeros(size, CV_8UC1);
  for (int i = 0; i < 60; ++i) {
    const cv::Point corner(random.uniform(-2, size.width), random.uniform(-2, size.height));
    const cv::Rect patch(corner, cv::Size(random.uniform(1, 9), random.uniform(1, 9)));
    cv::rectangle(label, patch, values[static_cast<std::size_t>(i) % values.size()], cv::FILLED);
  }
  return label;
}

/// smooth_label() as its header says it, pixel by pixel.
cv::Mat majority(const cv::Mat& label, int kernel) {
  cv::Mat padded, result = label.clone();
  const int reach = kernel / 2;
  cv::copyMakeBorder(label, padded, reach, reach, reach, reach, cv::BORDER_REFLECT_101);
  for (int y = 0; y < label.rows; ++y) {
    for (int x = 0; x < label.cols; ++x) {
      if (label.at<std::uint8_t>(y, x) == kIgnore) continue;
      std::array<int, 256> votes{};
      for (int v = 0; v < kernel; ++v) {
        for (int u = 0; u < kernel; ++u) ++votes[padded.at<std::uint8_t>(y + v, x + u)];
      }
      const auto most = std::max_element(votes.begin(), votes.begin() + kIgnore);  // the first of several
      result.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(most - votes.begin());
    }
  }
  return result;
}

TEST(SmoothLabel, EveryPixelBecomesTheClassOfMost) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    for (const int kernel : {3, 5, 31}) {
      const cv::Mat binary = patches({40, 33}, {1, 0}, seed);
      const cv::Mat classes = patches({40, 33}, {3, 1, 0, 8, 7}, seed);
      const cv::Mat ignored = patches({40, 33}, {1, kIgnore, 0, 2}, seed);
      for (const cv::Mat& label : {binary, classes, ignored}) {
        EXPECT_TRUE(same(smooth_label(label, kernel), majority(label, kernel))) << kernel;
      }
    }
  }
}

TEST(SmoothLabel, IgnoredPixelsHaveNoVoteAndStay) {
  cv::Mat label(9, 9, CV_8UC1, cv::Scalar(kIgnore));
  label.at<std::uint8_t>(4, 4) = 1;  // alone among ignored ones
  EXPECT_TRUE(same(smooth_label(label, 5), label));
}

TEST(SmoothLabel, OfEquallyManyTheLowestClassWins) {
  const cv::Mat label = (cv::Mat_<std::uint8_t>(1, 3) << 2, kIgnore, 1);
  // Mirrored: the left pixel sees 255 2 255, the right one 255 1 255.
  EXPECT_TRUE(same(smooth_label(label, 3), label));
  const cv::Mat pair = (cv::Mat_<std::uint8_t>(1, 4) << kIgnore, 2, 1, kIgnore);
  EXPECT_TRUE(same(smooth_label(pair, 3), (cv::Mat_<std::uint8_t>(1, 4) << kIgnore, 1, 1, kIgnore)));
}

TEST(SmoothLabel, KernelZeroAndOneChangeNothing) {
  const cv::Mat label = patches({20, 30}, {1, kIgnore, 5}, 1);
  EXPECT_TRUE(same(smooth_label(label, 0), label));
  EXPECT_TRUE(same(smooth_label(label, 1), label));
  EXPECT_NE(smooth_label(label, 1).data, label.data);
}

TEST(SmoothLabel, PartOfAnImageIsSmoothedAsIfAlone) {
  const cv::Mat whole = patches({40, 40}, {1, 0}, 3), part = whole(cv::Rect(10, 10, 20, 20));
  EXPECT_TRUE(same(smooth_label(part, 5), smooth_label(part.clone(), 5)));
  EXPECT_TRUE(same(contour(part), contour(part.clone())));
}

TEST(SmoothLabel, NonsenseIsRefused) {
  EXPECT_THROW(smooth_label(cv::Mat(), 5), std::invalid_argument);
  EXPECT_THROW(smooth_label(cv::Mat::zeros(4, 4, CV_8UC3), 5), std::invalid_argument);
  EXPECT_THROW(smooth_label(cv::Mat::zeros(4, 4, CV_8U), 4), std::invalid_argument);
  EXPECT_THROW(smooth_label(cv::Mat::zeros(4, 4, CV_8U), -1), std::invalid_argument);
}

TEST(Contour, RunsAlongTheForegroundAndItsHoles) {
  cv::Mat label = cv::Mat::zeros(60, 60, CV_8UC1);
  label(cv::Rect(10, 10, 40, 40)).setTo(1);
  label(cv::Rect(22, 22, 16, 16)).setTo(0);
  const cv::Mat target = contour(label);
  const auto at = [&](int y, int x) { return int{target.at<std::uint8_t>(y, x)}; };
  EXPECT_EQ(at(30, 10), 1);  // outline
  EXPECT_EQ(at(30, 21), 1);  // hole
  EXPECT_EQ(at(30, 16), 0);
  EXPECT_EQ(at(30, 30), 0);
  EXPECT_EQ(at(2, 2), 0);
}

TEST(Contour, AllClassesAreOneForeground) {
  cv::Mat label = cv::Mat::zeros(40, 40, CV_8UC1);
  label(cv::Rect(10, 10, 20, 20)).setTo(1);
  const cv::Mat target = contour(label, 2);
  label(cv::Rect(10, 10, 20, 10)).setTo(7);
  EXPECT_TRUE(same(contour(label, 2), target));
  EXPECT_LT(cv::countNonZero(target), cv::countNonZero(contour(label, 4)));
}

TEST(Contour, WhereIgnoredPixelsDecideTheOutlineIsIgnored) {
  cv::Mat label = cv::Mat::zeros(80, 80, CV_8UC1);
  label(cv::Rect(20, 20, 40, 40)).setTo(1);
  const cv::Mat certain = contour(label);
  label(cv::Rect(20, 40, 40, 20)).setTo(kIgnore);  // the lower half
  const cv::Mat target = contour(label);
  const auto at = [&](int y, int x) { return int{target.at<std::uint8_t>(y, x)}; };
  EXPECT_EQ(cv::countNonZero((label == kIgnore) & (target != kIgnore)), 0);
  EXPECT_EQ(at(39, 40),
            kIgnore);  // the foreground's last row: an outline only if the lower half is background
  EXPECT_EQ(at(60, 40), kIgnore);  // below the ignored half: an outline only if that is foreground
  EXPECT_EQ(at(20, 40), 1);
  EXPECT_EQ(at(30, 40), 0);
  EXPECT_EQ(at(5, 5), 0);
  EXPECT_TRUE(same(target.rowRange(0, 36), certain.rowRange(0, 36)));
}

TEST(Contour, EmptyLabelsHaveNone) {
  EXPECT_EQ(cv::countNonZero(contour(cv::Mat::zeros(20, 20, CV_8U))), 0);
  EXPECT_EQ(cv::countNonZero(contour(cv::Mat(20, 20, CV_8U, cv::Scalar(kIgnore))) != kIgnore), 0);
}

TEST(Contour, NonsenseIsRefused) {
  EXPECT_THROW(contour(cv::Mat()), std::invalid_argument);
  EXPECT_THROW(contour(cv::Mat::zeros(4, 4, CV_32F)), std::invalid_argument);
  EXPECT_THROW(contour(cv::Mat::zeros(4, 4, CV_8U), 0), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
