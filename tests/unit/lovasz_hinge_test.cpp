#include "portraitseg/losses/lovasz_hinge.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"

#include "support/gradient_check.h"

namespace portraitseg {
namespace {

std::unique_ptr<Loss> lovasz_hinge(bool per_image = false) {
  LovaszHingeOptions options;
  options.per_image = per_image;
  return options.build();
}

TEST(LovaszHinge, SureAndRightIsZero) {
  const auto target = torch::tensor({{{0, 1, 1}, {255, 1, 0}}}, torch::kInt64);
  const auto logits = (target.unsqueeze(1).to(torch::kFloat32) == 1) * 4.0 - 2.0;
  EXPECT_EQ(lovasz_hinge()->forward(logits, target).item<double>(), 0);
}

TEST(LovaszHinge, OnAHalfLineItIsTheJaccardLoss) {
  // Errors of 0 or 1 only: hinge 1 - z * s with z = 0 at the wrong pixels and z * s = 1 at the others.
  const auto target = torch::tensor({{{1, 1, 1, 0, 0, 0}}}, torch::kInt64);
  const auto logits = torch::tensor({1.0, 1.0, 0.0, 0.0, -1.0, -1.0}).view({1, 1, 1, 6});
  // one portrait pixel missed, one wrong: IoU 2 / 4
  EXPECT_NEAR(lovasz_hinge()->forward(logits, target).item<double>(), 1 - 2.0 / 4.0, 1e-6);
}

TEST(LovaszHinge, NothingToLearnFromIsZeroWithZeroGradient) {
  const auto logits = torch::randn({1, 1, 4, 4}).set_requires_grad(true);
  const auto loss = lovasz_hinge()->forward(logits, torch::full({1, 4, 4}, kIgnore, torch::kInt64));
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
}

TEST(LovaszHinge, GradientEqualsCentralDifferences) {
  torch::manual_seed(2);
  const auto target = torch::tensor({{{0, 1, 1}, {255, 1, 0}}, {{1, 1, 0}, {0, 0, 255}}}, torch::kInt64);
  for (const bool per_image : {false, true}) {
    const auto loss = lovasz_hinge(per_image);
    testing::expect_gradient([&](const torch::Tensor& x) { return loss->forward(x, target); },
                             torch::randn({2, 1, 2, 3}, torch::kFloat64));
  }
}

TEST(LovaszHinge, SeveralChannelsAreRefused) {
  EXPECT_THROW(lovasz_hinge()->forward(torch::zeros({1, 2, 2, 2}), torch::zeros({1, 2, 2}, torch::kInt64)),
               UserError);
}

}  // namespace
}  // namespace portraitseg
