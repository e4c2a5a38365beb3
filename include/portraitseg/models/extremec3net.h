#pragma once

#include <cstdint>
#include <vector>

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/pimpl.h>

#include "portraitseg/models/model.h"
#include "portraitseg/nn/conv_bn_prelu.h"

namespace portraitseg {

/// The dilation rates of the three branches of an advanced C3 block.
using Dilations = std::vector<std::int64_t>;

/// One branch of an advanced C3 block: depthwise 3x3 of dilation d, then 1x1. For d > 1 a depthwise (2d-1)x1 and
/// 1x(2d-1) pair goes before it and gathers what the dilated kernel would step over. Keeps H and W.
class C3BranchImpl : public torch::nn::Module {
 public:
  C3BranchImpl(std::int64_t in, std::int64_t out, std::int64_t dilation);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential conv{nullptr};
};
TORCH_MODULE(C3Branch);

/// Advanced C3 block: 1x1 reduction to a third, three branches side by side, concatenation, [residual], BN, PReLU.
class AdvancedC3Impl : public torch::nn::Module {
 public:
  AdvancedC3Impl(std::int64_t in, std::int64_t out, const Dilations& dilations, bool residual);
  torch::Tensor forward(const torch::Tensor& x);

  PlainConv c1{nullptr};
  C3Branch d1{nullptr}, d2{nullptr}, d3{nullptr};
  BnPRelu bn{nullptr};

 private:
  bool residual_;
};
TORCH_MODULE(AdvancedC3);

/// The same with a 3x3 reduction of stride 2: halves H and W.
class DownAdvancedC3Impl : public torch::nn::Module {
 public:
  DownAdvancedC3Impl(std::int64_t in, std::int64_t out, const Dilations& dilations);
  torch::Tensor forward(const torch::Tensor& x);

  PlainConv c1{nullptr};
  C3Branch d1{nullptr}, d2{nullptr}, d3{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};
  torch::nn::PReLU act{nullptr};
};
TORCH_MODULE(DownAdvancedC3);

/// Options of the coarse branch; the defaults are the released network's.
struct ExtremeC3NetCoarseOptions : ModelOptions {
  std::int64_t level2_blocks = 1;  ///< the reference's p
  std::int64_t level3_blocks = 5;  ///< the reference's q
  Dilations level2_0_dilations = {1, 2, 3};
  Dilations level2_dilations = {1, 3, 4};
  Dilations level3_0_dilations = {1, 3, 5};
  Dilations level3_dilations = {2, 4, 8};

  ExtremeC3NetCoarseOptions() { num_classes = 1; }
  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
  ModelCard card() const override;
};

/// ExtremeC3Net's coarse branch alone, the first training stage: logits at 1/4 of the input.
class ExtremeC3NetCoarseImpl : public SegmentationModel {
 public:
  /// @param classifier false: as a part of ExtremeC3Net, which has none there
  ExtremeC3NetCoarseImpl(const ExtremeC3NetCoarseOptions& options, bool classifier);
  torch::Tensor features(const torch::Tensor& image);  ///< [N, 112, H / 4, W / 4]
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return 4; }

  ConvBnPRelu level1{nullptr};
  BnPRelu b1{nullptr};
  DownAdvancedC3 level2_0{nullptr};
  torch::nn::ModuleList level2{nullptr};
  BnPRelu b2{nullptr};
  AdvancedC3 level3_0{nullptr};
  torch::nn::ModuleList level3{nullptr};
  BnPRelu b3{nullptr};
  PlainConv Coarseclassifier{nullptr};
};
TORCH_MODULE(ExtremeC3NetCoarse);

struct ExtremeC3NetOptions : ExtremeC3NetCoarseOptions {
  bool fine_branch = true;
  Dilations fine_dilations = {2, 4, 8};
  bool boundary_head = false;  ///< training only, for PortraitNet's boundary loss; not in the paper

  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
  ModelCard card() const override;
};

/// ExtremeC3Net: advanced C3 blocks in a deep coarse and a shallow fine branch.
///
/// Source     Park et al. 2019, "ExtremeC3Net: Extreme Lightweight Portrait Segmentation Networks using Advanced
///            C3-modules", arXiv 1908.03093; code clovaai/ext_portrait_segmentation, models/extremeC3.py.
/// Input      [N, 3, H, W], H and W multiples of 4.
/// Output     mask: logits [N, classes, H, W]; of the coarse branch alone [N, classes, H / 4, W / 4]. The released
///            network has one class and is trained by the Lovasz hinge: portrait where the logit is above 0. With
///            boundary_head, boundary: [N, 2, H, W], from the map that the mask is made of.
/// Size       37,738 parameters (1 class), the coarse branch 33,178.
class ExtremeC3NetImpl : public SegmentationModel {
 public:
  explicit ExtremeC3NetImpl(const ExtremeC3NetOptions& options);
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return 4; }

  ExtremeC3NetCoarse encoder{nullptr};
  torch::nn::Sequential upsample{nullptr};
  torch::nn::Sequential Fine{nullptr};  ///< only with fine_branch
  torch::nn::Sequential classifier{nullptr};
  torch::nn::Sequential boundary{nullptr};  ///< only with boundary_head
};
TORCH_MODULE(ExtremeC3Net);

}  // namespace portraitseg
