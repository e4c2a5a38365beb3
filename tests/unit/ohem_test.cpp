#include "portraitseg/losses/ohem.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "support/gradient_check.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> ohem(double threshold, double least) {
  OhemOptions options;
  options.threshold = threshold;
  options.least = least;
  return options.build();
}

/// -log p[y] of each pixel that counts, the hardest first.
std::vector<double> sorted_losses(const torch::Tensor& logits, const torch::Tensor& target) {
  const auto log_p = torch::log_softmax(logits, 1);
  std::vector<double> losses;
  for (std::int64_t n = 0; n < target.size(0); ++n) {
    for (std::int64_t y = 0; y < target.size(1); ++y) {
      for (std::int64_t x = 0; x < target.size(2); ++x) {
        const auto label = target[n][y][x].item<std::int64_t>();
        if (label != kIgnore) losses.push_back(-log_p[n][label][y][x].item<double>());
      }
    }
  }
  std::sort(losses.begin(), losses.end(), std::greater<>());
  return losses;
}

double mean(const std::vector<double>& losses, std::size_t count) {
  return std::accumulate(losses.begin(), losses.begin() + static_cast<std::ptrdiff_t>(count), 0.0) /
         static_cast<double>(count);
}

struct Problem {
  torch::Tensor logits, target;
  std::vector<double> losses;

  Problem() {
    torch::manual_seed(3);
    logits = 2 * torch::randn({2, 3, 5, 4}, torch::kFloat64);
    target = torch::randint(0, 3, {2, 5, 4}, torch::kInt64);
    target[0][0][0] = kIgnore;
    target[1][4][3] = kIgnore;
    losses = sorted_losses(logits, target);
  }
};

TEST(Ohem, IsTheMeanOfThePixelsBelowTheThreshold) {
  const Problem problem;
  const auto hard = static_cast<std::size_t>(std::count_if(
      problem.losses.begin(), problem.losses.end(), [](double loss) { return std::exp(-loss) < 0.5; }));
  ASSERT_GT(hard, 4);
  ASSERT_LT(hard, problem.losses.size());
  EXPECT_NEAR(ohem(0.5, 0.1)->forward(problem.logits, problem.target).item<double>(),
              mean(problem.losses, hard), 1e-12);
}

TEST(Ohem, IsAtLeastTheGivenShareOfThePixels) {
  const Problem problem;
  ASSERT_EQ(problem.losses.size(), 38);
  EXPECT_NEAR(ohem(1e-6, 0.5)->forward(problem.logits, problem.target).item<double>(),
              mean(problem.losses, 19), 1e-12);
  EXPECT_NEAR(ohem(1e-6, 0.51)->forward(problem.logits, problem.target).item<double>(),
              mean(problem.losses, 20), 1e-12);
  EXPECT_NEAR(ohem(1e-6, 1)->forward(problem.logits, problem.target).item<double>(), mean(problem.losses, 38),
              1e-12);
}

TEST(Ohem, NothingToLearnFromIsZeroWithZeroGradient) {
  const auto logits = torch::randn({1, 2, 4, 4}).set_requires_grad(true);
  const auto loss = ohem(0.7, 0.1)->forward(logits, torch::full({1, 4, 4}, kIgnore, torch::kInt64));
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
}

TEST(Ohem, GradientEqualsCentralDifferences) {
  const Problem problem;
  const auto loss = ohem(0.5, 0.1);
  testing::expect_gradient([&](const torch::Tensor& x) { return loss->forward(x, problem.target); },
                           problem.logits);
}

TEST(Ohem, OneChannelIsRefused) {
  EXPECT_THROW(ohem(0.7, 0.1)->forward(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 2, 2}, torch::kInt64)),
               UserError);
}

TEST(Ohem, UnknownLabelsAreRefused) {
  EXPECT_THROW(ohem(0.7, 0.1)->forward(torch::zeros({1, 2, 2, 2}), torch::full({1, 2, 2}, 2, torch::kInt64)),
               UserError);
}

}  // namespace
}  // namespace portraitseg
