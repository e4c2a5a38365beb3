#include "portraitseg/losses/lovasz_softmax.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "support/gradient_check.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> lovasz_softmax(bool per_image = false) {
  LovaszSoftmaxOptions options;
  options.per_image = per_image;
  return options.build();
}

/// One class by the set function itself: each error counts by how much its pixel adds to |M| / |{y = c} or M|, M growing from
/// the largest error on.
double extension(const std::vector<double>& errors, const std::vector<bool>& truth) {
  std::vector<std::size_t> order(errors.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return errors[a] > errors[b]; });
  double sum = 0, before = 0, wrong = 0,
         united = static_cast<double>(std::count(truth.begin(), truth.end(), true));
  for (const std::size_t pixel : order) {
    wrong += 1;
    united += truth[pixel] ? 0 : 1;
    sum += errors[pixel] * (wrong / united - before);
    before = wrong / united;
  }
  return sum;
}

double by_definition(const torch::Tensor& logits, const torch::Tensor& target) {
  const auto p = torch::softmax(logits, 1).permute({1, 0, 2, 3}).flatten(1);
  const auto labels = target.flatten();
  double sum = 0, present = 0;
  for (std::int64_t c = 0; c < logits.size(1); ++c) {
    std::vector<double> errors;
    std::vector<bool> truth;
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const auto label = labels[i].item<std::int64_t>();
      if (label == kIgnore) continue;
      truth.push_back(label == c);
      errors.push_back(std::abs((label == c ? 1.0 : 0.0) - p[c][i].item<double>()));
    }
    if (std::count(truth.begin(), truth.end(), true) == 0) continue;
    sum += extension(errors, truth);
    present += 1;
  }
  return sum / present;
}

const auto kTarget = [] {
  return torch::tensor({{{0, 1, 1}, {255, 1, 0}}, {{3, 3, 0}, {0, 0, 255}}}, torch::kInt64);
};

TEST(LovaszSoftmax, EqualsItsDefinition) {
  torch::manual_seed(1);
  const auto logits = torch::randn({2, 4, 2, 3}, torch::kFloat64), target = kTarget();
  EXPECT_NEAR(lovasz_softmax()->forward(logits, target).item<double>(), by_definition(logits, target), 1e-12);
  const double images = by_definition(logits.slice(0, 0, 1), target.slice(0, 0, 1)) +
                        by_definition(logits.slice(0, 1, 2), target.slice(0, 1, 2));
  EXPECT_NEAR(lovasz_softmax(true)->forward(logits, target).item<double>(), images / 2, 1e-12);
}

TEST(LovaszSoftmax, SureAndRightIsNearlyZeroSureAndWrongOne) {
  const auto target = torch::tensor({{{0, 1, 1, 0}}}, torch::kInt64);
  const auto logits = 100.0 * torch::stack({target == 0, target == 1}, 1).to(torch::kFloat32);
  EXPECT_NEAR(lovasz_softmax()->forward(logits, target).item<double>(), 0, 1e-6);
  EXPECT_NEAR(lovasz_softmax()->forward(-logits, target).item<double>(), 1, 1e-6);
}

TEST(LovaszSoftmax, NothingToLearnFromIsZeroWithZeroGradient) {
  for (const bool per_image : {false, true}) {
    const auto logits = torch::randn({1, 2, 4, 4}).set_requires_grad(true);
    const auto loss =
        lovasz_softmax(per_image)->forward(logits, torch::full({1, 4, 4}, kIgnore, torch::kInt64));
    loss.backward();
    EXPECT_EQ(loss.item<double>(), 0);
    EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
  }
}

TEST(LovaszSoftmax, GradientEqualsCentralDifferences) {
  torch::manual_seed(2);
  for (const bool per_image : {false, true}) {
    const auto loss = lovasz_softmax(per_image);
    testing::expect_gradient([&](const torch::Tensor& x) { return loss->forward(x, kTarget()); },
                             torch::randn({2, 4, 2, 3}, torch::kFloat64));
  }
}

TEST(LovaszSoftmax, OneChannelAndUnknownLabelsAreRefused) {
  EXPECT_THROW(lovasz_softmax()->forward(torch::zeros({1, 1, 2, 2}), torch::zeros({1, 2, 2}, torch::kInt64)),
               UserError);
  EXPECT_THROW(
      lovasz_softmax()->forward(torch::zeros({1, 2, 2, 2}), torch::full({1, 2, 2}, 2, torch::kInt64)),
      UserError);
}

}  // namespace
}  // namespace portraitseg
