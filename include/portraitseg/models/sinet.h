#pragma once

#include <cstdint>
#include <vector>

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include "portraitseg/models/model.h"
#include "portraitseg/nn/conv_bn_prelu.h"
#include "portraitseg/nn/squeeze_separable_conv.h"

namespace portraitseg {

/// The S2 modules of a level, one a row: [k1, p1, k2, p2], kernel and pooling of its two S2 blocks ([k, p] in Table 2).
using S2Table = std::vector<std::vector<std::int64_t>>;

/// One S2 block: [average pooling p] - depthwise k x k - BN - PReLU - 1x1 - [up-sampling p] - BN. Keeps H and W.
class S2BlockImpl : public torch::nn::Module {
 public:
  S2BlockImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t pool);
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
  S2ModuleImpl(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& blocks, bool residual);
  torch::Tensor forward(const torch::Tensor& x);

  PlainConv c1{nullptr};
  S2Block d1{nullptr}, d2{nullptr};
  BnPRelu BR{nullptr};

 private:
  bool residual_;
};
TORCH_MODULE(S2Module);

/// Options of the encoder; the defaults are Table 2. Table 5's networks have one [k, p] everywhere.
struct SinetEncoderOptions : ModelOptions {
  S2Table level2 = {{3, 1, 5, 1}, {3, 1, 3, 1}};  ///< at 1/4, rows 3 and 4
  S2Table level3 = {{3, 1, 5, 1}, {3, 1, 3, 1}, {5, 1, 3, 2}, {5, 2, 3, 4},
                    {3, 1, 3, 1}, {5, 1, 5, 1}, {3, 2, 3, 4}, {3, 1, 5, 2}};  ///< at 1/8, rows 6 to 13

  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
  ModelCard card() const override;

  /// The pooled maps come out whole only if H and W are multiples of this; 32 for Table 2.
  std::int64_t size_multiple() const;
};

/// Feature maps of the encoder that the decoder needs.
struct SinetFeatures {
  torch::Tensor quarter;  ///< [N, 48, H / 4, W / 4]
  torch::Tensor logits;   ///< [N, classes, H / 8, W / 8]
};

/// SINet's encoder alone: logits at 1/8 of the input.
class SinetEncoderImpl : public SegmentationModel {
 public:
  explicit SinetEncoderImpl(const SinetEncoderOptions& options);
  SinetFeatures features(const torch::Tensor& image);
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return size_multiple_; }

  ConvBnPRelu level1{nullptr};
  SqueezeSeparableConv level2_0{nullptr};
  torch::nn::ModuleList level2{nullptr};
  BnPRelu BR2{nullptr};
  SqueezeSeparableConv level3_0{nullptr};
  torch::nn::ModuleList level3{nullptr};
  BnPRelu BR3{nullptr};
  PlainConv classifier{nullptr};

 private:
  std::int64_t size_multiple_;
};
TORCH_MODULE(SinetEncoder);

/// How the decoder joins the detail of the 1/4 map with the coarse map (Table 4).
enum class SinetDecoder {
  kInformationBlocking,  ///< detail * (1 - c) + coarse, c the coarse map's largest class probability
  kReverse,              ///< detail * c + coarse
  kNone,                 ///< detail + coarse
  kGau,                  ///< detail * gate + coarse, one gate a channel from the mean of the coarse map
};

/// `num_classes` is at least 2 where confidence gates: over one channel it is always 1.
struct SinetOptions : SinetEncoderOptions {
  SinetDecoder decoder = SinetDecoder::kInformationBlocking;
  bool boundary_head = false;  ///< training only, for PortraitNet's boundary loss; not in the paper

  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
  ModelCard card() const override;
};

/// SINet: spatial-squeeze (S2) modules and an information-blocking decoder.
///
/// Source     Park et al. 2020, "SINet: Extreme Lightweight Portrait Segmentation Networks with Spatial Squeeze
///            Modules and Information Blocking Decoder", arXiv 1911.09099, Table 2, Fig. 3 and 4;
///            code clovaai/ext_portrait_segmentation, models/SINet.py.
/// Input      [N, 3, H, W], H and W multiples of size_multiple(): 32 with Table 2, whose blocks pool the 1/8 map by up
///            to 4.
/// Output     mask: logits [N, classes, H, W]; of the encoder alone [N, classes, H / 8, W / 8]. With boundary_head,
///            boundary: [N, 2, H, W], from the map that the mask is made of.
/// Size       86,910 parameters (2 classes), the encoder 86,764.
/// Deviations from the paper, all to match the reference code:
///   D1  an S2 block normalises after up-sampling, and up-samples with aligned corners.
///   D2  squeeze-and-excitation scales by a PReLU, not by a sigmoid.
/// Of Table 4's other decoders there is no code:
///   D3  `gau` is the Global Attention Upsample of Li et al. 2018 (PAN, Fig. 4) on class maps; its 1x1 convolution of
///       the mean has a bias in place of BatchNorm, which has no variance to work with at one value an image.
class SinetImpl : public SegmentationModel {
 public:
  explicit SinetImpl(const SinetOptions& options);
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return encoder->size_multiple(); }

  SinetEncoder encoder{nullptr};
  torch::nn::BatchNorm2d bn_3{nullptr};
  ConvBnPRelu level2_C{nullptr};
  torch::nn::Conv2d gau{nullptr};  ///< only with that decoder
  torch::nn::BatchNorm2d bn_2{nullptr};
  torch::nn::Sequential classifier{nullptr};
  torch::nn::Sequential boundary{nullptr};  ///< only with boundary_head

 private:
  torch::Tensor gated(const torch::Tensor& detail, const torch::Tensor& coarse);

  SinetDecoder decoder_;
};
TORCH_MODULE(Sinet);

}  // namespace portraitseg
