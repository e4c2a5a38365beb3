#include "portraitseg/losses/cross_entropy.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "support/gradient_check.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> cross_entropy(std::vector<double> class_weights = {}) {
  CrossEntropyOptions options;
  options.class_weights = std::move(class_weights);
  return options.build();
}

TEST(CrossEntropy, UniformLogitsGiveTheLogarithmOfTheClasses) {
  const auto loss =
      cross_entropy()->forward(torch::zeros({2, 3, 4, 4}), torch::ones({2, 4, 4}, torch::kInt64));
  EXPECT_NEAR(loss.item<double>(), std::log(3.0), 1e-6);
}

TEST(CrossEntropy, IgnoredPixelsDoNotCount) {
  torch::manual_seed(1);
  const auto logits = torch::randn({1, 2, 4, 4}, torch::kFloat64);
  auto target = torch::randint(0, 2, {1, 4, 4}, torch::kInt64);
  target.index_put_({0, 0}, kIgnore);
  const auto whole = cross_entropy({2, 3})->forward(logits, target);
  const auto part = cross_entropy({2, 3})->forward(logits.slice(2, 1), target.slice(1, 1));
  EXPECT_NEAR(whole.item<double>(), part.item<double>(), 1e-12);
}

TEST(CrossEntropy, NothingToLearnFromIsZeroWithZeroGradient) {
  const auto logits = torch::randn({1, 2, 4, 4}).set_requires_grad(true);
  const auto loss = cross_entropy()->forward(logits, torch::full({1, 4, 4}, kIgnore, torch::kInt64));
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
}

TEST(CrossEntropy, GradientEqualsCentralDifferences) {
  torch::manual_seed(2);
  const auto target = torch::tensor({{{0, 1, 2}, {255, 1, 0}}}, torch::kInt64);
  const auto loss = cross_entropy({1, 2, 0.5});
  testing::expect_gradient([&](const torch::Tensor& x) { return loss->forward(x, target); },
                           torch::randn({1, 3, 2, 3}, torch::kFloat64));
}

TEST(CrossEntropy, ASingleChannelIsRefused) {
  EXPECT_THROW(cross_entropy()->forward(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 2, 2}, torch::kInt64)),
               UserError);
}

TEST(CrossEntropy, WrongNumberOfClassWeightsIsRefused) {
  EXPECT_THROW(
      cross_entropy({1, 2, 3})->forward(torch::zeros({1, 2, 2, 2}), torch::zeros({1, 2, 2}, torch::kInt64)),
      UserError);
}

}  // namespace
}  // namespace portraitseg
