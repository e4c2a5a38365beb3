#include "portraitseg/models/sinet.h"

#include <torch/torch.h>

#include "portraitseg/nn/channel_shuffle.h"
#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

namespace nn = torch::nn;

constexpr double kEps = 1e-3;
constexpr std::int64_t kLevel2 = 16, kQuarter = 48,
                       kEighth = 96;  // channels at 1/4 (down-sampled, S2) and at 1/8

const S2Table kQuarterModules = {{{{3, 1}, {5, 1}}}, {{{3, 1}, {3, 1}}}};
const S2Table kEighthModules = {{{{3, 1}, {5, 1}}}, {{{3, 1}, {3, 1}}}, {{{5, 1}, {3, 2}}},
                                {{{5, 2}, {3, 4}}}, {{{3, 1}, {3, 1}}}, {{{5, 1}, {5, 1}}},
                                {{{3, 2}, {3, 4}}}, {{{3, 1}, {5, 2}}}};

nn::BatchNorm2d batch_norm(std::int64_t channels) {
  return nn::BatchNorm2d(nn::BatchNorm2dOptions(channels).eps(kEps));
}

nn::PReLU prelu(std::int64_t channels) {
  return nn::PReLU(nn::PReLUOptions().num_parameters(channels));
}

/// A row of S2 modules; the first one widens, so it has no residual.
nn::ModuleList s2_modules(std::int64_t in, std::int64_t out, const S2Table& table) {
  nn::ModuleList modules;
  for (const auto& blocks : table) {
    const bool first = modules->is_empty();
    modules->push_back(S2Module(first ? in : out, out, blocks, !first));
  }
  return modules;
}

torch::Tensor run(const nn::ModuleList& modules, torch::Tensor x) {
  for (const auto& module : *modules) x = module->as<S2ModuleImpl>()->forward(x);
  return x;
}

}  // namespace

S2BlockImpl::S2BlockImpl(std::int64_t in, std::int64_t out, S2BlockShape block)
    : conv(register_module(
          "conv", nn::Sequential(nn::Conv2d(same_conv(in, in, block.kernel, 1, in)), batch_norm(in)))),
      act_conv1x1(
          register_module("act_conv1x1", nn::Sequential(prelu(in), nn::Conv2d(same_conv(in, out, 1))))),
      bn(register_module("bn", batch_norm(out))),
      pool_(block.pool) {}

torch::Tensor S2BlockImpl::forward(const torch::Tensor& x) {
  if (pool_ == 1) return bn(act_conv1x1->forward(conv->forward(x)));
  const auto squeezed = torch::avg_pool2d(x, pool_);
  return bn(upsample_aligned(act_conv1x1->forward(conv->forward(squeezed)), pool_));  // D1
}

S2ModuleImpl::S2ModuleImpl(std::int64_t in, std::int64_t out, std::array<S2BlockShape, 2> blocks,
                           bool residual)
    : c1(register_module("c1", PlainConv(in, out / 2, 1, 2))),
      d1(register_module("d1", S2Block(out / 2, out - out / 2, blocks[0]))),
      d2(register_module("d2", S2Block(out / 2, out / 2, blocks[1]))),
      BR(register_module("BR", BnPRelu(out, kEps))),
      residual_(residual) {}

torch::Tensor S2ModuleImpl::forward(const torch::Tensor& x) {
  const auto reduced = shuffle_channels(c1(x), 2);
  const torch::Tensor merged = torch::cat({d1(reduced), d2(reduced)}, 1);
  return BR(residual_ ? x + merged : merged);
}

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
  const auto gate = dense->forward(x.mean({2, 3}));  // [N, C]; D2
  return gate.unsqueeze(2).unsqueeze(3) * x;
}

SqueezeSeparableConvImpl::SqueezeSeparableConvImpl(std::int64_t in, std::int64_t out, std::int64_t divide)
    : conv(register_module("conv",
                           nn::Sequential(nn::Conv2d(same_conv(in, in, 3, 2, in)), SqueezeBlock(in, divide),
                                          nn::Conv2d(same_conv(in, out, 1))))),
      bn(register_module("bn", batch_norm(out))),
      act(register_module("act", prelu(out))) {}

torch::Tensor SqueezeSeparableConvImpl::forward(const torch::Tensor& x) {
  return act(bn(conv->forward(x)));
}

SinetEncoderImpl::SinetEncoderImpl(std::int64_t num_classes)
    : level1(register_module("level1", ConvBnPRelu(3, 12, 3, 2, kEps))),
      level2_0(register_module("level2_0", SqueezeSeparableConv(12, kLevel2, 1))),
      level2(register_module("level2", s2_modules(kLevel2, kQuarter, kQuarterModules))),
      BR2(register_module("BR2", BnPRelu(kLevel2 + kQuarter, kEps))),
      level3_0(register_module("level3_0", SqueezeSeparableConv(kLevel2 + kQuarter, kQuarter, 2))),
      level3(register_module("level3", s2_modules(kQuarter, kEighth, kEighthModules))),
      BR3(register_module("BR3", BnPRelu(kQuarter + kEighth, kEps))),
      classifier(register_module("classifier", PlainConv(kQuarter + kEighth, num_classes, 1))) {}

SinetFeatures SinetEncoderImpl::features(const torch::Tensor& image) {
  check_input(image);                                          // Table 2        at 224x224
  const auto x1 = level1(image);                               // row 1     [N,  12, 112, 112]
  const auto x2_0 = level2_0(x1);                              // row 2     [N,  16,  56,  56]
  const auto x2 = run(level2, x2_0);                           // 3, 4      [N,  48,  56,  56]
  const auto x3_0 = level3_0(BR2(torch::cat({x2_0, x2}, 1)));  // row 5     [N,  48,  28,  28]
  const auto x3 = run(level3, x3_0);                           // 6 to 13   [N,  96,  28,  28]
  return {x2, classifier(BR3(torch::cat({x3_0, x3}, 1)))};     // row 14    [N, classes, 28, 28]
}

SegmentationOutput SinetEncoderImpl::forward(const torch::Tensor& image) {
  return {features(image).logits, {}};
}

SinetImpl::SinetImpl(std::int64_t num_classes)
    : encoder(register_module("encoder", SinetEncoder(num_classes))),
      bn_3(register_module("bn_3", batch_norm(num_classes))),
      level2_C(register_module("level2_C", ConvBnPRelu(kQuarter, num_classes, 1, 1, kEps))),
      bn_2(register_module("bn_2", batch_norm(num_classes))),
      classifier(register_module("classifier",
                                 nn::Sequential(nn::Functional(upsample_aligned, 2),
                                                nn::Conv2d(same_conv(num_classes, num_classes, 3))))) {}

SegmentationOutput SinetImpl::forward(const torch::Tensor& image) {
  const auto [quarter, eighth] = encoder->features(image);
  // Information blocking, Fig. 4: detail of the 1/4 map enters only where the coarse map is unsure.
  const auto coarse = bn_3(upsample_aligned(eighth, 2));  // [N, classes, 56, 56]
  const auto gate = 1 - std::get<0>(torch::softmax(coarse, 1).max(1, /*keepdim=*/true));  // [N, 1, 56, 56]
  const auto fused = bn_2(upsample_aligned(level2_C(quarter) * gate + coarse, 2));  // [N, classes, 112, 112]
  return {classifier->forward(fused), {}};                                          // [N, classes, 224, 224]
}

void SinetOptions::fields(Fields& f) {
  f("num_classes", num_classes, "background + portrait", {2, 255});
}

std::shared_ptr<SegmentationModel> SinetOptions::build() const {
  return std::make_shared<SinetImpl>(num_classes);
}

void SinetEncoderOptions::fields(Fields& f) {
  f("num_classes", num_classes, "background + portrait", {2, 255});
}

std::shared_ptr<SegmentationModel> SinetEncoderOptions::build() const {
  return std::make_shared<SinetEncoderImpl>(num_classes);
}

}  // namespace portraitseg
