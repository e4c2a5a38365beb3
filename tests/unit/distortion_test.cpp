#include "portraitseg/data/distortion.h"

#include <cmath>
#include <map>
#include <optional>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <zlib.h>

namespace portraitseg {
namespace {

cv::Mat formula_image() {
  cv::Mat image(48, 64, CV_8UC3);
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      image.at<cv::Vec3b>(y, x) =
          cv::Vec3b(static_cast<std::uint8_t>((3 * x + 5 * y) % 256), static_cast<std::uint8_t>(x * y % 256),
                    static_cast<std::uint8_t>((255 - 2 * x - 7 * y) & 255));
    }
  }
  return image;
}

/// CRC-32 of the bytes, and two pixels so that a failure can be looked at.
struct Golden {
  unsigned long crc;
  cv::Vec3b row7_column11, row40_column60;
};

void expect_equal(const cv::Mat& image, const Golden& golden) {
  ASSERT_TRUE(image.isContinuous());
  EXPECT_EQ(image.at<cv::Vec3b>(7, 11), golden.row7_column11);
  EXPECT_EQ(image.at<cv::Vec3b>(40, 60), golden.row40_column60);
  EXPECT_EQ(crc32(0, image.data, static_cast<unsigned>(image.total() * image.elemSize())), golden.crc);
}

// Made with NumPy 1.24 and OpenCV 4.6 on formula_image(), y and x from np.mgrid[0:48, 0:64], all numbers modulo 256:
//   linear(i, factor, offset) = np.clip(i.astype(np.float32) * factor + offset, 0, 255).astype(np.uint8)
//   hsv = cv2.cvtColor(i, cv2.COLOR_BGR2HSV); hsv[..., 1] = linear(hsv[..., 1], factor, 0)
//   or hsv[..., 0] = (hsv[..., 0].astype(int) + change) % 180; cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
// and zlib.crc32(image.tobytes()).
TEST(Distortion, EachStepEqualsNumPy) {
  const cv::Mat image = formula_image();
  const Golden unchanged{0xe8ec5c96, {68, 77, 184}, {124, 96, 111}};
  expect_equal(image, unchanged);
  DistortionDraws draws;
  expect_equal(distort(image, draws), unchanged);

  draws.brightness = 12.3;
  expect_equal(distort(image, draws), {0x8c6e3c5c, {80, 89, 196}, {136, 108, 123}});
  draws.brightness = -7.9;
  expect_equal(distort(image, draws), {0xf1cb965e, {60, 69, 176}, {116, 88, 103}});
  draws = {};
  draws.contrast = 0.73;
  expect_equal(distort(image, draws), {0x8b1e0694, {49, 56, 134}, {90, 70, 81}});
  draws = {};
  draws.saturation = 0.61;
  expect_equal(distort(image, draws), {0x67b58744, {113, 118, 184}, {124, 106, 116}});
  draws.saturation = 1.4;
  expect_equal(distort(image, draws), {0x3642b250, {21, 32, 184}, {124, 84, 105}});
  draws = {};
  draws.hue = -9;
  expect_equal(distort(image, draws), {0x778f1b0e, {94, 67, 184}, {124, 95, 102}});
  draws.hue = 8;
  expect_equal(distort(image, draws), {0xe67c3e8e, {67, 106, 184}, {124, 95, 118}});
  expect_equal(image, unchanged);
}

TEST(Distortion, AllStepsInBothOrdersEqualNumPy) {
  DistortionDraws draws{-7.9, true, 0.73, 0.61, 8};
  expect_equal(distort(formula_image(), draws), {0x78704f37, {75, 93, 128}, {84, 71, 81}});
  draws.contrast_first = false;
  expect_equal(distort(formula_image(), draws), {0xa3be4dbe, {75, 93, 128}, {84, 72, 81}});
}

TEST(Distortion, DrawsHaveTheirSharesAndRanges) {
  DistortionOptions options;
  options.enabled = true;
  constexpr int kDraws = 10000;
  int brightness = 0, first = 0, contrast = 0, saturation = 0;
  double brightness_sum = 0, contrast_sum = 0;
  std::map<int, int> hues;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    Random random(1, Purpose::kAugment, {i});
    const DistortionDraws draws = draw_distortion(options, random);
    first += draws.contrast_first;
    if (draws.brightness) {
      ++brightness;
      brightness_sum += *draws.brightness;
      EXPECT_LE(std::abs(*draws.brightness), 16);
    }
    if (draws.contrast) {
      ++contrast;
      contrast_sum += *draws.contrast;
      EXPECT_TRUE(*draws.contrast >= 0.5 && *draws.contrast < 1);
    }
    if (draws.saturation) {
      ++saturation;
      EXPECT_TRUE(*draws.saturation >= 0.5 && *draws.saturation < 1);
    }
    if (draws.hue) ++hues[*draws.hue];
  }
  int hue = 0;
  for (const auto& [change, count] : hues) hue += count;
  for (const int count : {brightness, first, contrast, saturation, hue}) {
    EXPECT_NEAR(count, kDraws / 2, 5 * std::sqrt(kDraws * 0.25));
  }
  EXPECT_NEAR(brightness_sum / brightness, 0, 5 * 32 / std::sqrt(12.0 * brightness));
  EXPECT_NEAR(contrast_sum / contrast, 0.75, 5 * 0.5 / std::sqrt(12.0 * contrast));
  EXPECT_EQ(hues.size(), 10U);  // -5..4: NumPy's upper bound is exclusive
  EXPECT_EQ(hues.begin()->first, -5);
  EXPECT_EQ(hues.rbegin()->first, 4);
  const double expected = hue / 10.0;
  for (const auto& [change, count] : hues) EXPECT_NEAR(count, expected, 5 * std::sqrt(expected)) << change;
}

TEST(Distortion, AlwaysTakes9Draws) {
  DistortionOptions enabled, zero;
  enabled.enabled = zero.enabled = true;
  zero.brightness = 0;
  zero.hue = 0;
  for (const DistortionOptions& options : {DistortionOptions(), enabled, zero}) {
    Random used(1, Purpose::kAugment), counted(1, Purpose::kAugment);
    const DistortionDraws draws = draw_distortion(options, used);
    for (int i = 0; i < 9; ++i) counted.next();
    EXPECT_EQ(used.next(), counted.next());
    EXPECT_TRUE(options.enabled || !(draws.brightness || draws.contrast || draws.saturation || draws.hue));
    EXPECT_TRUE(options.hue > 0 || draws.hue.value_or(0) == 0);
  }
}

TEST(Distortion, NonsenseIsRefused) {
  for (const char* yaml :
       {"brightness: -1", "contrast: [1]", "contrast: [1, 0.5]", "saturation: [-1, 1]", "hue: 91"}) {
    DistortionOptions options;
    EXPECT_THROW(Config::parse(yaml, "test").read(options), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace portraitseg
