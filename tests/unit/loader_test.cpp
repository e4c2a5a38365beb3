#include "portraitseg/data/loader.h"

#include <chrono>
#include <set>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/cached_dataset.h"
#include "portraitseg/data/contour.h"
#include "portraitseg/data/edge_band.h"
#include "portraitseg/data/smooth_label.h"
#include "portraitseg/data/synthetic.h"

#include "support/golden.h"
#include "support/memory_dataset.h"

namespace portraitseg {
namespace {

/// Portraits from memory; those whose index is in `broken` cannot be read.
class MemoryDataset final : public Dataset {
 public:
  explicit MemoryDataset(std::int64_t size, std::set<std::int64_t> broken = {})
      : size_(size), broken_(std::move(broken)) {}
  std::int64_t size() const override { return size_; }
  Sample get(std::int64_t index) const override {
    if (broken_.count(index) > 0) throw DataError("image " + std::to_string(index), "broken");
    return synthesize_portrait(1, index + 1, 48, 40);
  }
  std::string id(std::int64_t index) const override { return std::to_string(index); }

 private:
  std::int64_t size_;
  std::set<std::int64_t> broken_;
};

LoaderOptions small_options(std::int64_t workers) {
  LoaderOptions options;
  options.targets = {{"label"}, {"edge_band"}};
  options.preprocessing.size = {32, 32};
  options.batch_size = 4;
  options.workers = workers;
  return options;
}

std::vector<Batch> read_all(const Dataset& dataset, const LoaderOptions& options, std::int64_t epoch,
                            std::int64_t first = 0) {
  EpochLoader loader(dataset, options, epoch, first);
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(*batch);
  return batches;
}

void expect_same(const Batch& a, const Batch& b) {
  EXPECT_TRUE(torch::equal(a.image, b.image));
  for (const auto& [target, made] : a.targets)
    EXPECT_TRUE(torch::equal(made, b.targets.at(target))) << target.name;
}

TEST(OrderedMap, KeepsTheOrderWhateverTheWorkersTake) {
  for (const std::int64_t workers : {0, 1, 4}) {
    OrderedMap<std::int64_t> map(50, workers, 8, [](std::int64_t i) {
      std::this_thread::sleep_for(std::chrono::microseconds((i * 7919) % 500));
      return i * i;
    });
    for (std::int64_t i = 0; i < 50; ++i) EXPECT_EQ(map.next(), i * i);
    EXPECT_FALSE(map.next().has_value());
  }
}

TEST(OrderedMap, RethrowsInOrderAndStopsEarlyWithoutHanging) {
  OrderedMap<int> map(1000, 3, 4, [](std::int64_t i) -> int {
    if (i == 2) throw DataError("x", "second");
    return static_cast<int>(i);
  });
  EXPECT_EQ(map.next(), 0);
  EXPECT_EQ(map.next(), 1);
  EXPECT_THROW(map.next(), DataError);
}

TEST(EpochLoader, WorkersDoNotChangeABatch) {
  const MemoryDataset dataset(10);
  const auto alone = read_all(dataset, small_options(0), 3);
  ASSERT_EQ(alone.size(), 3u);
  EXPECT_EQ(alone[2].image.size(0), 2);
  for (const std::int64_t workers : {1, 4}) {
    const auto batches = read_all(dataset, small_options(workers), 3);
    ASSERT_EQ(batches.size(), alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) expect_same(batches[i], alone[i]);
  }
}

TEST(EpochLoader, AResumedEpochContinuesWithTheSameBatches) {
  const MemoryDataset dataset(10);
  const auto whole = read_all(dataset, small_options(2), 0), rest = read_all(dataset, small_options(2), 0, 1);
  ASSERT_EQ(rest.size(), 2u);
  expect_same(rest[0], whole[1]);
  expect_same(rest[1], whole[2]);
}

TEST(EpochLoader, EpochsAndSeedsDiffer) {
  const MemoryDataset dataset(8);
  LoaderOptions other = small_options(0);
  other.seed = 2;
  const auto first = read_all(dataset, small_options(0), 0);
  EXPECT_FALSE(torch::equal(first[0].image, read_all(dataset, small_options(0), 1)[0].image));
  EXPECT_FALSE(torch::equal(first[0].image, read_all(dataset, other, 0)[0].image));
}

TEST(EpochLoader, TargetsHoldClassesAndTheBandAgreesWithTheLabel) {
  const MemoryDataset dataset(4);
  const Batch batch = read_all(dataset, small_options(0), 0)[0];
  const auto label = batch.targets.at({"label"}), band = batch.targets.at({"edge_band"});
  EXPECT_EQ(label.dtype(), torch::kUInt8);
  EXPECT_LE(label.max().item<int>(), 1);
  const auto inside = band != kIgnore;
  EXPECT_GT(inside.sum().item<std::int64_t>(), 0);
  EXPECT_LT(inside.sum().item<std::int64_t>(), inside.numel());
  EXPECT_TRUE(torch::equal(band.masked_select(inside), label.masked_select(inside)));
}

TEST(EpochLoader, TargetsOfSeveralStridesComeTogetherAndTheirBandsAreMadeAtTheirSize) {
  const MemoryDataset dataset(4);
  LoaderOptions options = small_options(0);
  options.edge_kernel = 3;
  options.targets = {{"label"}, {"label", 4}, {"edge_band", 4}, {"edge_band", 2, 7}, {"contour", 2}};
  const Batch batch = read_all(dataset, options, 0)[0];
  ASSERT_EQ(batch.targets.size(), 5u);
  const auto label = batch.targets.at({"label"});
  const auto at_stride = [&](std::int64_t n) {  // nearest takes the first of n
    return label.slice(1, 0, 32, n).slice(2, 0, 32, n);
  };
  EXPECT_TRUE(torch::equal(batch.targets.at({"label", 4}), at_stride(4)));
  for (std::int64_t i = 0; i < 4; ++i) {
    const auto small = at_stride(4)[i].contiguous(), middle = at_stride(2)[i].contiguous();
    EXPECT_TRUE(torch::equal(batch.targets.at({"edge_band", 4})[i],
                             testing::to_tensor(edge_band(testing::to_mat(small), 3))));
    EXPECT_TRUE(torch::equal(batch.targets.at({"edge_band", 2, 7})[i],
                             testing::to_tensor(edge_band(testing::to_mat(middle), 7))));
    EXPECT_TRUE(torch::equal(batch.targets.at({"contour", 2})[i],
                             testing::to_tensor(contour(testing::to_mat(middle)))));
  }
}

TEST(EpochLoader, MakesTheTargetsThatLossesAskForOfTheSmoothedLabel) {
  const MemoryDataset dataset(4);
  LoaderOptions options = small_options(0);
  options.targets = {{"label"}, {"contour"}};
  options.preprocessing.label_smoothing = 5;
  const Batch batch = read_all(dataset, options, 0)[0];
  ASSERT_EQ(batch.targets.size(), 2U);
  options.preprocessing.label_smoothing = 0;
  const torch::Tensor rough = read_all(dataset, options, 0)[0].targets.at({"label"});
  for (std::int64_t i = 0; i < 4; ++i) {
    const cv::Mat label = smooth_label(testing::to_mat(rough[i]), 5);
    EXPECT_TRUE(torch::equal(batch.targets.at({"label"})[i], testing::to_tensor(label)));
    EXPECT_TRUE(torch::equal(batch.targets.at({"contour"})[i], testing::to_tensor(contour(label))));
  }
}

TEST(EpochLoader, GivesTheViewBeforeTextureWhereItIsAskedFor) {
  const MemoryDataset dataset(4);
  LoaderOptions options = small_options(1);
  EXPECT_FALSE(read_all(dataset, options, 0)[0].deformed.defined());
  options.deformed = true;
  options.augment.noise.probability = 1;
  const Batch both = read_all(dataset, options, 0)[0];
  EXPECT_EQ(both.deformed.sizes(), both.image.sizes());
  EXPECT_FALSE(torch::equal(both.deformed, both.image));
  options.augment.color.probability = options.augment.blur.probability = options.augment.noise.probability =
      0;
  const Batch plain = read_all(dataset, options, 0)[0];
  EXPECT_TRUE(torch::equal(plain.deformed, plain.image));
  EXPECT_TRUE(torch::equal(plain.deformed, both.deformed));  // the same deformation, whatever the texture
}

TEST(EpochLoader, ThePriorIsTheFourthChannelOfBothViews) {
  const MemoryDataset dataset(8);
  LoaderOptions options = small_options(0);
  options.batch_size = 8;
  options.deformed = true;
  options.preprocessing.prior_channel = true;
  const Batch without = read_all(dataset, options, 0)[0];
  ASSERT_EQ(without.image.size(1), 4);
  EXPECT_EQ(without.image.select(1, 3).abs().max().item<float>(), 0);
  options.augment.prior.probability = 1;
  const Batch batch = read_all(dataset, options, 0)[0];
  EXPECT_EQ(batch.image.select(1, 3).max().item<float>(), 1);
  EXPECT_GE(batch.image.select(1, 3).min().item<float>(), 0);
  EXPECT_TRUE(torch::equal(batch.image.select(1, 3), batch.deformed.select(1, 3)));
}

TEST(CachedDataset, ChangesNoBatch) {
  const MemoryDataset plain(10);
  const CachedDataset cached(std::make_unique<MemoryDataset>(10), {1, 0});
  for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
    const auto expected = read_all(plain, small_options(0), epoch);
    const auto batches = read_all(cached, small_options(3), epoch);
    ASSERT_EQ(batches.size(), expected.size());
    for (std::size_t i = 0; i < batches.size(); ++i) expect_same(batches[i], expected[i]);
  }
  EXPECT_EQ(cached.images(), 10);
  EXPECT_EQ(cached.bytes(), 10 * 48 * 40 * 4);
}

TEST(CachedDataset, ReadsEachImageOnce) {
  auto counted = std::make_unique<testing::MemoryDataset>();
  int reads = 0;
  for (int i = 0; i < 3; ++i) counted->add([&] { return ++reads, testing::plain_sample("x", {1, 2, 3}); });
  const CachedDataset cached(std::move(counted), {1, 0});
  for (int pass = 0; pass < 3; ++pass) {
    for (std::int64_t i = 0; i < 3; ++i) cached.get(i);
  }
  EXPECT_EQ(reads, 3);
}

TEST(CachedDataset, KeepsNoMoreThanItsLimitAndNothingBroken) {
  auto large = std::make_unique<testing::MemoryDataset>();
  for (int i = 0; i < 4; ++i)
    large->add(testing::plain_sample(std::to_string(i), {1, 2, 3}, 2, {400, 300}));  // 480,000 bytes
  const CachedDataset cached(std::move(large), {1, 0});
  for (std::int64_t i = 0; i < 4; ++i) cached.get(i);
  EXPECT_EQ(cached.images(), 2);
  EXPECT_LE(cached.bytes(), 1 << 20);

  const CachedDataset broken(std::make_unique<MemoryDataset>(2, std::set<std::int64_t>{1}), {1, 0});
  for (int attempt = 0; attempt < 2; ++attempt) EXPECT_THROW(broken.get(1), DataError);
  EXPECT_EQ(broken.images(), 0);
}

TEST(CachedDataset, ShrinksLargeImagesWhetherOrNotTheyAreKept) {
  const auto make = [] {
    auto set = std::make_unique<testing::MemoryDataset>();
    set->add(testing::plain_sample("large", {1, 2, 3}, 200, {300, 400}));
    set->add(testing::plain_sample("small", {1, 2, 3}, 20, {60, 100}));
    return set;
  };
  for (const std::int64_t mib : {0, 1}) {
    const CachedDataset cached(make(), {mib, 100});
    EXPECT_EQ(cached.get(0).image.size(), cv::Size(75, 100));
    EXPECT_EQ(cached.get(0).mask.size(), cv::Size(75, 100));
    EXPECT_EQ(cv::countNonZero(cached.get(0).mask), 75 * 50);
    EXPECT_EQ(cached.get(1).image.size(), cv::Size(60, 100));
  }
}

TEST(CachedDataset, ViewsWithoutDeformationLeaveTheCacheAsItIs) {
  auto set = std::make_unique<testing::MemoryDataset>();
  Sample sample = synthesize_portrait(1, 1, 32, 32);
  sample.mirrored_classes = {{0, 1}};
  set->add(sample);
  const CachedDataset cached(std::move(set), {1, 0});
  const cv::Mat before = cached.get(0).image.clone(), mask = cached.get(0).mask.clone();
  LoaderOptions options = small_options(0);
  options.augment.affine.enabled = false;
  options.augment.flip = 1;
  options.preprocessing.label_smoothing = 5;
  for (const auto geometry : {Geometry::kSquash, Geometry::kLetterbox, Geometry::kKeep}) {
    options.preprocessing.geometry = geometry;
    for (std::int64_t epoch = 0; epoch < 6; ++epoch) read_all(cached, options, epoch);
  }
  EXPECT_EQ(cv::norm(cached.get(0).image, before, cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(cached.get(0).mask, mask, cv::NORM_INF), 0);
}

TEST(EpochLoader, BrokenImagesStopTheEpochOrAreLeftOut) {
  const MemoryDataset dataset(6, {1, 4});
  LoaderOptions options = small_options(2);
  EXPECT_THROW(read_all(dataset, options, 0), DataError);
  options.on_error = OnError::kSkip;
  std::int64_t images = 0, skipped = 0;
  for (const auto& batch : read_all(dataset, options, 0)) {
    images += batch.image.size(0);
    skipped += static_cast<std::int64_t>(batch.skipped.size());
  }
  EXPECT_EQ(images, 4);
  EXPECT_EQ(skipped, 2);
}

}  // namespace
}  // namespace portraitseg
