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

nn::Conv2d depthwise_conv(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return nn::Conv2d(nn::Conv2dOptions(channels, channels, {height, width})
                        .padding({(height - 1) / 2, (width - 1) / 2})
                        .groups(channels)
                        .bias(false));
}

nn::BatchNorm2d batch_norm(std::int64_t channels, double eps) {
  return nn::BatchNorm2d(nn::BatchNorm2dOptions(channels).eps(eps));
}

nn::PReLU prelu(std::int64_t channels) {
  return nn::PReLU(nn::PReLUOptions().num_parameters(channels));
}

ConvBnPReluImpl::ConvBnPReluImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                                 double bn_eps)
    : conv(register_module("conv", nn::Conv2d(same_conv(in, out, kernel, stride)))),
      bn(register_module("bn", batch_norm(out, bn_eps))),
      act(register_module("act", prelu(out))) {}

torch::Tensor ConvBnPReluImpl::forward(const torch::Tensor& x) {
  return act(bn(conv(x)));
}

BnPReluImpl::BnPReluImpl(std::int64_t channels, double bn_eps)
    : bn(register_module("bn", batch_norm(channels, bn_eps))), act(register_module("act", prelu(channels))) {}

torch::Tensor BnPReluImpl::forward(const torch::Tensor& x) {
  return act(bn(x));
}

PlainConvImpl::PlainConvImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                             std::int64_t groups)
    : conv(register_module("conv", nn::Conv2d(same_conv(in, out, kernel, stride, groups)))) {}

torch::Tensor PlainConvImpl::forward(const torch::Tensor& x) {
  return conv(x);
}

}  // namespace portraitseg
