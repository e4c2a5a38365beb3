#include "portraitseg/data/composite.h"

#include <gtest/gtest.h>
#include <opencv2/core.hpp>

namespace portraitseg {
namespace {

cv::Mat image_of(cv::Size size, cv::Scalar color) {
  return cv::Mat(size, CV_8UC3, color);
}

cv::Mat alpha(cv::Size size, double value) {
  return cv::Mat(size, CV_32FC1, cv::Scalar(value));
}

/// A portrait of one colour on the left, another colour on the right, a ramp of the alpha between.
struct Ramp {
  cv::Mat image = image_of({200, 100}, {200, 100, 0}), mixed, alpha = cv::Mat::zeros(100, 200, CV_32FC1);
  Ramp() {
    for (int x = 0; x < 200; ++x) alpha.col(x).setTo(std::min(std::max((102.0 - x) / 4, 0.0), 1.0));
    mixed = blend(image, image_of({200, 100}, {0, 50, 250}), alpha);
  }
};

TEST(AlphaOf, IsCertainAtBothEndsAndKeepsOneHalf) {
  const cv::Mat probability = (cv::Mat_<float>(1, 6) << 0, 0.2F, 0.35F, 0.5F, 0.8F, 1);
  const cv::Mat expected = (cv::Mat_<float>(1, 6) << 0, 0, 0.25F, 0.5F, 1, 1);
  EXPECT_LT(cv::norm(alpha_of(probability), expected, cv::NORM_INF), 1e-6);
}

TEST(Blend, TakesTheFrontByItsAlpha) {
  const cv::Size size(3, 2);
  const cv::Mat front = image_of(size, {200, 100, 1}), back = image_of(size, {100, 200, 0});
  EXPECT_EQ(cv::norm(blend(front, back, alpha(size, 1)), front, cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(blend(front, back, alpha(size, 0)), back, cv::NORM_INF), 0);
  EXPECT_EQ(blend(front, back, alpha(size, 0.5)).at<cv::Vec3b>(1, 2), cv::Vec3b(150, 150, 0));
  EXPECT_EQ(blend(front, back, alpha(size, 0.25)).at<cv::Vec3b>(0, 0), cv::Vec3b(125, 175, 0));
}

TEST(CutOut, KeepsThePortraitAndNothingOfTheBackground) {
  const cv::Size size(4, 2);
  const cv::Mat image = image_of(size, {10, 20, 30});
  const auto at = [&](double value) { return cut_out(image, alpha(size, value)).at<cv::Vec4b>(1, 3); };
  EXPECT_EQ(at(1), cv::Vec4b(10, 20, 30, 255));
  EXPECT_EQ(at(0), cv::Vec4b(0, 0, 0, 0));
  EXPECT_EQ(at(0.001), cv::Vec4b(0, 0, 0, 0)) << "rounds to no alpha";
  EXPECT_EQ(at(0.5)[3], 128);
}

TEST(PortraitColors, AreThePortraitsWhereTheImageMixesThemWithTheBackgrounds) {
  const Ramp ramp;
  const cv::Mat colors = portrait_colors(ramp.mixed, ramp.alpha);
  for (const int x : {0, 50, 98, 102, 199})  // alpha 1 and 0
    EXPECT_EQ(colors.at<cv::Vec3b>(50, x), ramp.mixed.at<cv::Vec3b>(50, x)) << x;
  const auto apart = [&](const cv::Mat& seen) {
    return cv::norm(seen(cv::Rect(99, 40, 3, 20)), ramp.image(cv::Rect(99, 40, 3, 20)), cv::NORM_INF);
  };
  EXPECT_GT(apart(ramp.mixed), 150) << "else there is nothing to mend";
  EXPECT_LT(apart(colors), 40);
}

TEST(BlurredBackground, HasNothingOfThePortrait) {
  const Ramp ramp;
  cv::Mat sharp(100, 200, CV_8UC3, cv::Scalar(0, 0, 0));
  for (int x = 120; x < 200; x += 4) sharp(cv::Rect(x, 0, 2, 100)).setTo(cv::Scalar(0, 0, 200));  // stripes
  sharp = blend(ramp.image, sharp, ramp.alpha);
  const cv::Mat blurred = blurred_background(sharp, ramp.alpha);
  EXPECT_EQ(blurred.size(), sharp.size());
  for (int x = 103; x < 200; ++x)
    EXPECT_LT(blurred.at<cv::Vec3b>(50, x)[0], 12) << "the portrait's blue, which is 200, at " << x;
  const auto mean = blurred.at<cv::Vec3b>(50, 170), other = blurred.at<cv::Vec3b>(50, 172);
  EXPECT_NEAR(mean[2], 100, 12);
  EXPECT_NEAR(mean[2], other[2], 3);
}

TEST(BlurredBackground, OfAnImageThatIsAllPortraitIsDrawn) {
  const cv::Mat image = image_of({50, 40}, {9, 9, 9});
  EXPECT_EQ(blurred_background(image, alpha(image.size(), 1)).size(), image.size());
  EXPECT_EQ(cv::norm(blurred_background(image, alpha(image.size(), 0)), image, cv::NORM_INF), 0);
}

TEST(Cover, TakesTheMiddleAndKeepsTheAspectRatio) {
  cv::Mat picture(10, 40, CV_8UC3, cv::Scalar::all(0));  // black, a white square in the middle
  picture(cv::Rect(15, 0, 10, 10)).setTo(cv::Scalar::all(255));
  EXPECT_EQ(cv::norm(cover(picture, {10, 10}), picture(cv::Rect(15, 0, 10, 10)), cv::NORM_INF), 0);
  const cv::Mat larger = cover(picture, {30, 30});
  EXPECT_EQ(larger.size(), cv::Size(30, 30));
  EXPECT_EQ(cv::mean(larger)[0], 255);
  EXPECT_EQ(cv::mean(cover(picture, {5, 5}))[0], 255);
  EXPECT_EQ(cover(picture.t(), {7, 3}).size(), cv::Size(7, 3));
}

}  // namespace
}  // namespace portraitseg
