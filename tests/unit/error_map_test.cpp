#include "portraitseg/report/error_map.h"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

/// A portrait.
cv::Mat disc(int height, int width, cv::Point center, int radius) {
  cv::Mat mask = cv::Mat::zeros(height, width, CV_8UC1);
  cv::circle(mask, center, radius, 1, cv::FILLED);
  return mask;
}

/// Half a pixel beside the boundary, negative inside; the nearest pixel of the other side decides.
double signed_distance(const cv::Mat& label, int y, int x) {
  double nearest = std::numeric_limits<double>::infinity();
  const auto portrait = [&](int row, int column) { return label.at<std::uint8_t>(row, column) == 1; };
  for (int row = 0; row < label.rows; ++row) {
    for (int column = 0; column < label.cols; ++column) {
      bool on_boundary = false;
      for (const auto& [dy, dx] : {std::pair(0, 1), std::pair(1, 0), std::pair(0, -1), std::pair(-1, 0)}) {
        const int r = row + dy, c = column + dx;
        const bool inside = r >= 0 && c >= 0 && r < label.rows && c < label.cols;
        on_boundary = on_boundary || (inside && portrait(r, c) != portrait(row, column));
      }
      if (on_boundary) nearest = std::min(nearest, std::hypot(row - y, column - x));
    }
  }
  return (portrait(y, x) ? -1 : 1) * (nearest + 0.5) * 100 / std::hypot(label.rows, label.cols);
}

TEST(ErrorMap, TheCurveIsTheShareOfWrongPixelsAtEachDistance) {
  const cv::Mat label = disc(40, 50, {24, 20}, 11);
  label.rowRange(0, 3).setTo(kIgnore);
  const cv::Mat prediction = disc(40, 50, {28, 18}, 12);
  ErrorMap errors;
  errors.add(label, prediction);

  std::array<double, ErrorMap::kBins> pixels{}, wrong{};
  double all = 0, all_wrong = 0, missed = 0, near = 0;
  for (int y = 0; y < label.rows; ++y) {
    for (int x = 0; x < label.cols; ++x) {
      const int truth = label.at<std::uint8_t>(y, x);
      if (truth == kIgnore) continue;
      const double distance = signed_distance(label, y, x);
      const bool is_wrong = truth != prediction.at<std::uint8_t>(y, x);
      ++all;
      all_wrong += is_wrong;
      missed += is_wrong && truth == 1;
      near += is_wrong && std::abs(distance) < 2;
      const double bin = std::floor((distance + ErrorMap::kReach) / ErrorMap::width());
      if (bin < 0 || bin >= ErrorMap::kBins) continue;
      ++pixels[static_cast<std::size_t>(bin)];
      wrong[static_cast<std::size_t>(bin)] += is_wrong;
    }
  }
  EXPECT_NEAR(errors.wrong(), 100 * all_wrong / all, 1e-9);
  EXPECT_NEAR(errors.missed(), 100 * missed / all, 1e-9);
  EXPECT_NEAR(errors.taken(), 100 * (all_wrong - missed) / all, 1e-9);
  EXPECT_NEAR(errors.share_within(2), 100 * near / all_wrong, 1e-9);
  int filled = 0;
  for (std::size_t bin = 0; bin < ErrorMap::kBins; ++bin) {
    filled += pixels[bin] > 0;
    if (pixels[bin] > 0)
      EXPECT_NEAR(errors.rate(bin), 100 * wrong[bin] / pixels[bin], 1e-9) << bin;
    else
      EXPECT_TRUE(std::isnan(errors.rate(bin))) << bin;
  }
  EXPECT_GT(filled, 20);
}

TEST(ErrorMap, EveryImageCountsTheSameWhateverItsSize) {
  ErrorMap errors;
  errors.add(disc(20, 20, {10, 10}, 5), cv::Mat::zeros(20, 20, CV_8UC1));
  const double small = errors.wrong();
  const cv::Mat large = disc(200, 200, {100, 100}, 50);
  errors.add(large, large);
  EXPECT_NEAR(errors.wrong(), small / 2, 1e-9);
  EXPECT_EQ(errors.images(), 2U);
}

TEST(ErrorMap, TheSquareShowsWhereItIsWrong) {
  const cv::Mat label = disc(ErrorMap::kSide, ErrorMap::kSide, {30, 60}, 10);
  const cv::Mat nothing = cv::Mat::zeros(label.size(), CV_8UC1);
  ErrorMap errors;
  errors.add(label, nothing);
  errors.add(label, label);
  EXPECT_EQ(errors.wrong_there().at<double>(60, 30), 0.5);
  EXPECT_EQ(errors.portrait_there().at<double>(60, 30), 1);
  EXPECT_EQ(errors.wrong_there().at<double>(10, 10), 0);
}

TEST(ErrorMap, PerfectAndUnlabelledImagesAndThoseWithoutBoundaryAreNoTrouble) {
  const cv::Mat label = disc(30, 30, {15, 15}, 8), none = cv::Mat::zeros(30, 30, CV_8UC1);
  ErrorMap errors;
  EXPECT_TRUE(std::isnan(errors.wrong()));
  errors.add(cv::Mat(30, 30, CV_8UC1, cv::Scalar(kIgnore)), label);
  EXPECT_EQ(errors.images(), 0U);
  errors.add(label, label);
  EXPECT_EQ(errors.wrong(), 0);
  EXPECT_TRUE(std::isnan(errors.share_within(2)));
  errors.add(none, label);
  EXPECT_GT(errors.taken(), 0);
  EXPECT_EQ(errors.missed(), 0);
  EXPECT_THROW(errors.add(label, cv::Mat::zeros(3, 3, CV_8UC1)), std::invalid_argument);
}

TEST(ErrorMap, OfClassesEveryWrongClassCounts) {
  const cv::Mat label = cv::Mat::zeros(10, 10, CV_8UC1), other = cv::Mat(10, 10, CV_8UC1, cv::Scalar(3));
  ErrorMap errors;
  errors.add(label, other, true);
  EXPECT_EQ(errors.wrong(), 100);
  ErrorMap portrait;
  portrait.add(label, other);
  EXPECT_EQ(portrait.wrong(), 0);
}

}  // namespace
}  // namespace portraitseg
