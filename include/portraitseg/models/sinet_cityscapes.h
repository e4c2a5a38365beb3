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

/// One S2 block of kernel k and pooling p: [average pooling p] - depthwise k x 1 beside 1 x k, each with BN, added -
/// PReLU - 1x1 - [up-sampling p] - BN. Pooling 0 stands for a plain depthwise 3x3 with BN in their place. Keeps H and W.
class CityS2BlockImpl : public torch::nn::Module {
 public:
  CityS2BlockImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t pool);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Sequential conv{nullptr};                       ///< only at pooling 0
  torch::nn::Conv2d vertical{nullptr}, horizontal{nullptr};  ///< elsewhere
  torch::nn::BatchNorm2d B_v{nullptr}, B_h{nullptr};
  torch::nn::Sequential act_conv1x1{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};

 private:
  torch::Tensor depthwise(const torch::Tensor& x);

  std::int64_t pool_;
};
TORCH_MODULE(CityS2Block);

/// S2 module: grouped 1x1 reduction, channel shuffle, two S2 blocks side by side, concatenation, residual, BN, PReLU.
class CityS2ModuleImpl : public torch::nn::Module {
 public:
  /// @param blocks [k1, p1, k2, p2]
  CityS2ModuleImpl(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& blocks, bool residual);
  torch::Tensor forward(const torch::Tensor& x);

  PlainConv c1{nullptr};
  CityS2Block d1{nullptr}, d2{nullptr};
  BnPRelu BR{nullptr};

 private:
  bool residual_;
};
TORCH_MODULE(CityS2Module);

struct SinetCityscapesOptions : ModelOptions {
  SinetCityscapesOptions() { num_classes = 19; }
  void fields(Fields& f) override;
  std::shared_ptr<SegmentationModel> build() const override;
  ModelCard card() const override;
};

/// Feature maps of the encoder that the decoder needs.
struct SinetCityscapesFeatures {
  torch::Tensor quarter;  ///< [N, classes, H / 4, W / 4]
  torch::Tensor eighth;   ///< [N, 60, H / 8, W / 8]
  torch::Tensor logits;   ///< [N, classes, H / 16, W / 16]
};

class SinetCityscapesEncoderImpl : public torch::nn::Module {
 public:
  explicit SinetCityscapesEncoderImpl(std::int64_t num_classes);
  SinetCityscapesFeatures forward(const torch::Tensor& image);

  ConvBnPRelu level1{nullptr};
  SqueezeSeparableConv level2_0{nullptr}, level3_0{nullptr};
  torch::nn::ModuleList level3{nullptr};
  BnPRelu BR3{nullptr};
  SqueezeSeparableConv level4_0{nullptr};
  torch::nn::ModuleList level4{nullptr};
  BnPRelu BR4{nullptr};
  PlainConv classifier{nullptr};
};
TORCH_MODULE(SinetCityscapesEncoder);

/// SINet for general segmentation: one level deeper than the portrait network, information blocking twice.
///
/// Source     Park et al. 2020, arXiv 1911.09099, Table 6; code clovaai/c3_sinet, models/SINet.py (SBNet_aux) and
///            setting/SINet.json (p 3, q 10, chnn 4).
/// Input      [N, 3, H, W], H and W multiples of 128: the S2 blocks pool the 1/16 map by up to 8.
/// Output     mask: logits [N, classes, H / 2, W / 2]; coarse: the encoder's [N, classes, H / 16, W / 16].
///            The reference trains the latter with a weight of 0.25 beside the mask.
/// Size       119,418 parameters (19 classes).
class SinetCityscapesImpl : public SegmentationModel {
 public:
  explicit SinetCityscapesImpl(std::int64_t num_classes);
  SegmentationOutput forward(const torch::Tensor& image) override;
  std::int64_t size_multiple() const override { return 128; }

  SinetCityscapesEncoder encoder{nullptr};
  torch::nn::BatchNorm2d bn_4{nullptr};
  ConvBnPRelu level3_C{nullptr};
  torch::nn::BatchNorm2d bn_3{nullptr};
  torch::nn::ConvTranspose2d classifier{nullptr};
};
TORCH_MODULE(SinetCityscapes);

}  // namespace portraitseg
