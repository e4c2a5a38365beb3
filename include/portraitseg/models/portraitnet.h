#pragma once

#include <cstdint>

#include <torch/nn/modules/container/any.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include "portraitseg/models/model.h"

namespace portraitseg {

/// MobileNetV2's inverted residual: 1x1 expansion, depthwise 3x3, 1x1 projection without activation; the input is added
/// where shapes allow. [N, in, H, W] -> [N, out, ceil(H / stride), ceil(W / stride)].
class InvertedResidualImpl : public torch::nn::Module {
 public:
  InvertedResidualImpl(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t expansion);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential conv{nullptr};

 private:
  bool residual_;
};
TORCH_MODULE(InvertedResidual);

/// Depthwise 3x3, BN, ReLU, 1x1, BN, ReLU: a Sequential that can be part of another one. Keeps H and W.
class SeparableConvImpl : public torch::nn::SequentialImpl {
 public:
  SeparableConvImpl(std::int64_t in, std::int64_t out);
  torch::Tensor forward(const torch::Tensor& x);
};
TORCH_MODULE(SeparableConv);

/// D-Block, Fig. 2(b): two depthwise separable convolutions beside a 1x1 projection of the input, added, ReLU.
class DBlockImpl : public torch::nn::Module {
 public:
  DBlockImpl(std::int64_t in, std::int64_t out);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential block{nullptr};
  torch::nn::Sequential residual{nullptr};  ///< only where in and out differ
};
TORCH_MODULE(DBlock);

/// How the decoder doubles H and W.
enum class Upsampling {
  kTransposed,  ///< transposed convolution 4x4, initialised bilinear, trained
  kGrouped,     ///< the same one channel at a time, frozen: bilinear interpolation
  kBilinear,    ///< bilinear interpolation, corners not aligned; no parameters
};

struct PortraitNetOptions : ModelOptions {
  double width_multiplier = 1;  ///< scales every channel count; none falls below 16 or its own, if smaller
  Upsampling upsampling = Upsampling::kTransposed;
  bool boundary_head = true;   ///< training only (Sec. 3.2); costs 7.2 M multiply-adds
  bool prior_channel = false;  ///< a fourth input channel: the previous frame's mask, in 0 to 1

  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
  ModelCard card() const override;
  std::int64_t input_channels() const override { return prior_channel ? 4 : 3; }
};

/// PortraitNet: MobileNetV2 encoder, five D-Block decoder steps, mask and boundary heads.
///
/// Source     Zhang et al. 2019, "PortraitNet: Real-time Portrait Segmentation Network for Mobile Device",
///            Computers & Graphics 80, Fig. 2, Sec. 3; code dong-x16/PortraitNet,
///            model/model_mobilenetv2_seg_small.py.
/// Input      [N, 3, H, W], H and W multiples of 32; with prior_channel also [N, 4, H, W], and three channels then
///            mean that there is no previous frame (a prior of zeros).
/// Output     mask and, with boundary_head, boundary: logits [N, classes, H, W].
/// Size       2,080,904 parameters (2 classes); 2,080,760 without the boundary head; 2,081,048 for the mask alone with
///            prior.
/// Deviations from the paper, all to match the reference code:
///   D1  skips are added; Sec. 3.1 says concatenated.
///   D2  the last D-Block gets no skip from the first encoder stage; Fig. 2(a) draws one.
///   D3  heads are 3x3 without bias; Fig. 2(a) says 1x1.
///   D4  the first inverted residual expands by a 1x1 convolution even at ratio 1; MobileNetV2 has none there.
/// `grouped` is frozen; the reference trains it with a learning rate of 0 (myTrain/train.py), which is the same.
class PortraitNetImpl : public SegmentationModel {
 public:
  explicit PortraitNetImpl(const PortraitNetOptions& options);
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return 32; }

  torch::nn::Sequential stage0{nullptr};
  InvertedResidual stage1{nullptr};
  torch::nn::Sequential stage2{nullptr}, stage3{nullptr}, stage4{nullptr}, stage5{nullptr}, stage6{nullptr};
  InvertedResidual stage7{nullptr};
  DBlock transit1{nullptr}, transit2{nullptr}, transit3{nullptr}, transit4{nullptr}, transit5{nullptr};
  torch::nn::AnyModule deconv1, deconv2, deconv3, deconv4, deconv5;
  torch::nn::Conv2d pred{nullptr};
  torch::nn::Conv2d edge{nullptr};  ///< only with boundary_head

 private:
  torch::nn::AnyModule upsampling(const char* key, std::int64_t channels, Upsampling kind);
  torch::Tensor with_prior(const torch::Tensor& image) const;

  bool prior_channel_;
};
TORCH_MODULE(PortraitNet);

}  // namespace portraitseg
