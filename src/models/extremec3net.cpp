#include "portraitseg/models/extremec3net.h"

#include <torch/nn.h>

#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

namespace nn = torch::nn;

constexpr double kEps = 1e-3;
constexpr double kBranchEps =
    1e-5;  // PyTorch's default: the reference leaves it within the branches and `upsample`
constexpr std::int64_t kImage = 3, kLevel1 = 24, kLevel2 = 48, kLevel3 = 56, kFine = 24;  // channels

nn::Conv2d dilated_depthwise(std::int64_t channels, std::int64_t dilation) {
  return nn::Conv2d(same_conv(channels, channels, 3, 1, channels).dilation(dilation).padding(dilation));
}

nn::ModuleList blocks(std::int64_t count, std::int64_t channels, const Dilations& dilations) {
  nn::ModuleList list;
  for (std::int64_t i = 0; i < count; ++i) list->push_back(AdvancedC3(channels, channels, dilations, true));
  return list;
}

torch::Tensor run(const nn::ModuleList& blocks, torch::Tensor x) {
  for (const auto& block : *blocks) x = block->as<AdvancedC3Impl>()->forward(x);
  return x;
}

void dilations_field(Fields& f, const char* name, Dilations& dilations, const char* doc) {
  f(name, dilations, doc, {1, 64});
  f.check(dilations.size() == 3, name, "expected three rates, one a branch");
}

/// Logits at the full size from the joined branches at 1/2.
nn::Sequential head(std::int64_t classes) {
  return nn::Sequential(BnPRelu(kFine, kEps), nn::Functional(upsample_aligned, 2),
                        nn::Conv2d(same_conv(kFine, classes, 1)));
}

}  // namespace

void ExtremeC3NetCoarseOptions::fields(Fields& f) {
  f("num_classes", num_classes, "output channels; 1: portrait where the logit is above 0", {1, 255});
  f("level2_blocks", level2_blocks, "advanced C3 blocks after the down-sampling one", {1, 64});
  f("level3_blocks", level3_blocks, "advanced C3 blocks after the widening one", {1, 64});
  dilations_field(f, "level2_0_dilations", level2_0_dilations, "of the down-sampling block");
  dilations_field(f, "level2_dilations", level2_dilations, "of the blocks after it");
  dilations_field(f, "level3_0_dilations", level3_0_dilations, "of the widening block");
  dilations_field(f, "level3_dilations", level3_dilations, "of the blocks after it");
}

std::shared_ptr<SegmentationModel> ExtremeC3NetCoarseOptions::build() const {
  return std::make_shared<ExtremeC3NetCoarseImpl>(*this, /*classifier=*/true);
}

ModelCard ExtremeC3NetCoarseOptions::card() const {
  return {"ExtremeC3Net's coarse branch alone, the first training stage; answers at 1/4",
          "Park et al. 2019, clovaai/ext_portrait_segmentation"};
}

void ExtremeC3NetOptions::fields(Fields& f) {
  ExtremeC3NetCoarseOptions::fields(f);
  f("fine_branch", fine_branch, "false: the coarse branch alone reaches the classifier");
  dilations_field(f, "fine_dilations", fine_dilations, "of the fine branch's block");
  f("boundary_head", boundary_head, "second head for the boundary, of use in training only");
}

std::shared_ptr<SegmentationModel> ExtremeC3NetOptions::build() const {
  return std::make_shared<ExtremeC3NetImpl>(*this);
}

ModelCard ExtremeC3NetOptions::card() const {
  return {"advanced C3 blocks in a coarse and a fine branch",
          "Park et al. 2019, clovaai/ext_portrait_segmentation"};
}

C3BranchImpl::C3BranchImpl(std::int64_t in, std::int64_t out, std::int64_t dilation) {
  const nn::Conv2d pointwise(same_conv(in, out, 1));
  if (dilation == 1) {
    conv = nn::Sequential(dilated_depthwise(in, 1), pointwise);
  } else {
    const std::int64_t reach = 2 * dilation - 1;
    conv = nn::Sequential(depthwise_conv(in, reach, 1), batch_norm(in, kBranchEps), prelu(in),
                          depthwise_conv(in, 1, reach), batch_norm(in, kBranchEps),
                          dilated_depthwise(in, dilation), pointwise);
  }
  register_module("conv", conv);
}

torch::Tensor C3BranchImpl::forward(const torch::Tensor& x) {
  return conv->forward(x);
}

// The first branch takes the channels that a third leaves over.
AdvancedC3Impl::AdvancedC3Impl(std::int64_t in, std::int64_t out, const Dilations& dilations, bool residual)
    : c1(register_module("c1", PlainConv(in, out / 3, 1))),
      d1(register_module("d1", C3Branch(out / 3, out - 2 * (out / 3), dilations.at(0)))),
      d2(register_module("d2", C3Branch(out / 3, out / 3, dilations.at(1)))),
      d3(register_module("d3", C3Branch(out / 3, out / 3, dilations.at(2)))),
      bn(register_module("bn", BnPRelu(out, kEps))),
      residual_(residual) {}

torch::Tensor AdvancedC3Impl::forward(const torch::Tensor& x) {
  const auto reduced = c1(x);
  const torch::Tensor merged = torch::cat({d1(reduced), d2(reduced), d3(reduced)}, 1);
  return bn(residual_ ? x + merged : merged);
}

DownAdvancedC3Impl::DownAdvancedC3Impl(std::int64_t in, std::int64_t out, const Dilations& dilations)
    : c1(register_module("c1", PlainConv(in, out / 3, 3, 2))),
      d1(register_module("d1", C3Branch(out / 3, out - 2 * (out / 3), dilations.at(0)))),
      d2(register_module("d2", C3Branch(out / 3, out / 3, dilations.at(1)))),
      d3(register_module("d3", C3Branch(out / 3, out / 3, dilations.at(2)))),
      bn(register_module("bn", batch_norm(out, kEps))),
      act(register_module("act", prelu(out))) {}

torch::Tensor DownAdvancedC3Impl::forward(const torch::Tensor& x) {
  const auto reduced = c1(x);
  return act(bn(torch::cat({d1(reduced), d2(reduced), d3(reduced)}, 1)));
}

ExtremeC3NetCoarseImpl::ExtremeC3NetCoarseImpl(const ExtremeC3NetCoarseOptions& options, bool classifier)
    : level1(register_module("level1", ConvBnPRelu(3, kLevel1, 3, 2, kEps))),
      b1(register_module("b1", BnPRelu(kLevel1 + kImage, kEps))),
      level2_0(
          register_module("level2_0", DownAdvancedC3(kLevel1 + kImage, kLevel2, options.level2_0_dilations))),
      level2(register_module("level2", blocks(options.level2_blocks, kLevel2, options.level2_dilations))),
      b2(register_module("b2", BnPRelu(2 * kLevel2 + kImage, kEps))),
      level3_0(register_module("level3_0",
                               AdvancedC3(2 * kLevel2 + kImage, kLevel3, options.level3_0_dilations, false))),
      level3(register_module("level3", blocks(options.level3_blocks, kLevel3, options.level3_dilations))),
      b3(register_module("b3", BnPRelu(2 * kLevel3, kEps))) {
  if (classifier) {
    Coarseclassifier = register_module("Coarseclassifier", PlainConv(2 * kLevel3, options.num_classes, 1));
  }
}

torch::Tensor ExtremeC3NetCoarseImpl::features(const torch::Tensor& image) {
  check_input(image);                                                  //           at 224x224
  const auto half = torch::avg_pool2d(image, 2);                       // [N,   3, 112, 112]
  const auto quarter = torch::avg_pool2d(half, 2);                     // [N,   3,  56,  56]
  const auto x1 = b1(torch::cat({level1(image), half}, 1));            // [N,  27, 112, 112]
  const auto x2_0 = level2_0(x1);                                      // [N,  48,  56,  56]
  const auto x2 = run(level2, x2_0);                                   // [N,  48,  56,  56]
  const auto x3_0 = level3_0(b2(torch::cat({x2, x2_0, quarter}, 1)));  // [N,  56,  56,  56]
  const auto x3 = run(level3, x3_0);                                   // [N,  56,  56,  56]
  return b3(torch::cat({x3_0, x3}, 1));                                // [N, 112,  56,  56]
}

SegmentationOutput ExtremeC3NetCoarseImpl::forward(const torch::Tensor& image) {
  return {Coarseclassifier(features(image)), {}, {}};
}

ExtremeC3NetImpl::ExtremeC3NetImpl(const ExtremeC3NetOptions& options)
    : encoder(register_module("encoder", ExtremeC3NetCoarse(options, /*classifier=*/false))),
      upsample(register_module(
          "upsample", nn::Sequential(nn::Conv2d(same_conv(2 * kLevel3, kFine, 1)),
                                     batch_norm(kFine, kBranchEps), nn::Functional(upsample_aligned, 2)))) {
  if (options.fine_branch) {
    Fine = register_module("Fine", nn::Sequential(PlainConv(kImage, kFine, 3, 2),
                                                  AdvancedC3(kFine, kFine, options.fine_dilations, true)));
  }
  classifier = register_module("classifier", head(options.num_classes));
  if (options.boundary_head) boundary = register_module("boundary", head(2));
}

SegmentationOutput ExtremeC3NetImpl::forward(const torch::Tensor& image) {
  const auto coarse = upsample->forward(encoder->features(image));    // [N, 24, 112, 112]
  const auto joined = Fine ? coarse + Fine->forward(image) : coarse;  // [N, 24, 112, 112]
  return {classifier->forward(joined),                                // [N, classes, 224, 224]
          boundary ? boundary->forward(joined) : torch::Tensor(),
          {}};
}

}  // namespace portraitseg
