#include "portraitseg/engine/loss_sum.h"

#include <gmock/gmock.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/run_config.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

std::vector<LossTerm> terms(const std::string& yaml) {
  return RunConfig::parse("losses: " + yaml + "\ndistillation: {teacher: t}\n", "test").losses;
}

const char* const kTwoSizes =
    "[{name: cross_entropy}, {name: focal, target: label}, {name: dice, target: edge_band},"
    " {name: cross_entropy, output: coarse, weight: 0.25},"
    " {name: cross_entropy, output: coarse, target: edge_band, edge_kernel: 5},"
    " {name: distillation, output: coarse, temperature: 2}, {name: distillation, weight: 3}]";

/// Of images of 32 x 64.
BatchOutputs random_outputs() {
  torch::manual_seed(1);
  BatchOutputs outputs;
  outputs.image.mask = torch::randn({2, 2, 32, 64}).set_requires_grad(true);
  outputs.image.coarse = torch::randn({2, 2, 4, 8}).set_requires_grad(true);
  outputs.teacher = torch::randn({2, 2, 16, 32});
  return outputs;
}

TEST(LossSum, EachTargetIsAskedForOnceAtTheStrideOfItsOutput) {
  const LossSum losses(terms(kTwoSizes));
  std::vector<std::tuple<std::string, std::int64_t, std::int64_t>> asked;
  for (const auto& target : losses.targets(random_outputs().image, 32))
    asked.emplace_back(target.name, target.stride, target.edge_kernel);
  EXPECT_THAT(asked, ::testing::ElementsAre(std::tuple("edge_band", 1, 0), std::tuple("edge_band", 8, 5),
                                            std::tuple("label", 1, 0), std::tuple("label", 8, 0)));
}

TEST(LossSum, EachTermSeesItsOutputWithItsCounterpart) {
  const BatchOutputs outputs = random_outputs();
  const LossSum losses(terms(kTwoSizes));
  Batch batch;
  batch.image = torch::zeros({2, 3, 32, 64});
  for (const auto& target : losses.targets(outputs.image, 32))
    batch.targets[target] = torch::randint(0, 2, {2, 32 / target.stride, 64 / target.stride}, torch::kUInt8);
  const Device device{DeviceOptions{"cpu", 1}};
  const auto values = losses(outputs, batch, device);
  const auto cross_entropy = [&](const torch::Tensor& logits, const Target& target) {
    return torch::cross_entropy_loss(logits, batch.targets.at(target).to(torch::kInt64)).item<double>();
  };
  ASSERT_EQ(values.size(), 7u);
  EXPECT_NEAR(values[0].item<double>(), cross_entropy(outputs.image.mask, {"label"}), 1e-5);
  EXPECT_NEAR(values[3].item<double>(), 0.25 * cross_entropy(outputs.image.coarse, {"label", 8}), 1e-5);
  EXPECT_NEAR(values[4].item<double>(), cross_entropy(outputs.image.coarse, {"edge_band", 8, 5}), 1e-5);

  const auto divergence = [&](const torch::Tensor& logits, double t) {
    const auto teacher = torch::upsample_bilinear2d(outputs.teacher, logits.sizes().slice(2), false);
    const auto sum =
        torch::kl_div(torch::log_softmax(logits / t, 1), torch::softmax(teacher / t, 1), at::Reduction::Sum);
    return t * t * sum.item<double>() / static_cast<double>(logits.numel() / 2);
  };
  EXPECT_NEAR(values[5].item<double>(), divergence(outputs.image.coarse, 2), 1e-5);
  EXPECT_NEAR(values[6].item<double>(), 3 * divergence(outputs.image.mask, 4), 1e-5);
  torch::stack(values).sum().backward();
  EXPECT_GT(outputs.image.coarse.grad().abs().min().item<double>(), 0);
}

TEST(LossSum, AnOutputThatTheNetworkDoesNotHaveIsRefused) {
  BatchOutputs outputs = random_outputs();
  outputs.image.coarse = torch::Tensor();
  try {
    LossSum(terms(kTwoSizes)).targets(outputs.image, 32);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no output 'coarse'"));
  }
}

TEST(LossSum, SaysWhetherATeacherIsNeeded) {
  EXPECT_TRUE(LossSum(terms(kTwoSizes)).needs_teacher());
  EXPECT_FALSE(LossSum(terms(kTwoSizes)).needs_deformed());
  EXPECT_FALSE(LossSum({LossTerm()}).needs_teacher());
}

}  // namespace
}  // namespace portraitseg
