#include "portraitseg/losses/focal.h"

#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/losses/cross_entropy.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> focal(double gamma = 2) {
  FocalOptions options;
  options.gamma = gamma;
  return options.build();
}

TEST(Focal, UniformLogitsWeighByTheSquareOfWhatIsMissing) {
  const auto loss = focal()->forward(torch::zeros({2, 4, 3, 3}), torch::ones({2, 3, 3}, torch::kInt64));
  EXPECT_NEAR(loss.item<double>(), std::pow(0.75, 2) * std::log(4.0), 1e-6);
}

TEST(Focal, WithGammaZeroItIsCrossEntropyInValueAndGradient) {
  torch::manual_seed(4);
  const auto target = torch::tensor({{{0, 1, 2}, {255, 1, 0}}}, torch::kInt64);
  const auto x = torch::randn({1, 3, 2, 3}, torch::kFloat64).set_requires_grad(true);
  const auto ours = focal(0)->forward(x, target);
  const auto theirs = CrossEntropyOptions().build()->forward(x, target);
  EXPECT_NEAR(ours.item<double>(), theirs.item<double>(), 1e-12);
  EXPECT_TRUE(
      torch::allclose(torch::autograd::grad({ours}, {x})[0], torch::autograd::grad({theirs}, {x})[0]));
}

TEST(Focal, NoGradientPassesThroughTheFactor) {
  // One pixel, p = softmax(z)[y]: the gradient is (1 - p)^2 times cross-entropy's, p - onehot.
  const auto x = torch::tensor({0.3, -0.4}, torch::kFloat64).view({1, 2, 1, 1}).set_requires_grad(true);
  const auto loss = focal()->forward(x, torch::ones({1, 1, 1}, torch::kInt64));
  const auto gradient = torch::autograd::grad({loss}, {x})[0].flatten();
  const double p = 1 / (1 + std::exp(0.7)), factor = (1 - p) * (1 - p);
  EXPECT_NEAR(gradient[0].item<double>(), factor * (1 - p), 1e-12);
  EXPECT_NEAR(gradient[1].item<double>(), factor * (p - 1), 1e-12);
}

TEST(Focal, IgnoredPixelsDoNotCount) {
  torch::manual_seed(1);
  const auto logits = torch::randn({1, 2, 4, 4}, torch::kFloat64);
  auto target = torch::randint(0, 2, {1, 4, 4}, torch::kInt64);
  target.index_put_({0, 0}, kIgnore);
  EXPECT_NEAR(focal()->forward(logits, target).item<double>(),
              focal()->forward(logits.slice(2, 1), target.slice(1, 1)).item<double>(), 1e-12);
}

TEST(Focal, NothingToLearnFromIsZeroWithZeroGradient) {
  const auto logits = torch::randn({1, 2, 4, 4}).set_requires_grad(true);
  const auto loss = focal()->forward(logits, torch::full({1, 4, 4}, kIgnore, torch::kInt64));
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
}

TEST(Focal, ASingleChannelIsRefused) {
  EXPECT_THROW(focal()->forward(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 2, 2}, torch::kInt64)),
               UserError);
}

}  // namespace
}  // namespace portraitseg
