#include "portraitseg/engine/training_step.h"

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
    batch.targets["label"] = torch::randint(0, 2, {2, 64, 64}, torch::kUInt8);
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
  batch.targets["label"] = torch::full({2, 64, 64}, 256, torch::kInt64);
  EXPECT_THROW(step.run(batch, 1e-3), UserError);
}

INSTANTIATE_TEST_SUITE_P(TrainingStep, TrainingSteps, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "fused" : "eager"; });

}  // namespace
}  // namespace portraitseg
