#include "portraitseg/nn/squeeze_separable_conv.h"

#include <torch/nn.h>

#include "portraitseg/nn/conv_bn_prelu.h"

namespace portraitseg {

namespace nn = torch::nn;

SqueezeBlockImpl::SqueezeBlockImpl(std::int64_t channels, std::int64_t divide) {
  if (divide > 1) {
    dense = nn::Sequential(nn::Linear(channels, channels / divide), prelu(channels / divide),
                           nn::Linear(channels / divide, channels), prelu(channels));
  } else {
    dense = nn::Sequential(nn::Linear(channels, channels), prelu(channels));
  }
  register_module("dense", dense);
}

torch::Tensor SqueezeBlockImpl::forward(const torch::Tensor& x) {
  const auto gate = dense->forward(x.mean({2, 3}));  // [N, C]
  return gate.unsqueeze(2).unsqueeze(3) * x;
}

SqueezeSeparableConvImpl::SqueezeSeparableConvImpl(std::int64_t in, std::int64_t out, std::int64_t divide,
                                                   double bn_eps)
    : conv(register_module("conv",
                           nn::Sequential(nn::Conv2d(same_conv(in, in, 3, 2, in)), SqueezeBlock(in, divide),
                                          nn::Conv2d(same_conv(in, out, 1))))),
      bn(register_module("bn", batch_norm(out, bn_eps))),
      act(register_module("act", prelu(out))) {}

torch::Tensor SqueezeSeparableConvImpl::forward(const torch::Tensor& x) {
  return act(bn(conv->forward(x)));
}

}  // namespace portraitseg
