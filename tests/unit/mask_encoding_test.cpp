#include "portraitseg/data/mask_encoding.h"

#include <initializer_list>
#include <string>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

MaskEncoding detect(std::initializer_list<std::size_t> values) {
  std::array<bool, 256> seen{};
  for (const std::size_t value : values) seen[value] = true;
  return MaskEncoding::detect(seen);
}

int class_of(const MaskEncoding& encoding, int value) {
  return encoding.decode(cv::Mat(1, 1, CV_8U, cv::Scalar(value)), "mask.png").at<std::uint8_t>(0);
}

std::string refusal(const MaskEncoding& encoding, int value) {
  try {
    class_of(encoding, value);
  } catch (const DataError& e) {
    return e.what();
  }
  return "no error";
}

TEST(MaskEncoding, TwoValuesAreBackgroundAndPortrait) {
  for (const int portrait : {1, 76, 200, 255}) {
    const MaskEncoding encoding = detect({0, static_cast<std::size_t>(portrait)});
    EXPECT_EQ(encoding.name(), "0/" + std::to_string(portrait));
    EXPECT_EQ(class_of(encoding, 0), 0);
    EXPECT_EQ(class_of(encoding, portrait), 1);
    EXPECT_FALSE(encoding.all_background());
  }
}

TEST(MaskEncoding, BackgroundNeedNotOccur) {
  EXPECT_EQ(detect({1}).name(), "0/1");
  EXPECT_EQ(detect({255}).name(), "0/255");
  EXPECT_EQ(class_of(detect({255}), 0), 0);
}

TEST(MaskEncoding, With0And1The255IsIgnored) {
  const MaskEncoding encoding = detect({0, 1, 255});
  EXPECT_EQ(encoding.name(), "0/1/255");
  EXPECT_EQ(class_of(encoding, 1), 1);
  EXPECT_EQ(class_of(encoding, 255), kIgnore);
  EXPECT_NE(refusal(encoding, 2), "no error");
}

TEST(MaskEncoding, GreyLevelsAreCutAtHalfTheMaximum) {
  const MaskEncoding full = detect({0, 3, 90, 127, 128, 254, 255});
  EXPECT_EQ(full.name(), "0..255");
  EXPECT_EQ(class_of(full, 127), 0);
  EXPECT_EQ(class_of(full, 128), 1);
  EXPECT_EQ(class_of(full, 255), 1);
  const MaskEncoding dark = detect({0, 2, 99, 150, 200});
  EXPECT_EQ(class_of(dark, 99), 0);
  EXPECT_EQ(class_of(dark, 100), 1);
}

TEST(MaskEncoding, ForeignValueIsNamedWithItsFile) {
  EXPECT_EQ(refusal(detect({0, 200}), 255),
            "mask.png: mask value 255 at row 0, column 0 does not fit the data set's encoding (0/200)");
  EXPECT_NE(refusal(detect({0, 1}), 7).find("value 7"), std::string::npos);
  EXPECT_NE(refusal(detect({0, 255}), 1).find("(0/255)"), std::string::npos);
}

TEST(MaskEncoding, AllBackgroundIsReported) {
  for (const MaskEncoding& encoding : {detect({0}), detect({})}) {
    EXPECT_TRUE(encoding.all_background());
    EXPECT_EQ(encoding.name(), "all background");
    EXPECT_EQ(class_of(encoding, 0), 0);
    EXPECT_NE(refusal(encoding, 1), "no error");
  }
}

TEST(MaskEncoding, ClassIndicesOfManyClassesAreRefused) {
  try {
    detect({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ... 12 are none"),
              std::string::npos)
        << e.what();
  }
}

TEST(MaskEncoding, ValuesOfSeveralMasksAddUp) {
  std::array<bool, 256> seen{};
  mark_values((cv::Mat_<std::uint8_t>(1, 2) << 0, 1), seen);
  mark_values((cv::Mat_<std::uint8_t>(1, 2) << 1, 255), seen);
  EXPECT_EQ(MaskEncoding::detect(seen).name(), "0/1/255");
}

}  // namespace
}  // namespace portraitseg
