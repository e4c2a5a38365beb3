#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include "portraitseg/models/model.h"
#include "portraitseg/nn/conv_bn_prelu.h"

namespace portraitseg {

/// Table 2 writes it [k, p].
struct S2BlockShape {
  std::int64_t kernel;  ///< of the depthwise convolution
  std::int64_t pool;    ///< average pooling before it and up-sampling after it; 1: none
};

/// The two S2 blocks of each module, paper Table 2 rows 3, 4 and 6 to 13.
using S2Table = std::vector<std::array<S2BlockShape, 2>>;

/// One S2 block: [pool] - depthwise kxk - BN - PReLU - 1x1 - [up] - BN. Keeps H and W.
class S2BlockImpl : public torch::nn::Module {
 public:
  S2BlockImpl(std::int64_t in, std::int64_t out, S2BlockShape block);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential conv{nullptr};
  torch::nn::Sequential act_conv1x1{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};

 private:
  std::int64_t pool_;
};
TORCH_MODULE(S2Block);

/// S2 module, Fig. 3: grouped 1x1 reduction, channel shuffle, two S2 blocks side by side, concatenation, residual.
class S2ModuleImpl : public torch::nn::Module {
 public:
  S2ModuleImpl(std::int64_t in, std::int64_t out, std::array<S2BlockShape, 2> blocks, bool residual);
  torch::Tensor forward(const torch::Tensor& x);

  PlainConv c1{nullptr};
  S2Block d1{nullptr}, d2{nullptr};
  BnPRelu BR{nullptr};

 private:
  bool residual_;
};
TORCH_MODULE(S2Module);

/// Squeeze-and-excitation with PReLU gates: x * dense(mean over H and W of x).
class SqueezeBlockImpl : public torch::nn::Module {
 public:
  SqueezeBlockImpl(std::int64_t channels, std::int64_t divide);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential dense{nullptr};
};
TORCH_MODULE(SqueezeBlock);

/// Down-sampling by 2: depthwise 3x3 stride 2, squeeze-and-excitation, 1x1, BN, PReLU ("DSConv+SE" in Table 2).
class SqueezeSeparableConvImpl : public torch::nn::Module {
 public:
  SqueezeSeparableConvImpl(std::int64_t in, std::int64_t out, std::int64_t divide);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential conv{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};
  torch::nn::PReLU act{nullptr};
};
TORCH_MODULE(SqueezeSeparableConv);

/// Feature maps of the encoder that the decoder needs.
struct SinetFeatures {
  torch::Tensor quarter;  ///< [N, 48, H / 4, W / 4]
  torch::Tensor logits;   ///< [N, classes, H / 8, W / 8]
};

/// SINet's encoder alone: logits at 1/8 of the input.
class SinetEncoderImpl : public SegmentationModel {
 public:
  explicit SinetEncoderImpl(std::int64_t num_classes);
  SinetFeatures features(const torch::Tensor& image);
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return 32; }

  ConvBnPRelu level1{nullptr};
  SqueezeSeparableConv level2_0{nullptr};
  torch::nn::ModuleList level2{nullptr};
  BnPRelu BR2{nullptr};
  SqueezeSeparableConv level3_0{nullptr};
  torch::nn::ModuleList level3{nullptr};
  BnPRelu BR3{nullptr};
  PlainConv classifier{nullptr};
};
TORCH_MODULE(SinetEncoder);

/// SINet: spatial-squeeze (S2) modules and an information-blocking decoder.
///
/// Source     Park et al. 2020, "SINet: Extreme Lightweight Portrait Segmentation Networks with Spatial Squeeze
///            Modules and Information Blocking Decoder", arXiv 1911.09099, Table 2, Fig. 3 and 4;
///            code clovaai/ext_portrait_segmentation, models/SINet.py.
/// Input      [N, 3, H, W], H and W multiples of 32: the S2 blocks pool the 1/8 map by up to 4.
/// Output     mask: logits [N, classes, H, W]; of the encoder alone [N, classes, H / 8, W / 8].
/// Size       86,910 parameters (2 classes), the encoder 86,764.
/// Deviations from the paper, all to match the reference code:
///   D1  an S2 block normalises after up-sampling, and up-samples with aligned corners.
///   D2  squeeze-and-excitation scales by a PReLU, not by a sigmoid.
class SinetImpl : public SegmentationModel {
 public:
  explicit SinetImpl(std::int64_t num_classes);
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return 32; }

  SinetEncoder encoder{nullptr};
  torch::nn::BatchNorm2d bn_3{nullptr};
  ConvBnPRelu level2_C{nullptr};
  torch::nn::BatchNorm2d bn_2{nullptr};
  torch::nn::Sequential classifier{nullptr};
};
TORCH_MODULE(Sinet);

/// `num_classes` is at least 2: over one channel the softmax confidence is 1 and blocks every skip for good.
struct SinetOptions : ModelOptions {
  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
};

struct SinetEncoderOptions : ModelOptions {
  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
};

}  // namespace portraitseg
