#include "portraitseg/data/perturbation.h"

#include <cmath>
#include <set>
#include <utility>

#include <gmock/gmock.h>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/augment.h"
#include "portraitseg/data/photometric.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Perturbation of(const std::string& text) {
  return Perturbation::parse(text);
}

/// Wide enough for means: grey 128, with noise if it is wanted.
Sample grey(const std::string& id, cv::Size size = {200, 200}) {
  Sample sample;
  sample.id = id;
  sample.image = cv::Mat(size, CV_8UC3, cv::Scalar::all(128));
  sample.mask = cv::Mat::zeros(size, CV_8UC1);
  return sample;
}

/// Structure of every kind, and a mask that is not symmetric.
Sample textured(const std::string& id) {
  Sample sample = grey(id, {120, 90});
  cv::RNG(7).fill(sample.image, cv::RNG::UNIFORM, 0, 256);
  cv::GaussianBlur(sample.image, sample.image, {5, 5}, 0);
  cv::circle(sample.mask, {70, 50}, 20, 1, cv::FILLED);
  return sample;
}

bool equal(const Sample& a, const Sample& b) {
  return cv::norm(a.image, b.image, cv::NORM_INF) == 0 && cv::norm(a.mask, b.mask, cv::NORM_INF) == 0;
}

/// The angle by which a spot on the right of the centre was turned, degrees; positive: against the clock.
double angle_of(const std::string& perturbation, const std::string& id) {
  Sample sample = grey(id, {201, 201});
  cv::circle(sample.mask, {160, 100}, 8, 1, cv::FILLED);
  const cv::Moments spot = cv::moments(of(perturbation).apply(sample).mask, true);
  return std::atan2(100 - spot.m01 / spot.m00, spot.m10 / spot.m00 - 100) * 180 / CV_PI;
}

std::string refusal(const std::string& text) {
  try {
    of(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Perturbation, IsNamedByItsStepsInTheirOrder) {
  EXPECT_EQ(of("rotate:45.0,jpeg:30").name(), "rotate:45+jpeg:30");
  EXPECT_EQ(of("jpeg:30,rotate:45").name(), "jpeg:30+rotate:45");
  EXPECT_EQ(of("texture").name(), "texture");
  EXPECT_EQ(of("noise:0.5,seed:12345678").name(), "noise:0.5+seed:12345678");
  EXPECT_EQ(of("seed:2,border:0,rotate:45").name(), "rotate:45+border:0+seed:2");
  EXPECT_EQ(of("blur:2,seed:0,border:128").name(), "blur:2");
  for (const auto& none : {Perturbation(), of("none")}) {
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.name(), "");
    EXPECT_TRUE(equal(none.apply(textured("a")), textured("a")));
  }
}

TEST(Perturbation, WrongTextIsOneLineThatNamesThePartAndWhatItHasToBe) {
  const std::pair<const char*, const char*> wrong[] = {
      {"rotate", "\"rotate\": expected rotate:DEGREES (0.1 to 180)"},
      {"rotate:45:3", "\"rotate:45:3\": expected rotate:DEGREES (0.1 to 180)"},
      {"texture:1", "\"texture:1\": expected texture"},
      {"rotate:", "\"rotate:\": DEGREES has to be a number from 0.1 to 180"},
      {"rotate:0", "\"rotate:0\": DEGREES has to be a number from 0.1 to 180"},
      {"blur:2,rotate:181", "\"rotate:181\": DEGREES has to be a number from 0.1 to 180"},
      {"rotate:-5", "DEGREES"},
      {"rotate:4x", "DEGREES"},
      {"brightness:11", "FACTOR has to be a number from 0 to 10"},
      {"jpeg:0", "\"jpeg:0\": QUALITY has to be a whole number from 1 to 100"},
      {"jpeg:30.5", "QUALITY has to be a whole number"},
      {"jpeg:101", "QUALITY"},
      {"jpeg:30 ", "QUALITY"},
      {"blur:0", "SIGMA"},
      {"noise:256", "SIGMA"},
      {"noise:nan", "SIGMA"},
      {"noise:inf", "SIGMA"},
      {"seed:-1", "N has to be a whole number from 0 to 999999999"},
      {"seed:1.5", "N has to be a whole number"},
  };
  for (const auto& [text, words] : wrong) {
    EXPECT_THAT(refusal(text), HasSubstr(words)) << text;
    EXPECT_THAT(refusal(text), Not(HasSubstr("\n")));
  }
}

TEST(Perturbation, SeedOrBorderAloneIsRefused) {
  EXPECT_THAT(refusal("seed:3"), HasSubstr("\"seed:3\": border and seed say how a step is applied"));
  EXPECT_THAT(refusal("seed:3,border:0"), HasSubstr("for instance rotate:45,seed:3,border:0"));
}

TEST(Perturbation, AnUnknownStepIsOneLineWithEveryFormAndRange) {
  for (const char* text : {"", "rotat:45", "none,jpeg:30", "jpeg:30,", "JPEG:30"}) {
    const std::string message = refusal(text);
    EXPECT_THAT(message, HasSubstr("rotate:DEGREES (0.1 to 180), texture, brightness:FACTOR (0 to 10), "
                                   "jpeg:QUALITY (1 to 100), blur:SIGMA (0.1 to 100), noise:SIGMA (0.1 to "
                                   "255), border:LEVEL (0 to 255), "
                                   "seed:N (0 to 999999999)"))
        << text;
    EXPECT_THAT(message, Not(HasSubstr("\n")));
  }
  EXPECT_THAT(refusal("rotat:45"),
              HasSubstr("\"rotat:45\": no step is called 'rotat'; did you mean 'rotate'?"));
  EXPECT_THAT(refusal("none,rotate:25"), HasSubstr("\"none\": none stands alone"));
  EXPECT_THAT(refusal("jpeg:20,jpeg:30"), HasSubstr("jpeg is given twice"));
}

TEST(Perturbation, DrawsDependOnTheIdAndTheSeedAlone) {
  const Sample sample = textured("one");
  for (const char* text : {"rotate:45", "texture", "noise:10"}) {
    const Sample once = of(text).apply(sample);
    of(text).apply(textured("other"));
    EXPECT_TRUE(equal(of(text).apply(sample), once)) << text;
    EXPECT_FALSE(equal(of(text).apply(textured("other")), once)) << text;
    EXPECT_FALSE(equal(of(std::string(text) + ",seed:5").apply(sample), once)) << text;
  }
  EXPECT_TRUE(equal(sample, textured("one"))) << "the sample given is left as it is";
  EXPECT_NEAR(angle_of("rotate:45", "one"), angle_of("jpeg:90,noise:3,rotate:45", "one"), 1e-9)
      << "whatever the other steps are";
  EXPECT_NE(angle_of("rotate:45", "one"), angle_of("rotate:45,seed:1", "one"));
}

TEST(Perturbation, RotationIsUniformUpToTheAngleToBothSides) {
  const int count = 400;
  double sum = 0, squares = 0, largest = 0;
  for (int i = 0; i < count; ++i) {
    const double angle = angle_of("rotate:25", std::to_string(i));
    sum += angle;
    squares += angle * angle;
    largest = std::max(largest, std::abs(angle));
  }
  const double sd = 25 / std::sqrt(3.0);
  EXPECT_NEAR(sum / count, 0, 4 * sd / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(squares / count), sd, 1.5);
  EXPECT_LT(largest, 25.3) << "a spot of pixels is found to a fraction of a degree";
  EXPECT_GT(largest, 24);
}

TEST(Perturbation, LargerAnglesTurnAnImageFurtherToTheSameSide) {
  for (const char* id : {"a", "b", "c"})
    EXPECT_NEAR(angle_of("rotate:90", id), 3.6 * angle_of("rotate:25", id), 0.5) << id;
}

TEST(Perturbation, RotationTurnsImageAndMaskTogetherWithGreyAndBackgroundOutside) {
  Sample sample = grey("turned far", {200, 120});
  sample.image.setTo(cv::Scalar(10, 20, 30));
  sample.mask.setTo(2);
  const Sample turned = of("rotate:90").apply(sample);
  ASSERT_EQ(turned.image.size(), sample.image.size());
  ASSERT_EQ(turned.mask.size(), sample.mask.size());
  EXPECT_EQ(turned.mask.at<std::uint8_t>(60, 100), 2);
  EXPECT_EQ(turned.image.at<cv::Vec3b>(60, 100), cv::Vec3b(10, 20, 30));
  std::set<int> classes(turned.mask.begin<std::uint8_t>(), turned.mask.end<std::uint8_t>());
  EXPECT_EQ(classes, (std::set<int>{0, 2}));
  cv::Mat inside, outside;  // but for one pixel, in which the image ends
  cv::erode(turned.mask == 2, inside, cv::Mat::ones(5, 5, CV_8U));
  cv::erode(turned.mask == 0, outside, cv::Mat::ones(5, 5, CV_8U));
  EXPECT_GT(cv::countNonZero(outside), 100) << "else the test shows nothing";
  EXPECT_EQ(cv::countNonZero(outside & (turned.mask == 0)), cv::countNonZero(outside));
  const auto all = [&](const cv::Mat& where, const cv::Scalar& color) {
    cv::Mat expected(turned.image.size(), CV_8UC3, color);
    return cv::norm(turned.image, expected, cv::NORM_INF, where) == 0;
  };
  EXPECT_TRUE(all(outside, cv::Scalar::all(128)));
  EXPECT_TRUE(all(inside, cv::Scalar(10, 20, 30)));
}

TEST(Perturbation, TheGreyLevelOutsideOfARotationMayBeAnother) {
  const Sample sample = textured("turned far");
  const auto corner = [&](const char* text) { return of(text).apply(sample).image.at<cv::Vec3b>(0, 0); };
  EXPECT_EQ(corner("rotate:90"), cv::Vec3b(128, 128, 128));
  EXPECT_EQ(corner("rotate:90,border:0"), cv::Vec3b(0, 0, 0));
  EXPECT_EQ(AffineOptions().border, 128);
}

TEST(Perturbation, RotationKeepsDistancesFromTheCentre) {
  Sample sample = grey("any", {201, 201});
  cv::circle(sample.image, {100, 100}, 60, cv::Scalar::all(0), cv::FILLED);
  cv::circle(sample.mask, {100, 100}, 60, 1, cv::FILLED);
  const Sample turned = of("rotate:180").apply(sample);
  EXPECT_GT(std::abs(angle_of("rotate:180", "any")), 5) << "else the test shows nothing";
  EXPECT_LT(cv::countNonZero(turned.mask != sample.mask), 0.01 * cv::countNonZero(sample.mask));
  EXPECT_LT(cv::norm(turned.image, sample.image, cv::NORM_L1) / (3 * 201 * 201), 1);
}

TEST(Perturbation, BrightnessIsAFactor) {
  const Sample sample = textured("a");
  const Sample darker = of("brightness:0.5").apply(sample);
  EXPECT_EQ(cv::norm(darker.image, enhance_brightness(sample.image, 0.5), cv::NORM_INF), 0);
  EXPECT_NEAR(cv::mean(darker.image)[0], cv::mean(sample.image)[0] / 2, 1);
  EXPECT_EQ(cv::norm(darker.mask, sample.mask, cv::NORM_INF), 0);
}

TEST(Perturbation, LowerQualityOfJpegDegradesMore) {
  const Sample sample = textured("a");
  double before = 0;
  for (const char* text : {"jpeg:100", "jpeg:60", "jpeg:30", "jpeg:5"}) {
    const Sample stored = of(text).apply(sample);
    ASSERT_EQ(stored.image.type(), CV_8UC3);
    const double error = cv::norm(stored.image, sample.image, cv::NORM_L2);
    EXPECT_GT(error, before) << text;
    before = error;
    EXPECT_EQ(cv::norm(stored.mask, sample.mask, cv::NORM_INF), 0);
  }
}

TEST(Perturbation, BlurSpreadsAnEdgeByItsSigma) {
  Sample sample = grey("a");
  sample.image.colRange(100, 200).setTo(cv::Scalar::all(255));
  sample.image.colRange(0, 100).setTo(cv::Scalar::all(0));
  const cv::Mat blurred = of("blur:5").apply(sample).image;
  for (const int x : {85, 92, 99, 104, 112})  // the normal distribution, at the pixel's centre
    EXPECT_NEAR(blurred.at<cv::Vec3b>(100, x)[1], 255 * std::erfc((99.5 - x) / (5 * std::sqrt(2.0))) / 2, 2)
        << x;
}

TEST(Perturbation, NoiseHasItsSigmaAndNoMean) {
  const cv::Mat noisy = of("noise:10").apply(grey("a", {300, 300})).image;
  cv::Scalar mean, sd;
  cv::meanStdDev(noisy, mean, sd);
  for (int c = 0; c < 3; ++c) {
    EXPECT_NEAR(mean[c], 128, 4 * 10 / 300.0);
    EXPECT_NEAR(sd[c], std::sqrt(100 + 1 / 12.0), 0.12) << "of 90 000 values, rounded";
  }
  std::vector<cv::Mat> channels;
  cv::split(noisy, channels);
  EXPECT_GT(cv::norm(channels[0], channels[1], cv::NORM_L1), 0) << "each channel has its own";
}

TEST(Perturbation, TextureLeavesMasksAloneAndEachStepIsAppliedHalfOfTheTime) {
  int unchanged = 0;
  const int count = 200;
  for (int i = 0; i < count; ++i) {
    const Sample sample = textured(std::to_string(i));
    const Sample changed = of("texture").apply(sample);
    ASSERT_EQ(changed.image.type(), CV_8UC3);
    ASSERT_EQ(changed.image.size(), sample.image.size());
    ASSERT_EQ(cv::norm(changed.mask, sample.mask, cv::NORM_INF), 0);
    unchanged += equal(changed, sample) ? 1 : 0;
  }
  EXPECT_NEAR(unchanged, count / 8.0, 4 * std::sqrt(count * 7 / 64.0)) << "none of three steps";
}

TEST(Perturbation, StepsAreAppliedInTheirOrder) {
  const Sample sample = textured("a");
  const Sample both = of("brightness:0.5,jpeg:10").apply(sample);
  EXPECT_TRUE(equal(both, of("jpeg:10").apply(of("brightness:0.5").apply(sample))));
  EXPECT_FALSE(equal(both, of("jpeg:10,brightness:0.5").apply(sample)));
}

}  // namespace
}  // namespace portraitseg
