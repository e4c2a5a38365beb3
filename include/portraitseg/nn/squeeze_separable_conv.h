#pragma once

#include <cstdint>

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/pimpl.h>

namespace portraitseg {

/// Squeeze-and-excitation with PReLU gates, where the papers have a sigmoid: x * dense(mean over H and W of x).
/// `divide` > 1: the bottleneck has channels / divide units; 1: one layer, no bottleneck. Keeps the shape.
class SqueezeBlockImpl : public torch::nn::Module {
 public:
  SqueezeBlockImpl(std::int64_t channels, std::int64_t divide);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential dense{nullptr};
};
TORCH_MODULE(SqueezeBlock);

/// Down-sampling by 2: depthwise 3x3 stride 2, squeeze-and-excitation, 1x1, BatchNorm, PReLU.
/// "DSConv+SE" in SINet's Table 2; `SEseparableCBR` in clova's models/SINet.py.
/// [N, in, H, W] -> [N, out, ceil(H / 2), ceil(W / 2)].
class SqueezeSeparableConvImpl : public torch::nn::Module {
 public:
  SqueezeSeparableConvImpl(std::int64_t in, std::int64_t out, std::int64_t divide, double bn_eps);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential conv{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};
  torch::nn::PReLU act{nullptr};
};
TORCH_MODULE(SqueezeSeparableConv);

}  // namespace portraitseg
