#include "portraitseg/data/loader.h"

#include <chrono>
#include <set>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/synthetic.h"

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
  for (const auto& [name, target] : a.targets) EXPECT_TRUE(torch::equal(target, b.targets.at(name))) << name;
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
  const auto label = batch.targets.at("label"), band = batch.targets.at("edge_band");
  EXPECT_EQ(label.dtype(), torch::kUInt8);
  EXPECT_LE(label.max().item<int>(), 1);
  const auto inside = band != kIgnore;
  EXPECT_GT(inside.sum().item<std::int64_t>(), 0);
  EXPECT_LT(inside.sum().item<std::int64_t>(), inside.numel());
  EXPECT_TRUE(torch::equal(band.masked_select(inside), label.masked_select(inside)));
}

TEST(EpochLoader, TargetsOfAnEncoderStageAreSmallAndTheirBandIsMadeAtTheirSize) {
  const MemoryDataset dataset(4);
  LoaderOptions options = small_options(0);
  const auto full = read_all(dataset, options, 0)[0].targets.at("label");
  options.stride = 4;
  options.edge_kernel = 3;
  const Batch batch = read_all(dataset, options, 0)[0];
  const auto label = batch.targets.at("label"), band = batch.targets.at("edge_band");
  EXPECT_TRUE(
      torch::equal(label, full.slice(1, 0, 32, 4).slice(2, 0, 32, 4)));  // nearest takes the first of four
  EXPECT_EQ(band.sizes(), (std::vector<std::int64_t>{4, 8, 8}));
  EXPECT_GT((band != kIgnore).sum().item<std::int64_t>(), 0);
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
