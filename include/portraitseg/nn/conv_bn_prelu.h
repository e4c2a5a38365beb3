#pragma once

#include <cstdint>

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

namespace portraitseg {

/// Convolution, BatchNorm, PReLU with one slope a channel; no bias, padding (kernel - 1) / 2.
/// Keys `conv`, `bn`, `act`: the `CBR` of SINet and ExtremeC3Net (clova models/SINet.py, models/extremeC3.py).
/// [N, in, H, W] -> [N, out, ceil(H / stride), ceil(W / stride)].
class ConvBnPReluImpl : public torch::nn::Module {
 public:
  ConvBnPReluImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, double bn_eps);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Conv2d conv{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};
  torch::nn::PReLU act{nullptr};
};
TORCH_MODULE(ConvBnPRelu);

/// BatchNorm, PReLU. Keys `bn`, `act`: the `BR` of SINet and ExtremeC3Net. Keeps the shape.
class BnPReluImpl : public torch::nn::Module {
 public:
  BnPReluImpl(std::int64_t channels, double bn_eps);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::BatchNorm2d bn{nullptr};
  torch::nn::PReLU act{nullptr};
};
TORCH_MODULE(BnPRelu);

/// A bare convolution under the key `conv`, without bias: the `C` of SINet and ExtremeC3Net.
class PlainConvImpl : public torch::nn::Module {
 public:
  PlainConvImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                std::int64_t groups = 1);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Conv2d conv{nullptr};
};
TORCH_MODULE(PlainConv);

/// Options of a square convolution without bias that keeps H and W at stride 1.
torch::nn::Conv2dOptions same_conv(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                   std::int64_t stride = 1, std::int64_t groups = 1);

/// Depthwise convolution of an odd kernel height x width without bias; keeps H and W.
torch::nn::Conv2d depthwise_conv(std::int64_t channels, std::int64_t height, std::int64_t width);

torch::nn::BatchNorm2d batch_norm(std::int64_t channels, double eps);

/// One slope a channel, 0.25 at the start.
torch::nn::PReLU prelu(std::int64_t channels);

}  // namespace portraitseg
