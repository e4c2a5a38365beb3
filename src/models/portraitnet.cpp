#include "portraitseg/models/portraitnet.h"

#include <algorithm>

#include <torch/nn.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/nn/conv_bn_prelu.h"
#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

namespace nn = torch::nn;

constexpr double kEps = 1e-5;
constexpr std::int64_t kMinChannels = 16;

const Names<Upsampling> kUpsamplings = {{"transposed", Upsampling::kTransposed},
                                        {"grouped", Upsampling::kGrouped},
                                        {"bilinear", Upsampling::kBilinear}};

/// `count` inverted residuals; the first one has the stride.
nn::Sequential stage(std::int64_t in, std::int64_t out, std::int64_t count, std::int64_t stride) {
  nn::Sequential blocks;
  for (std::int64_t i = 0; i < count; ++i) {
    blocks->push_back(InvertedResidual(i == 0 ? in : out, out, i == 0 ? stride : 1, 6));
  }
  return blocks;
}

/// Sets a transposed 4x4 convolution of stride 2 to bilinear interpolation. Where channels are not grouped, the reference
/// gives every pair of channels this kernel.
void initialise_bilinear(torch::Tensor weight) {
  const auto ramp = torch::tensor({0.25, 0.75, 0.75, 0.25}, weight.options());
  const torch::NoGradGuard no_grad;
  weight.copy_((ramp.unsqueeze(1) * ramp).expand_as(weight));
}

/// Kaiming-normal convolutions, bilinear transposed ones; BatchNorm starts at 1 and 0 by itself.
void initialise(nn::Module& network) {
  network.apply([](nn::Module& module) {
    if (auto* conv = module.as<nn::Conv2dImpl>()) nn::init::kaiming_normal_(conv->weight);
    if (auto* deconv = module.as<nn::ConvTranspose2dImpl>()) initialise_bilinear(deconv->weight);
  });
}

}  // namespace

void PortraitNetOptions::fields(Fields& f) {
  f("num_classes", num_classes, "output channels; 2: background + portrait", {1, 255});
  f("width_multiplier", width_multiplier, "scales every channel count", {0.05, 8});
  f.choice("upsampling", upsampling, kUpsamplings, "of the decoder; grouped: frozen bilinear kernels");
  f("boundary_head", boundary_head, "second head for the boundary, of use in training only (Sec. 3.2)");
  f("prior_channel", prior_channel,
    "fourth input channel: the previous frame's mask; zeros where none is given");
}

std::shared_ptr<SegmentationModel> PortraitNetOptions::build() const {
  return std::make_shared<PortraitNetImpl>(*this);
}

ModelCard PortraitNetOptions::card() const {
  return {"MobileNetV2 encoder, U-shape, mask and boundary heads", "Zhang et al. 2019, dong-x16/PortraitNet"};
}

InvertedResidualImpl::InvertedResidualImpl(std::int64_t in, std::int64_t out, std::int64_t stride,
                                           std::int64_t expansion)
    : residual_(stride == 1 && in == out) {
  const std::int64_t wide = in * expansion;
  conv = register_module(
      "conv", nn::Sequential(nn::Conv2d(same_conv(in, wide, 1)), batch_norm(wide, kEps), nn::ReLU(),
                             nn::Conv2d(same_conv(wide, wide, 3, stride, wide)), batch_norm(wide, kEps),
                             nn::ReLU(), nn::Conv2d(same_conv(wide, out, 1)), batch_norm(out, kEps)));
}

torch::Tensor InvertedResidualImpl::forward(const torch::Tensor& x) {
  const torch::Tensor y = conv->forward(x);
  return residual_ ? x + y : y;
}

SeparableConvImpl::SeparableConvImpl(std::int64_t in, std::int64_t out)
    : SequentialImpl(nn::Conv2d(same_conv(in, in, 3, 1, in)), batch_norm(in, kEps), nn::ReLU(),
                     nn::Conv2d(same_conv(in, out, 1)), batch_norm(out, kEps), nn::ReLU()) {}

torch::Tensor SeparableConvImpl::forward(const torch::Tensor& x) {
  return SequentialImpl::forward(x);
}

DBlockImpl::DBlockImpl(std::int64_t in, std::int64_t out)
    : block(register_module(
          "block", nn::Sequential(SeparableConv(in, out), nn::Conv2d(same_conv(out, out, 3, 1, out)),
                                  batch_norm(out, kEps), nn::ReLU(), nn::Conv2d(same_conv(out, out, 1)),
                                  batch_norm(out, kEps)))) {
  if (in == out) return;
  residual =
      register_module("residual", nn::Sequential(nn::Conv2d(same_conv(in, out, 1)), batch_norm(out, kEps)));
}

torch::Tensor DBlockImpl::forward(const torch::Tensor& x) {
  return torch::relu(block->forward(x) + (residual ? residual->forward(x) : x));
}

PortraitNetImpl::PortraitNetImpl(const PortraitNetOptions& options) : prior_channel_(options.prior_channel) {
  const auto width = [&](std::int64_t channels) {
    return std::max(std::min(channels, kMinChannels),
                    static_cast<std::int64_t>(static_cast<double>(channels) * options.width_multiplier));
  };
  const std::int64_t c8 = width(8), c16 = width(16), c24 = width(24), c32 = width(32), c64 = width(64),
                     c96 = width(96), c160 = width(160), c320 = width(320);
  // Encoder: MobileNetV2, Sandler et al. 2018, Table 2
  stage0 = register_module("stage0", nn::Sequential(nn::Conv2d(same_conv(prior_channel_ ? 4 : 3, c32, 3, 2)),
                                                    batch_norm(c32, kEps), nn::ReLU()));
  stage1 = register_module("stage1", InvertedResidual(c32, c16, 1, 1));  // D4
  stage2 = register_module("stage2", stage(c16, c24, 2, 2));
  stage3 = register_module("stage3", stage(c24, c32, 3, 2));
  stage4 = register_module("stage4", stage(c32, c64, 4, 2));
  stage5 = register_module("stage5", stage(c64, c96, 3, 1));
  stage6 = register_module("stage6", stage(c96, c160, 3, 2));
  stage7 = register_module("stage7", InvertedResidual(c160, c320, 1, 6));
  // Decoder
  deconv1 = upsampling("deconv1", c96, options.upsampling);
  deconv2 = upsampling("deconv2", c32, options.upsampling);
  deconv3 = upsampling("deconv3", c24, options.upsampling);
  deconv4 = upsampling("deconv4", c16, options.upsampling);
  deconv5 = upsampling("deconv5", c8, options.upsampling);
  transit1 = register_module("transit1", DBlock(c320, c96));
  transit2 = register_module("transit2", DBlock(c96, c32));
  transit3 = register_module("transit3", DBlock(c32, c24));
  transit4 = register_module("transit4", DBlock(c24, c16));
  transit5 = register_module("transit5", DBlock(c16, c8));
  // Heads
  pred = register_module("pred", nn::Conv2d(same_conv(c8, options.num_classes, 3)));
  if (options.boundary_head) {
    edge = register_module("edge", nn::Conv2d(same_conv(c8, options.num_classes, 3)));
  }
  initialise(*this);
}

nn::AnyModule PortraitNetImpl::upsampling(const char* key, std::int64_t channels, Upsampling kind) {
  if (kind == Upsampling::kBilinear) {
    return nn::AnyModule(nn::Functional(
        [](const torch::Tensor& x) { return resize_logits(x, 2 * x.size(2), 2 * x.size(3)); }));
  }
  const bool grouped = kind == Upsampling::kGrouped;
  const nn::ConvTranspose2d deconv(nn::ConvTranspose2dOptions(channels, channels, 4)
                                       .stride(2)
                                       .padding(1)
                                       .groups(grouped ? channels : 1)
                                       .bias(false));
  if (grouped) deconv->weight.set_requires_grad(false);
  return nn::AnyModule(register_module(key, deconv));
}

torch::Tensor PortraitNetImpl::with_prior(const torch::Tensor& image) const {
  if (!prior_channel_ || image.size(1) == 4) return image;
  return torch::cat({image, torch::zeros_like(image.slice(1, 0, 1))}, 1);
}

SegmentationOutput PortraitNetImpl::forward(const torch::Tensor& image) {
  check_input(image);
  // Encoder, Fig. 2(a) left                                            at 224x224
  const auto e1 = stage1(stage0->forward(with_prior(image)));  // [N,  16, 112, 112]
  const auto e2 = stage2->forward(e1);                         // [N,  24,  56,  56]
  const auto e3 = stage3->forward(e2);                         // [N,  32,  28,  28]
  const auto e4 = stage5->forward(stage4->forward(e3));        // [N,  96,  14,  14]
  const auto e5 = stage7(stage6->forward(e4));                 // [N, 320,   7,   7]
  // Decoder, Fig. 2(a) right: D-Block, then twice the size; skips added (D1)
  const auto d1 = deconv1.forward(transit1(e5));             // [N,  96,  14,  14]
  const auto d2 = deconv2.forward(transit2(d1 + e4));        // [N,  32,  28,  28]
  const auto d3 = deconv3.forward(transit3(d2 + e3));        // [N,  24,  56,  56]
  const auto d4 = deconv4.forward(transit4(d3 + e2));        // [N,  16, 112, 112]
  const auto d5 = deconv5.forward(transit5(d4));             // [N,   8, 224, 224], no skip (D2)
  return {pred(d5), edge ? edge(d5) : torch::Tensor(), {}};  // [N, classes, 224, 224] (D3)
}

}  // namespace portraitseg
