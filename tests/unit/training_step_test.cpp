#include "portraitseg/engine/training_step.h"

#include <map>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "portraitseg/models/models.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

static_assert(!std::is_copy_constructible_v<ModelRunner> && !std::is_move_constructible_v<ModelRunner>,
              "what it compiles calls back to where it lies");
static_assert(!std::is_copy_constructible_v<TrainingStep> && !std::is_move_constructible_v<TrainingStep>,
              "it holds a ModelRunner");

class TrainingSteps : public ::testing::TestWithParam<bool> {
 protected:
  TrainingSteps() {
    torch::manual_seed(1);
    model->train();
    batch.image = torch::randn({2, 3, 64, 64});
    batch.targets[{"label"}] = torch::randint(0, 2, {2, 64, 64}, torch::kUInt8);
  }
  static DeviceOptions cpu() {
    DeviceOptions options;
    options.name = "cpu";
    options.threads = 1;
    options.fused = GetParam();
    return options;
  }

  const Device device{cpu()};
  const std::shared_ptr<SegmentationModel> model = models().at("sinet")()->build();
  TrainingStep step{*model, {LossTerm()}, OptimizerOptions(), device};
  Batch batch;
};

TEST_P(TrainingSteps, ALossThatIsNotFiniteLeavesParametersAndMomentsAlone) {
  step.run(batch, 1e-3);
  std::vector<torch::Tensor> before;
  for (const auto& parameter : model->parameters()) before.push_back(parameter.detach().clone());
  TensorFile moments, after;
  step.optimizer().save(moments);
  for (auto& [key, tensor] : moments.tensors) tensor = tensor.clone();
  batch.image[0][0][5][5] = NAN;
  EXPECT_THROW(step.run(batch, 1e-3), LossNotFinite);
  const auto parameters = model->parameters();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(torch::equal(parameters[i], before[i])) << i;
  step.optimizer().save(after);
  for (const auto& [key, tensor] : moments.tensors) EXPECT_TRUE(torch::equal(after.at(key), tensor)) << key;
}

TEST_P(TrainingSteps, LabelsThatAreNoBytesAreRefused) {
  batch.targets[{"label"}] = torch::full({2, 64, 64}, 256, torch::kInt64);
  EXPECT_THROW(step.run(batch, 1e-3), UserError);
}

TEST_P(TrainingSteps, AFrozenPartKeepsItsParametersAndStatistics) {
  OptimizerOptions options;
  Config::parse("{weight_decay: 0.1, groups: [{keys: 'encoder.*', frozen: true}]}", "test").read(options);
  std::map<std::string, torch::Tensor> before;
  for (const auto& [key, tensor] : state_dict(*model)) before[key] = tensor.detach().clone();
  TrainingStep frozen(*model, {LossTerm()}, options, device);
  for (int i = 0; i < 2; ++i) {
    model->train();  // as each epoch of a training begins
    frozen.run(batch, 1e-3);
  }
  std::size_t kept = 0, changed = 0;
  for (const auto& [key, tensor] : state_dict(*model)) {
    const bool same = torch::equal(tensor, before.at(key));
    if (key.rfind("encoder.", 0) == 0) {
      EXPECT_TRUE(same) << key;
      ++kept;
    } else if (key.find("running_mean") != std::string::npos ||
               key.find("num_batches") != std::string::npos) {
      EXPECT_FALSE(same) << key;
      ++changed;
    }
  }
  EXPECT_GT(kept, 100u);
  EXPECT_GT(changed, 2u);
  EXPECT_EQ(frozen.runner().obstacle(), "") << "it runs compiled all the same";
}

TEST_P(TrainingSteps, ABatchNormWithSomethingToTrainGoesOnCountingStatistics) {
  OptimizerOptions options;
  Config::parse("{groups: [{keys: '*.bias', frozen: true}]}", "test").read(options);
  TrainingStep partly(*model, {LossTerm()}, options, device);
  partly.run(batch, 1e-3);
  for (const auto& item : model->named_buffers()) {
    if (item.key().find("num_batches_tracked") == std::string::npos) continue;
    EXPECT_EQ(item.value().item<std::int64_t>(), 1) << item.key();
  }
}

TEST(TrainingStep, BesideAFrozenPartTheRestTrainsAlikeFusedOrNot) {
  std::vector<std::vector<double>> losses;
  for (const bool fused : {true, false}) {
    DeviceOptions options;
    options.name = "cpu";
    options.threads = 1;
    options.fused = fused;
    const Device device(options);
    torch::manual_seed(1);
    const auto model = models().at("sinet")()->build();
    Batch batch;
    batch.image = torch::randn({2, 3, 64, 64});
    batch.targets[{"label"}] = torch::randint(0, 2, {2, 64, 64}, torch::kUInt8);
    OptimizerOptions sgd;
    Config::parse("{name: sgd, groups: [{keys: ['encoder.level1.*', 'encoder.level2*'], frozen: true}]}",
                  "test")
        .read(sgd);
    TrainingStep step(*model, {LossTerm()}, sgd, device);
    auto& series = losses.emplace_back();
    for (int i = 0; i < 4; ++i) series.push_back(step.run(batch, 0.1).front());
  }
  EXPECT_LT(losses[1].back(), losses[1].front() - 0.01);
  for (std::size_t i = 0; i < losses[0].size(); ++i)
    EXPECT_NEAR(losses[0][i], losses[1][i], 1e-4) << "step " << i;
}

INSTANTIATE_TEST_SUITE_P(TrainingStep, TrainingSteps, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "fused" : "eager"; });

}  // namespace
}  // namespace portraitseg
