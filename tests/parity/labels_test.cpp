// Smoothed labels and PortraitNet's boundary target against the reference's.
#include <string>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "portraitseg/data/contour.h"
#include "portraitseg/data/smooth_label.h"
#include "portraitseg/weights/safetensors.h"

#include "support/golden.h"
#include "support/shared_data.h"

namespace portraitseg {
namespace {

using testing::golden_path;
using testing::largest_difference;
using testing::to_mat;
using testing::to_tensor;

TEST(LabelsParity, SmoothedLabelsAndTheirContoursEqualTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("preprocess.safetensors"));
  for (const std::string name : {"small", "tall", "real0"}) {
    const auto& mask = golden.at("padding." + name + ".mask");
    const auto& expected = golden.at("padding." + name + ".mask_smoothed");
    const cv::Mat smoothed = smooth_label(to_mat(mask), 5);
    EXPECT_EQ(largest_difference(to_tensor(smoothed), expected), 0) << name;
    EXPECT_GT(largest_difference(mask, expected), 0) << name;
    EXPECT_EQ(largest_difference(to_tensor(contour(smoothed)), golden.at("padding." + name + ".edge")), 0)
        << name;
  }
}

TEST(LabelsParity, ContoursEqualTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("edges.safetensors"));
  for (const std::string name : {"real0", "synthetic0", "synthetic1", "all_background", "all_foreground"}) {
    const cv::Mat target = contour(to_mat(golden.at("mask." + name)));
    EXPECT_EQ(largest_difference(to_tensor(target), golden.at("portraitnet_edge." + name)), 0) << name;
  }
}

}  // namespace
}  // namespace portraitseg
