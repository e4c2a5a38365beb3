#pragma once

#include <functional>

#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace portraitseg::testing {

/// Compares autograd's gradient of a scalar function at `x` (float64) with central differences.
inline void expect_gradient(const std::function<torch::Tensor(const torch::Tensor&)>& function,
                            const torch::Tensor& x, double tolerance = 1e-7) {
  constexpr double kStep = 1e-6;
  const auto input = x.detach().clone().set_requires_grad(true);
  const auto gradient = torch::autograd::grad({function(input)}, {input})[0].flatten();
  const torch::NoGradGuard no_grad;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const auto moved = [&](double by) {
      auto copy = x.detach().clone();
      copy.view(-1)[i] += by;
      return function(copy).item<double>();
    };
    const double numeric = (moved(kStep) - moved(-kStep)) / (2 * kStep);
    EXPECT_NEAR(gradient[i].item<double>(), numeric, tolerance) << "element " << i;
  }
}

}  // namespace portraitseg::testing
