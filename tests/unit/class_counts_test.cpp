#include "portraitseg/metrics/class_counts.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>

#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/pixel_counts.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Classes 0..classes-1, drawn pixel by pixel.
cv::Mat random_mask(cv::RNG& random, int height, int width, int classes, double ignored = 0) {
  cv::Mat mask(height, width, CV_8UC1);
  random.fill(mask, cv::RNG::UNIFORM, 0, classes);
  cv::Mat draws(height, width, CV_64FC1);
  random.fill(draws, cv::RNG::UNIFORM, 0.0, 1.0);
  mask.setTo(kIgnore, draws < ignored);
  return mask;
}

cv::Mat filled(int value) {
  return cv::Mat(4, 5, CV_8UC1, cv::Scalar(value));
}

bool same(const ClassCounts& a, const ClassCounts& b) {
  return a.tp == b.tp && a.fp == b.fp && a.fn == b.fn;
}

TEST(ClassCounts, CountsEachPixelOnce) {
  const cv::Mat label = (cv::Mat_<std::uint8_t>(1, 7) << 0, 0, 1, 2, 2, 255, 1);
  const cv::Mat prediction = (cv::Mat_<std::uint8_t>(1, 7) << 0, 1, 1, 2, 0, 2, 2);
  const ClassCounts counts = ClassCounts::of(prediction, label, 4);
  EXPECT_THAT(counts.tp, ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(counts.fp, ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(counts.fn, ElementsAre(1, 1, 1, 0));
  EXPECT_DOUBLE_EQ(counts.accuracy(), 0.5);
}

TEST(ClassCounts, EqualsSetsOfPixels) {
  cv::RNG random(1);
  for (int i = 0; i < 20; ++i) {
    const int classes = 2 + i;
    const cv::Mat label = random_mask(random, 13, 17, classes, 0.1);
    const cv::Mat prediction = random_mask(random, 13, 17, classes);
    const ClassCounts counts = ClassCounts::of(prediction, label, classes);
    double sum = 0, present = 0;
    for (int c = 0; c < classes; ++c) {
      const cv::Mat counted = label != kIgnore, labelled = label == c,
                    predicted = (prediction == c) & counted;
      const int both = cv::countNonZero(labelled & predicted),
                either = cv::countNonZero(labelled | predicted);
      EXPECT_EQ(counts.tp[static_cast<std::size_t>(c)], both);
      EXPECT_EQ(counts.fp[static_cast<std::size_t>(c)], cv::countNonZero(predicted) - both);
      EXPECT_EQ(counts.fn[static_cast<std::size_t>(c)], cv::countNonZero(labelled) - both);
      if (either == 0) continue;
      EXPECT_DOUBLE_EQ(counts.iou()[static_cast<std::size_t>(c)], static_cast<double>(both) / either);
      sum += static_cast<double>(both) / either;
      ++present;
    }
    EXPECT_DOUBLE_EQ(counts.miou(), sum / present);
    EXPECT_DOUBLE_EQ(counts.accuracy(), cv::countNonZero(label == prediction) /
                                            static_cast<double>(cv::countNonZero(label != kIgnore)));
  }
}

TEST(ClassCounts, PerfectIsOneAndWrongEverywhereIsZero) {
  cv::RNG random(2);
  const cv::Mat label = random_mask(random, 20, 30, 5);
  EXPECT_EQ(ClassCounts::of(label, label, 5).miou(), 1);
  EXPECT_EQ(ClassCounts::of(label, label, 5).accuracy(), 1);
  EXPECT_EQ(ClassCounts::of(label + 1, label, 6).miou(), 0);
}

TEST(ClassCounts, AClassWithoutAPixelIsLeftOutOfTheMean) {
  const ClassCounts counts = ClassCounts::of(filled(2), filled(2), 9);
  for (std::size_t c = 0; c < 9; ++c) EXPECT_EQ(std::isnan(counts.iou()[c]), c != 2) << c;
  EXPECT_EQ(counts.miou(), 1);
}

TEST(ClassCounts, AClassThatIsOnlyPredictedCountsZero) {
  cv::Mat prediction = filled(0);
  prediction.at<std::uint8_t>(0, 0) = 3;
  const ClassCounts counts = ClassCounts::of(prediction, filled(0), 4);
  EXPECT_EQ(counts.iou()[3], 0);
  EXPECT_DOUBLE_EQ(counts.miou(), 0.95 / 2);
}

TEST(ClassCounts, NothingLabelledHasNoFigure) {
  const ClassCounts counts = ClassCounts::of(filled(1), filled(kIgnore), 3);
  EXPECT_TRUE(same(counts, ClassCounts{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}));
  EXPECT_TRUE(std::isnan(counts.miou()));
  EXPECT_TRUE(std::isnan(counts.accuracy()));
  EXPECT_TRUE(std::isnan(ClassCounts().miou()));
}

TEST(ClassCounts, SumsDoNotDependOnOrderOrParts) {
  cv::RNG random(3);
  std::vector<ClassCounts> images;
  ClassCounts whole;
  for (int i = 0; i < 24; ++i) {
    images.push_back(
        ClassCounts::of(random_mask(random, 9, 7 + i, 6), random_mask(random, 9, 7 + i, 6, 0.2), 6));
    whole += images.back();
  }
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::vector<ClassCounts> order = images;
    for (std::size_t i = order.size() - 1; i > 0; --i)
      std::swap(order[i], order[static_cast<std::size_t>(random.uniform(0, static_cast<int>(i) + 1))]);
    const auto size = static_cast<std::size_t>(random.uniform(1, 25));
    ClassCounts sum;
    for (std::size_t begin = 0; begin < order.size(); begin += size) {
      ClassCounts batch;
      for (std::size_t i = begin; i < std::min(begin + size, order.size()); ++i) batch += order[i];
      sum += batch;
    }
    EXPECT_TRUE(same(sum, whole));
    EXPECT_EQ(sum.miou(), whole.miou());
  }
}

TEST(ClassCounts, TwoClassesAreThePixelCounts) {
  cv::RNG random(4);
  for (int i = 0; i < 20; ++i) {
    const cv::Mat label = random_mask(random, 11, 13, 2, 0.1), prediction = random_mask(random, 11, 13, 2);
    const ClassCounts classes = ClassCounts::of(prediction, label, 2);
    const PixelCounts counts = PixelCounts::of(prediction, label);
    EXPECT_TRUE(same(classes, {{counts.tn, counts.tp}, {counts.fn, counts.fp}, {counts.fp, counts.fn}}));
    EXPECT_EQ(classes.iou()[0], counts.iou_background());
    EXPECT_EQ(classes.iou()[1], counts.iou_foreground());
    EXPECT_DOUBLE_EQ(classes.miou(), counts.miou());
  }
}

TEST(ClassCounts, RefusesMasksAndClassesThatDoNotFit) {
  EXPECT_THROW(ClassCounts::of(cv::Mat(4, 6, CV_8UC1), filled(0), 2), std::invalid_argument);
  EXPECT_THROW(ClassCounts::of(filled(0), filled(0), 0), std::invalid_argument);
  EXPECT_THROW(ClassCounts::of(filled(0), filled(0), 256), std::invalid_argument);
  EXPECT_THROW(ClassCounts::of(filled(255), filled(0), 255), std::invalid_argument);
  EXPECT_THAT([] { ClassCounts::of(filled(0), filled(12), 9); },
              ::testing::ThrowsMessage<std::invalid_argument>(HasSubstr("label 12 is none of 9 classes")));
  EXPECT_THAT(
      [] { ClassCounts::of(filled(9), filled(0), 9); },
      ::testing::ThrowsMessage<std::invalid_argument>(HasSubstr("prediction 9 is none of 9 classes")));
  ClassCounts three = ClassCounts::of(filled(0), filled(0), 3);
  EXPECT_THROW(three += ClassCounts::of(filled(0), filled(0), 4), std::invalid_argument);
}

}  // namespace
}  // namespace portraitseg
