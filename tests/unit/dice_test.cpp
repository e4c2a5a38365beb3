#include "portraitseg/losses/dice.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "support/gradient_check.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> dice(double smooth) {
  DiceOptions options;
  options.smooth = smooth;
  return options.build();
}

TEST(Dice, EqualsItsFormulaPixelByPixel) {
  torch::manual_seed(1);
  const auto target = torch::tensor({{{0, 1, 1}, {255, 1, 0}}, {{1, 1, 0}, {0, 2, 255}}}, torch::kInt64);
  const auto logits = torch::randn({2, 3, 2, 3}, torch::kFloat64), p = torch::softmax(logits, 1);
  double expected = 1;
  for (std::int64_t c = 0; c < 3; ++c) {
    double common = 0, both = 0;
    for (std::int64_t n = 0; n < 2; ++n) {
      for (std::int64_t i = 0; i < 6; ++i) {
        const auto label = target[n][i / 3][i % 3].item<std::int64_t>();
        if (label == kIgnore) continue;
        const double probability = p[n][c][i / 3][i % 3].item<double>(), truth = label == c ? 1 : 0;
        common += probability * truth;
        both += probability + truth;
      }
    }
    expected -= (2 * common + 0.5) / (both + 0.5) / 3;
  }
  EXPECT_NEAR(dice(0.5)->forward(logits, target).item<double>(), expected, 1e-12);
}

TEST(Dice, OfOneChannelIsThatOfThePortrait) {
  const auto target = torch::tensor({{{0, 1, 1, 255}}}, torch::kInt64);
  const auto logits = torch::tensor({0.3, -0.2, 1.5, 9.0}, torch::kFloat64).view({1, 1, 1, 4});
  const auto p = torch::sigmoid(logits.flatten().slice(0, 0, 3));
  const double common = (p[1] + p[2]).item<double>(), both = p.sum().item<double>() + 2;
  EXPECT_NEAR(dice(1)->forward(logits, target).item<double>(), 1 - (2 * common + 1) / (both + 1), 1e-12);
}

TEST(Dice, AClassThatIsNowhereCostsWhatIsPredictedOfIt) {
  const auto target = torch::zeros({1, 16, 16}, torch::kInt64);
  const auto right = torch::stack({torch::full({1, 16, 16}, 50.0), torch::zeros({1, 16, 16})}, 1);
  EXPECT_NEAR(dice(1)->forward(right, target).item<double>(), 0, 1e-6);
  EXPECT_GT(dice(1)->forward(-right, target).item<double>(), 0.99);
}

TEST(Dice, NothingToLearnFromIsZeroWithZeroGradient) {
  const auto logits = torch::randn({1, 2, 4, 4}).set_requires_grad(true);
  const auto loss = dice(1)->forward(logits, torch::full({1, 4, 4}, kIgnore, torch::kInt64));
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
}

TEST(Dice, GradientEqualsCentralDifferences) {
  torch::manual_seed(2);
  const auto target = torch::tensor({{{0, 1, 1}, {255, 1, 0}}, {{1, 1, 0}, {0, 0, 255}}}, torch::kInt64);
  for (const std::int64_t channels : {1, 2, 3}) {
    const auto loss = dice(1);
    testing::expect_gradient([&](const torch::Tensor& x) { return loss->forward(x, target); },
                             torch::randn({2, channels, 2, 3}, torch::kFloat64));
  }
}

TEST(Dice, UnknownLabelsAreRefused) {
  EXPECT_THROW(dice(1)->forward(torch::zeros({1, 2, 2, 2}), torch::full({1, 2, 2}, 2, torch::kInt64)),
               UserError);
}

}  // namespace
}  // namespace portraitseg
