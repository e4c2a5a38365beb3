#include "portraitseg/losses/consistency.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"

#include "support/gradient_check.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> consistency(double temperature = 1) {
  ConsistencyOptions options;
  options.temperature = temperature;
  return options.build();
}

TEST(Consistency, EqualViewsCostNothing) {
  const auto logits = torch::randn({2, 3, 4, 4}).set_requires_grad(true);
  const auto loss = consistency()->forward(logits, logits.detach());
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 0, 1e-7);
  EXPECT_LE(logits.grad().abs().max().item<double>(), 1e-7);
}

TEST(Consistency, IsTheMeanOverElementsTimesTheSquareOfTheTemperature) {
  // One pixel, two classes: q = (3/4, 1/4) at T = 2 from logits (2 ln 3, 0); p = (1/2, 1/2).
  const auto teacher = torch::tensor({2 * std::log(3.0), 0.0}, torch::kFloat64).view({1, 2, 1, 1});
  const double divergence = 0.75 * std::log(0.75 / 0.5) + 0.25 * std::log(0.25 / 0.5);
  const auto loss = consistency(2)->forward(torch::zeros_like(teacher), teacher);
  EXPECT_NEAR(loss.item<double>(), 4 * divergence / 2, 1e-12);
}

TEST(Consistency, ASureTeacherGivesNoNan) {
  const auto teacher = torch::tensor({200.f, -200.f}).view({1, 2, 1, 1});
  const auto logits = torch::tensor({-200.f, 200.f}).view({1, 2, 1, 1}).set_requires_grad(true);
  const auto loss = consistency()->forward(logits, teacher);
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 200, 1e-3);
  EXPECT_TRUE(torch::isfinite(logits.grad()).all().item<bool>());
}

TEST(Consistency, GradientEqualsCentralDifferencesAndStopsAtTheTeacher) {
  torch::manual_seed(2);
  const auto teacher = torch::randn({2, 3, 2, 2}, torch::kFloat64).set_requires_grad(true);
  for (const double temperature : {1.0, 3.0}) {
    const auto loss = consistency(temperature);
    testing::expect_gradient([&](const torch::Tensor& x) { return loss->forward(x, teacher); },
                             torch::randn({2, 3, 2, 2}, torch::kFloat64));
  }
  const auto x = torch::randn({2, 3, 2, 2}, torch::kFloat64).set_requires_grad(true);
  consistency()->forward(x, teacher).backward();
  EXPECT_FALSE(teacher.grad().defined());
}

TEST(Consistency, ASingleChannelIsRefused) {
  EXPECT_THROW(consistency()->forward(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 1, 2, 2})), UserError);
}

}  // namespace
}  // namespace portraitseg
