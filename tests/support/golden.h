#pragma once

#include <cstring>

#include <opencv2/core.hpp>
#include <torch/types.h>

namespace portraitseg::testing {

/// A U8 tensor [H, W] or [H, W, 3] as CV_8UC1 or CV_8UC3.
inline cv::Mat to_mat(const torch::Tensor& tensor) {
  const auto bytes = tensor.to(torch::kUInt8).contiguous();
  cv::Mat mat(static_cast<int>(bytes.size(0)), static_cast<int>(bytes.size(1)),
              bytes.dim() == 3 ? CV_8UC3 : CV_8UC1);
  std::memcpy(mat.data, bytes.data_ptr(), bytes.nbytes());
  return mat;
}

/// CV_8UC1 as a U8 tensor [H, W].
inline torch::Tensor to_tensor(const cv::Mat& mat) {
  return torch::from_blob(mat.clone().data, {mat.rows, mat.cols}, torch::kUInt8).clone();
}

inline double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

}  // namespace portraitseg::testing
