#include "portraitseg/losses/distillation.h"

#include <cmath>

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"

#include "support/gradient_check.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> distillation(double temperature) {
  DistillationOptions options;
  options.temperature = temperature;
  return options.build();
}

TEST(Distillation, IsTheClassesSumAndThePixelsMeanTimesTheSquareOfTheTemperature) {
  // Two pixels, of which the second agrees; q = (3/4, 1/4) at T = 2 from logits (2 ln 3, 0); p = (1/2, 1/2).
  const auto teacher = torch::tensor({2 * std::log(3.0), 0.0, 0.0, 0.0}, torch::kFloat64).view({1, 2, 1, 2});
  const double divergence = 0.75 * std::log(0.75 / 0.5) + 0.25 * std::log(0.25 / 0.5);
  const auto loss = distillation(2)->forward(torch::zeros_like(teacher), teacher);
  EXPECT_NEAR(loss.item<double>(), 4 * divergence / 2, 1e-12);
}

TEST(Distillation, IsLibTorchsSumOverThePixels) {
  torch::manual_seed(1);
  for (const std::int64_t classes : {2, 3, 9}) {
    const auto logits = torch::randn({2, classes, 13, 7}, torch::kFloat64);
    const auto teacher = 3 * torch::randn({2, classes, 13, 7}, torch::kFloat64);
    for (const double t : {0.5, 1.0, 4.0}) {
      const auto sum = torch::kl_div(torch::log_softmax(logits / t, 1), torch::softmax(teacher / t, 1),
                                     at::Reduction::Sum);
      const double expected = t * t * sum.item<double>() / (2 * 13 * 7);
      EXPECT_NEAR(distillation(t)->forward(logits, teacher).item<double>(), expected, 1e-10 * expected);
    }
  }
}

TEST(Distillation, WhereLibTorchsOperatorsRunItIsTheSame) {
  torch::manual_seed(1);
  const auto logits = torch::randn({2, 3, 8, 8}).to(torch::kBFloat16);
  const auto teacher = torch::randn({2, 3, 8, 8}).to(torch::kBFloat16);
  const auto loss = distillation(2);
  const double expected =
      loss->forward(logits.to(torch::kFloat64), teacher.to(torch::kFloat64)).item<double>();
  EXPECT_NEAR(loss->forward(logits, teacher).item<double>(), expected, 0.03 * expected);
}

TEST(Distillation, ItsGradientIsTheTemperatureTimesTheDifferenceAndStopsAtTheTeacher) {
  torch::manual_seed(2);
  const auto teacher = torch::randn({2, 3, 2, 2}, torch::kFloat64).set_requires_grad(true);
  const auto x = torch::randn({2, 3, 2, 2}, torch::kFloat64);
  for (const double t : {1.0, 3.0}) {
    const auto loss = distillation(t);
    testing::expect_gradient([&](const torch::Tensor& logits) { return loss->forward(logits, teacher); }, x);
    const auto logits = x.clone().set_requires_grad(true);
    loss->forward(logits, teacher).backward();
    const auto expected = t * (torch::softmax(x / t, 1) - torch::softmax(teacher.detach() / t, 1)) / 8;
    EXPECT_TRUE(torch::allclose(logits.grad(), expected, 1e-9, 1e-12)) << t;
  }
  EXPECT_FALSE(teacher.grad().defined());
}

TEST(Distillation, ASingleChannelAndOtherSizesAreRefused) {
  const auto loss = distillation(1);
  EXPECT_THROW(loss->forward(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 1, 2, 2})), UserError);
  EXPECT_THROW(loss->forward(torch::zeros({1, 2, 2, 2}), torch::zeros({1, 3, 2, 2})), UserError);
  EXPECT_THROW(loss->forward(torch::zeros({1, 2, 2, 2}), torch::zeros({1, 2, 2, 4})), UserError);
}

}  // namespace
}  // namespace portraitseg
