#include "portraitseg/engine/trainer.h"

#include <limits>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <torch/nn/modules/conv.h>
#include <torch/optim/adam.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/engine/run_folder.h"

#include "support/memory_dataset.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

struct MemoryOptions : DatasetOptions {
  void fields(Fields& /*f*/) override {}
  std::unique_ptr<Dataset> open(const std::string& list, OnError /*on_error*/) const override {
    auto dataset = std::make_unique<testing::MemoryDataset>();
    cv::RNG random;
    for (int i = 0; i < images; ++i) {
      Sample sample =
          testing::plain_sample(std::to_string(i), cv::Scalar(90 + 40 * (i % 4), 120, 60), 40, {64, 64});
      cv::Mat noisy = sample.image.rowRange(0, 40);
      random.fill(noisy, cv::RNG::UNIFORM, 0, 255);
      dataset->add(sample);
    }
    dataset->list = list;
    return dataset;
  }
  int images = 2;
};

RunConfig portraitnet_recipe() {
  RunConfig config = RunConfig::parse(
      "model: {name: portraitnet}\n"
      "preprocessing: {size: [64, 64], mean: [104, 117, 124], std: [59, 59, 59]}\n"
      "losses:\n"
      "  - {name: cross_entropy, output: mask, target: label}\n"
      "  - {name: cross_entropy, output: mask, target: label, view: deformed}\n"
      "  - {name: focal, output: boundary, target: contour, weight: 0.1}\n"
      "  - {name: consistency, output: mask, weight: 2}\n"
      "optimizer: {lr: 1e-5}\n"
      "trainer: {batch_size: 2}\n"
      "device: {name: cpu, threads: 1}\n",
      "test");
  config.data.options = std::make_shared<MemoryOptions>();
  return config;
}

Batch first_batch(const Trainer& trainer, std::int64_t epoch) {
  EpochLoader loader(trainer.train_set(), trainer.loader_options(), epoch);
  return *loader.next();
}

class TrainerOfPortraitNet : public ::testing::TestWithParam<bool> {};

TEST_P(TrainerOfPortraitNet, StepIsTheReferences) {
  RunConfig config = portraitnet_recipe();
  config.device.fused = GetParam();
  // At 64x64 the deepest BatchNorms see 8 values, which makes much of another order of sums; float64 is in compiled_network_test.cpp.
  const double tolerance = config.device.fused ? 5e-3 : 1e-4;
  const Device device(config.device);
  Trainer trainer(config, device);
  EXPECT_TRUE(trainer.loader_options().deformed);
  const std::vector<Target> targets = trainer.loader_options().targets;
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].name, "contour");
  EXPECT_EQ(targets[1].name, "label");

  // myTrain/train.py: the network sees the textured batch, then the one before it, each with its own statistics.
  torch::manual_seed(1);
  const auto theirs = config.model.options->build();
  torch::optim::Adam optimizer(theirs->parameters(), torch::optim::AdamOptions(config.optimizer.options->lr));
  trainer.model().train();
  theirs->train();
  load_matching(*theirs, TensorFile{state_dict(trainer.model()), {}}, "memory");
  for (std::int64_t step = 0; step < 2; ++step) {
    const Batch batch = first_batch(trainer, step);
    ASSERT_FALSE(torch::equal(batch.image, batch.deformed));
    const SegmentationOutput student = theirs->forward(batch.image);
    const SegmentationOutput teacher = theirs->forward(batch.deformed);
    const auto label = batch.targets.at({"label"}).to(torch::kInt64);
    const auto contour = batch.targets.at({"contour"}).to(torch::kInt64).unsqueeze(1);
    const auto boundary = torch::log_softmax(student.boundary, 1).gather(1, contour);
    const std::vector<torch::Tensor> expected = {
        torch::cross_entropy_loss(student.mask, label), torch::cross_entropy_loss(teacher.mask, label),
        -0.1 * ((1 - boundary.detach().exp()).pow(2) * boundary).mean(),
        2 * torch::kl_div(torch::log_softmax(student.mask, 1), torch::softmax(teacher.mask.detach(), 1))};
    optimizer.zero_grad();
    torch::stack(expected).sum().backward();
    optimizer.step();

    const std::vector<double> values = trainer.step(batch);
    ASSERT_EQ(values.size(), expected.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], expected[i].item<double>(), tolerance) << "step " << step << ", term " << i;
  }
  const auto a = state_dict(trainer.model()), b = state_dict(*theirs);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].first.find("running_mean") == std::string::npos) continue;
    EXPECT_TRUE(torch::allclose(a[i].second, b[i].second, 1e-3, 1e-3)) << a[i].first;
  }
}

INSTANTIATE_TEST_SUITE_P(Trainer, TrainerOfPortraitNet, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "fused" : "eager"; });

TEST(Trainer, WithoutLossesOnItTheDeformedViewIsNotMade) {
  RunConfig config = portraitnet_recipe();
  config.losses.resize(1);
  const Device device(config.device);
  const Trainer trainer(config, device);
  EXPECT_FALSE(trainer.loader_options().deformed);
  EXPECT_FALSE(first_batch(trainer, 0).deformed.defined());
}

TEST(Trainer, ACoarseOutputIsTrainedAtItsOwnSizeFusedOrNot) {
  for (const bool fused : {true, false}) {
    RunConfig config = portraitnet_recipe();
    Config::parse("{name: sinet_cityscapes, num_classes: 2}", "test").read(config.model);
    Config::parse("{name: sgd, lr: 0.02}", "test").read(config.optimizer);
    config.losses = RunConfig::parse(
                        "losses: [{name: cross_entropy, weight: 0}, {name: cross_entropy, output: coarse},"
                        " {name: cross_entropy, output: coarse, target: edge_band, edge_kernel: 3}]",
                        "test")
                        .losses;
    config.preprocessing.size = {128, 128};
    config.device.fused = fused;
    const Device device(config.device);
    Trainer trainer(config, device);
    const Batch batch = first_batch(trainer, 0);
    ASSERT_EQ(batch.targets.size(), 3u);
    EXPECT_EQ(batch.targets.at({"label", 2}).sizes(), (std::vector<std::int64_t>{2, 64, 64}));
    EXPECT_EQ(batch.targets.at({"label", 16}).sizes(), (std::vector<std::int64_t>{2, 8, 8}));
    EXPECT_EQ(batch.targets.at({"edge_band", 16, 3}).sizes(), (std::vector<std::int64_t>{2, 8, 8}));
    const double first = trainer.step(batch)[1];
    for (int i = 0; i < 3; ++i) trainer.step(batch);
    EXPECT_LT(trainer.step(batch)[1], first - 0.01);
  }
}

struct WithDropout : SegmentationModel {
  WithDropout() : convolution(register_module("convolution", torch::nn::Conv2d(3, 2, 1))) {}
  SegmentationOutput forward(const torch::Tensor& image) override {
    return {torch::dropout(convolution(image), 0.5, is_training()), {}, {}};
  }
  std::int64_t size_multiple() const override { return 1; }
  torch::nn::Conv2d convolution;
};

struct WithDropoutOptions : ModelOptions {
  void fields(Fields& /*f*/) override {}
  std::shared_ptr<SegmentationModel> build() const override { return std::make_shared<WithDropout>(); }
};

struct Listener : TrainingObserver {
  void not_fused(const std::string& reason) override { reasons.push_back(reason); }
  void skipped(const std::string& reason) override { skips.push_back(reason); }
  std::vector<std::string> reasons, skips;
};

TEST(Trainer, SaysOnceWhyItsNetworkDoesNotRunFused) {
  RunConfig config = portraitnet_recipe();
  config.losses.resize(1);
  config.trainer.epochs = 2;
  config.model.options = std::make_shared<WithDropoutOptions>();
  const Device device(config.device);
  Trainer trainer(config, device);
  const testing::TemporaryFolder folder;
  Listener listener;
  trainer.train(RunFolder::create(folder.path() / "run", trainer.config(), device), {&listener},
                [] { return false; });
  ASSERT_EQ(listener.reasons.size(), 1u);
  EXPECT_NE(listener.reasons[0].find("dropout"), std::string::npos);
}

/// Some of its answers in training are no numbers: the fourth, which of two images is in the second epoch, since the first
/// answer is the trainer's trial.
struct NanAtTimes : WithDropout {
  SegmentationOutput forward(const torch::Tensor& image) override {
    torch::Tensor logits = convolution(image);
    if (is_training() && ++*calls >= first && *calls <= last)
      logits = logits * std::numeric_limits<double>::quiet_NaN();
    return {logits, {}, {}};
  }
  std::shared_ptr<int> calls;
  int first = 4, last = 4;
};

struct NanAtTimesOptions : ModelOptions {
  void fields(Fields& /*f*/) override {}
  std::shared_ptr<SegmentationModel> build() const override {
    auto model = std::make_shared<NanAtTimes>();
    model->calls = calls;
    model->last = last;
    return model;
  }
  int last = 4;
  std::shared_ptr<int> calls = std::make_shared<int>(0);
};

RunConfig nan_recipe(OnNan policy) {
  RunConfig config = portraitnet_recipe();
  config.losses.resize(1);
  config.trainer.epochs = 3;
  config.trainer.batch_size = 1;
  config.trainer.on_nan = policy;
  config.device.fused = false;
  config.model.options = std::make_shared<NanAtTimesOptions>();
  return config;
}

TEST(Trainer, StopsAtALossThatIsNoNumberAndKeepsTheLastCheckpoint) {
  const RunConfig config = nan_recipe(OnNan::kStop);
  const Device device(config.device);
  Trainer trainer(config, device);
  const testing::TemporaryFolder folder;
  const RunFolder run = RunFolder::create(folder.path() / "run", trainer.config(), device);
  try {
    trainer.train(run, {}, [] { return false; });
    FAIL() << "it went on";
  } catch (const UserError& error) {
    const std::string text = error.what();
    for (const char* part : {"nan", "cross_entropy.mask.label", "epoch 2", "batch 1", "optimizer.lr"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
  }
  RunConfig same = nan_recipe(OnNan::kStop);
  Trainer after(same, device);
  after.resume(run);
  EXPECT_EQ(after.progress().epoch, 1);
}

TEST(Trainer, SkipsAStepWhoseLossIsNoNumberIfToldTo) {
  const RunConfig config = nan_recipe(OnNan::kSkip);
  const Device device(config.device);
  Trainer trainer(config, device);
  const testing::TemporaryFolder folder;
  Listener listener;
  EXPECT_TRUE(trainer.train(RunFolder::create(folder.path() / "run", trainer.config(), device), {&listener},
                            [] { return false; }));
  ASSERT_EQ(trainer.progress().history.size(), 3u);
  EXPECT_EQ(trainer.progress().history[1].skipped, 1);
  ASSERT_EQ(listener.skips.size(), 1u);
  EXPECT_NE(listener.skips[0].find("epoch 2, batch 1"), std::string::npos) << listener.skips[0];
  for (const auto& parameter : trainer.model().parameters())
    EXPECT_TRUE(parameter.isfinite().all().item<bool>());
}

TEST(Trainer, SaysOfAFewSkippedStepsAnEpochWhereTheyWereAndCountsAll) {
  RunConfig config = nan_recipe(OnNan::kSkip);
  config.trainer.epochs = 1;
  auto network = std::make_shared<NanAtTimesOptions>();
  network->last = 8;
  config.model.options = network;
  auto data = std::make_shared<MemoryOptions>();
  data->images = 8;
  config.data.options = data;
  const Device device(config.device);
  Trainer trainer(config, device);
  const testing::TemporaryFolder folder;
  Listener listener;
  trainer.train(RunFolder::create(folder.path() / "run", trainer.config(), device), {&listener},
                [] { return false; });
  EXPECT_EQ(trainer.progress().history.at(0).skipped, 5);
  ASSERT_EQ(listener.skips.size(), 3u);
  EXPECT_NE(listener.skips[2].find("epoch 1, batch 5"), std::string::npos) << listener.skips[2];
}

TEST(Trainer, PatienceBeginsWithTheFirstEpochThatFindsAnything) {
  TrainerOptions options;
  options.epochs = 100;
  options.patience = 3;
  Progress progress;
  progress.epoch = 10;
  const auto finished = [&](Best best, Best best_ema = {}) {
    progress.best = best;
    progress.best_ema = best_ema;
    return Trainer::finished(progress, options);
  };
  EXPECT_FALSE(finished({1, 0})) << "ten epochs of nothing";
  EXPECT_TRUE(finished({7, 0.1}));
  EXPECT_FALSE(finished({8, 0.1}));
  EXPECT_FALSE(finished({7, 0.1}, {8, 0.2}));
  EXPECT_TRUE(finished({7, 0.1}, {8, 0}));
  progress.epoch = 100;
  EXPECT_TRUE(finished({1, 0}));
}

}  // namespace
}  // namespace portraitseg
