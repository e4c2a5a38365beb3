#include "portraitseg/report/contact_sheet.h"

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <torch/types.h>

#include "portraitseg/data/loader.h"

#include "support/memory_dataset.h"

namespace portraitseg {
namespace {

using testing::MemoryDataset;

/// Images without foreground: nothing is tinted.
MemoryDataset noise(int count) {
  MemoryDataset dataset;
  for (int i = 0; i < count; ++i) {
    Sample sample = testing::plain_sample(std::to_string(i), {}, 0, {50, 40});
    cv::RNG(static_cast<std::uint64_t>(i)).fill(sample.image, cv::RNG::UNIFORM, 0, 256);
    dataset.add(sample);
  }
  return dataset;
}

Preprocessing plain(Geometry geometry = Geometry::kSquash) {
  Preprocessing preprocessing;
  preprocessing.geometry = geometry;
  preprocessing.size = {32, 64};
  preprocessing.scale = 1;
  return preprocessing;
}

TEST(ContactSheet, ShowsWhatTheLoaderGivesToTheNetwork) {
  const MemoryDataset dataset = noise(5);
  for (const bool affine : {true, false}) {
    LoaderOptions loader_options;
    loader_options.preprocessing = plain();
    loader_options.augment.affine.enabled = affine;
    loader_options.batch_size = 1;
    loader_options.seed = 7;
    EpochLoader loader(dataset, loader_options, 3);
    const torch::Tensor image = loader.next()->image[0];

    ContactSheetOptions options;
    options.images = 1;
    options.seed = 7;
    options.epoch = 3;
    const cv::Mat sheet = contact_sheet(dataset, plain(), loader_options.augment, options);
    ASSERT_EQ(sheet.size(), cv::Size(128, 32));
    for (int y = 0; y < 16; ++y) {  // below stands the id
      for (int x = 0; x < 64; ++x) {
        for (int c = 0; c < 3; ++c)
          ASSERT_NEAR(sheet.at<cv::Vec3b>(y, 64 + x)[c], image[c][y][x].item<float>(), 0.5001);
      }
    }
  }
}

TEST(ContactSheet, ShowsThePriorBehindTheViews) {
  MemoryDataset dataset;
  dataset.add(testing::plain_sample("", {100, 100, 100}, 16, {64, 32}));
  LoaderOptions loader_options;
  loader_options.preprocessing = plain();
  loader_options.preprocessing.prior_channel = true;
  loader_options.augment.prior.probability = 1;
  const torch::Tensor prior = EpochLoader(dataset, loader_options, 0).next()->image[0][3];
  ASSERT_GT(prior.max().item<float>(), 0);
  const cv::Mat sheet = contact_sheet(dataset, loader_options.preprocessing, loader_options.augment, {});
  ASSERT_EQ(sheet.size(), cv::Size(3 * 64, 32));
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 64; ++x) {
      for (int c = 0; c < 3; ++c)
        ASSERT_NEAR(sheet.at<cv::Vec3b>(y, 128 + x)[c], 255 * prior[y][x].item<float>(), 0.5001);
    }
  }
}

TEST(ContactSheet, TintsAndOutlinesTheMask) {
  MemoryDataset dataset;
  dataset.add(testing::plain_sample("", {100, 100, 100}, 16, {64, 32}));
  ContactSheetOptions options;
  options.augmented = false;
  const cv::Mat sheet = contact_sheet(dataset, plain(), {}, options);
  ASSERT_EQ(sheet.size(), cv::Size(64, 32));
  EXPECT_EQ(sheet.at<cv::Vec3b>(5, 30), cv::Vec3b(97, 125, 90));
  EXPECT_EQ(sheet.at<cv::Vec3b>(15, 30), cv::Vec3b(90, 200, 60));
  EXPECT_EQ(sheet.at<cv::Vec3b>(16, 30), cv::Vec3b(100, 100, 100));
}

TEST(ContactSheet, DoesNotDependOnTheWorkersAndTakesNoMoreImagesThanThereAre) {
  const MemoryDataset dataset = noise(5);
  ContactSheetOptions options;
  options.images = 100;
  options.workers = 0;
  const cv::Mat alone = contact_sheet(dataset, plain(), {}, options);
  options.workers = 4;
  const cv::Mat sheet = contact_sheet(dataset, plain(), {}, options);
  EXPECT_EQ(cv::norm(alone, sheet, cv::NORM_INF), 0);
}

}  // namespace
}  // namespace portraitseg
