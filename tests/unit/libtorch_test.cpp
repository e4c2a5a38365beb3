#include "portraitseg/core/libtorch.h"

#include <new>
#include <stdexcept>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <torch/types.h>
#include <torch/utils.h>

namespace portraitseg {
namespace {

torch::Dtype dtype_of_a_product() {
  return torch::mm(torch::ones({2, 2}), torch::ones({2, 2})).scalar_type();
}

TEST(Autocast, HoldsAsLongAsItLives) {
  EXPECT_EQ(dtype_of_a_product(), torch::kFloat32);
  {
    const Autocast outer(torch::kCPU, torch::kBFloat16);
    EXPECT_EQ(dtype_of_a_product(), torch::kBFloat16);
    { const Autocast inner(torch::kCPU, torch::kBFloat16); }
    EXPECT_EQ(dtype_of_a_product(), torch::kBFloat16);
  }
  EXPECT_EQ(dtype_of_a_product(), torch::kFloat32);
}

TEST(Autocast, OfFloat32ChangesNothing) {
  const Autocast none(torch::kCPU, torch::kFloat32);
  EXPECT_EQ(dtype_of_a_product(), torch::kFloat32);
}

TEST(Autocast, SeesAParameterThatHasChangedInBetween) {
  const torch::Tensor weight = torch::ones({2, 2}).requires_grad_(true);
  const auto product = [&] {
    const Autocast shorter(torch::kCPU, torch::kBFloat16);
    return torch::mm(weight, torch::ones({2, 2})).sum().item<double>();
  };
  EXPECT_EQ(product(), 8);
  {
    const torch::NoGradGuard no_grad;
    weight.mul_(2);
  }
  EXPECT_EQ(product(), 16);
}

bool allocation_fails_so(std::int64_t bytes) {
  try {
    torch::empty({bytes}, torch::kUInt8);
  } catch (const std::exception& error) {
    return is_out_of_memory(error);
  }
  return false;
}

TEST(IsOutOfMemory, KnowsTheAllocatorsErrorsAndNoOthers) {
  EXPECT_TRUE(allocation_fails_so(std::int64_t{1} << 60));
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(is_out_of_memory(std::runtime_error("CUDA error: out of memory")));
  EXPECT_TRUE(
      is_out_of_memory(cv::Exception(cv::Error::StsNoMem, "Failed to allocate 9 bytes", "f", "f", 1)));
  EXPECT_FALSE(is_out_of_memory(std::runtime_error("no such file")));
  try {
    torch::ones({2}) + torch::ones({3});
    ADD_FAILURE();
  } catch (const std::exception& error) {
    EXPECT_FALSE(is_out_of_memory(error));
  }
}

}  // namespace
}  // namespace portraitseg
