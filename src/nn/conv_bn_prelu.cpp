#include "portraitseg/nn/conv_bn_prelu.h"

namespace portraitseg {

namespace nn = torch::nn;

nn::Conv2dOptions same_conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                            std::int64_t groups) {
  return nn::Conv2dOptions(in, out, kernel)
      .stride(stride)
      .padding((kernel - 1) / 2)
      .groups(groups)
      .bias(false);
}

ConvBnPReluImpl::ConvBnPReluImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                                 double bn_eps)
    : conv(register_module("conv", nn::Conv2d(same_conv(in, out, kernel, stride)))),
      bn(register_module("bn", nn::BatchNorm2d(nn::BatchNorm2dOptions(out).eps(bn_eps)))),
      act(register_module("act", nn::PReLU(nn::PReLUOptions().num_parameters(out)))) {}

torch::Tensor ConvBnPReluImpl::forward(const torch::Tensor& x) {
  return act(bn(conv(x)));
}

BnPReluImpl::BnPReluImpl(std::int64_t channels, double bn_eps)
    : bn(register_module("bn", nn::BatchNorm2d(nn::BatchNorm2dOptions(channels).eps(bn_eps)))),
      act(register_module("act", nn::PReLU(nn::PReLUOptions().num_parameters(channels)))) {}

torch::Tensor BnPReluImpl::forward(const torch::Tensor& x) {
  return act(bn(x));
}

PlainConvImpl::PlainConvImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t groups)
    : conv(register_module("conv", nn::Conv2d(same_conv(in, out, kernel, 1, groups)))) {}

torch::Tensor PlainConvImpl::forward(const torch::Tensor& x) {
  return conv(x);
}

}  // namespace portraitseg
