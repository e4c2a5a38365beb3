#include "portraitseg/data/statistics.h"

#include <cmath>

#include <gmock/gmock.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/eg1800.h"

#include "support/memory_dataset.h"
#include "support/shared_data.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using testing::MemoryDataset;
using testing::plain_sample;

constexpr double kExact = 1e-12;

/// Two images: 1 x 2 with the blue values 0 and 100, and 2 x 2 of blue 10; green and red are plain.
MemoryDataset two_images() {
  Sample first = plain_sample("1", {0, 20, 30}, 1, {2, 1});
  first.image.at<cv::Vec3b>(0, 1)[0] = 100;
  first.attributes = {{"user_id", "anna"}, {"light", "dim"}};
  Sample second = plain_sample("2", {10, 40, 50}, 1, {2, 2});
  second.attributes = {{"user_id", "ben"}, {"light", "dim"}};
  MemoryDataset dataset;
  dataset.add(first).add(second);
  return dataset;
}

TEST(Statistics, MeanAndStdPerImageAndOverAllPixelsByHand) {
  const auto figures = statistics(two_images(), {});
  EXPECT_EQ(figures.images, 2);
  // Blue: means 50 and 10; standard deviations 50 (n, not n - 1) and 0.
  EXPECT_NEAR(figures.per_image.mean[0], 30, kExact);
  EXPECT_NEAR(figures.per_image.mean[1], 30, kExact);
  EXPECT_NEAR(figures.per_image.mean[2], 40, kExact);
  EXPECT_NEAR(figures.per_image.std[0], 25, kExact);
  EXPECT_NEAR(figures.per_image.std[1], 0, kExact);
  // All six: 0, 100, 10, 10, 10, 10; mean 140/6, mean square 10400/6.
  EXPECT_NEAR(figures.per_pixel.mean[0], 140.0 / 6, kExact);
  EXPECT_NEAR(figures.per_pixel.std[0], std::sqrt(10400.0 / 6 - 140.0 * 140 / 36), kExact);
  EXPECT_NEAR(figures.per_pixel.mean[1], 200.0 / 6, kExact);
  EXPECT_NEAR(figures.per_pixel.std[1], std::sqrt((2 * 400 + 4 * 1600) / 6.0 - 200.0 * 200 / 36), 1e-9);
  EXPECT_EQ(figures.sizes, (SizeCounts{{{1, 2}, 1}, {{2, 2}, 1}}));
}

TEST(Statistics, ClassSharesWeightsAndForegroundByHand) {
  const auto figures = statistics(two_images(), {});  // foreground 2 of 2 and 2 of 4
  EXPECT_THAT(figures.class_pixels, ElementsAre(2, 4));
  EXPECT_NEAR(figures.class_shares()[1], 4.0 / 6, kExact);
  EXPECT_NEAR(figures.class_weights()[0], 1 / std::log(1.10 + 2.0 / 6), kExact);
  EXPECT_NEAR(figures.class_weights()[1], 1 / std::log(1.10 + 4.0 / 6), kExact);
  EXPECT_THAT(figures.foreground_histogram, ElementsAre(0, 0, 0, 0, 0, 1, 0, 0, 0, 1));
  EXPECT_NEAR(figures.foreground, 0.75, kExact);
  ASSERT_EQ(figures.attributes.size(), 2u);
  EXPECT_EQ(figures.attributes.at("light").at("dim").images, 2);
  EXPECT_NEAR(figures.attributes.at("light").at("dim").foreground, 0.75, kExact);
  EXPECT_NEAR(figures.attributes.at("user_id").at("anna").foreground, 1, kExact);
  EXPECT_NEAR(figures.attributes.at("user_id").at("ben").foreground, 0.5, kExact);
}

TEST(Statistics, IgnoredPixelsCountInNoShareAndSeveralClassesAsForeground) {
  Sample sample = plain_sample("1", {1, 2, 3}, 0, {10, 2});
  sample.mask.row(0).setTo(kIgnore);
  sample.mask(cv::Rect(0, 1, 2, 1)).setTo(1);
  sample.mask(cv::Rect(2, 1, 1, 1)).setTo(3);  // of 10 counted pixels 2 are class 1, 1 is class 3
  MemoryDataset dataset;
  dataset.add(sample);
  const auto figures = statistics(dataset, {});
  EXPECT_THAT(figures.class_pixels, ElementsAre(7, 2, 0, 1));
  EXPECT_EQ(figures.ignored_pixels, 10);
  EXPECT_NEAR(figures.class_weights()[2], 1 / std::log(1.10), kExact);
  EXPECT_THAT(figures.foreground_histogram, ElementsAre(0, 0, 0, 1, 0, 0, 0, 0, 0, 0));
}

TEST(Statistics, WorkersDoNotChangeABit) {
  MemoryDataset dataset;
  for (int i = 0; i < 50; ++i)
    dataset.add(plain_sample(std::to_string(i), {i * 3.0, 5, 250.0 - i}, i % 4, {7, 4}));
  const auto alone = statistics(dataset, {0, {}}), four = statistics(dataset, {4, {}});
  EXPECT_EQ(alone.per_image.mean, four.per_image.mean);
  EXPECT_EQ(alone.per_image.std, four.per_image.std);
  EXPECT_EQ(alone.foreground, four.foreground);
}

TEST(Statistics, AnUnusableImageEndsItOrIsSkippedAndReported) {
  MemoryDataset dataset = two_images();
  dataset.add([]() -> Sample { throw DataError("c.jpg", "broken"); });
  dataset.skipped = {"d.jpg: no such image"};
  EXPECT_THROW(statistics(dataset, {}), DataError);
  const auto figures = statistics(dataset, {}, OnError::kSkip);
  EXPECT_EQ(figures.images, 2);
  EXPECT_THAT(figures.skipped, ElementsAre("d.jpg: no such image", "c.jpg: broken"));
  MemoryDataset none;
  none.add([]() -> Sample { throw DataError("c.jpg", "broken"); });
  EXPECT_THROW(statistics(none, {}, OnError::kSkip), DataError);
}

TEST(Statistics, OfEg1800EqualTheReferences) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  Eg1800Options options;
  options.root = (testing::shared_root() / "data/eg1800").string();
  const auto figures = statistics(*options.open("eg1800_train.txt", OnError::kFail), {});
  EXPECT_EQ(figures.images, 1341);
  // golden/inputs_clova.safetensors, mean and std: summed in float32, hence no closer.
  const std::array<double, 3> mean = {106.6700211, 114.8141174, 130.3610831},
                              std = {62.0453644, 64.1399689, 68.2914124};
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(figures.per_image.mean[c], mean[c], 1e-4);
    EXPECT_NEAR(figures.per_image.std[c], std[c], 1e-4);
  }
  EXPECT_NEAR(figures.class_weights()[0], 2.5818, 5e-5);
  EXPECT_NEAR(figures.class_weights()[1], 1.8303, 5e-5);
}

}  // namespace
}  // namespace portraitseg
