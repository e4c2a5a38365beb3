#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// A network's named logits; a head that the network does not have is an undefined tensor.
struct SegmentationOutput {
  torch::Tensor
      mask;  ///< [N, classes, H, W]; the stage networks and sinet_cityscapes answer at a fraction of it
  torch::Tensor boundary;  ///< [N, classes, H, W]
  torch::Tensor coarse;    ///< [N, classes, H / s, W / s]: what the encoder alone would answer

  /// "mask", "boundary" or "coarse". @throws UserError if the network has no such head.
  const torch::Tensor& at(const std::string& name) const;
};

/// What every network of the zoo is. Module keys equal the reference implementation's state_dict keys.
class SegmentationModel : public torch::nn::Module {
 public:
  /// @param image [N, 3, H, W], preprocessed; H and W multiples of size_multiple(), else UserError.
  virtual SegmentationOutput forward(const torch::Tensor& image) = 0;

  /// H and W of the input must be multiples of this.
  virtual std::int64_t size_multiple() const = 0;

 protected:
  /// @throws UserError naming the size found, the multiple needed and the nearest sizes that fit.
  void check_input(const torch::Tensor& image) const;
};

/// A network's row in the table of the zoo.
struct ModelCard {
  std::string what;
  std::string source;                             ///< paper and reference implementation
  std::array<std::int64_t, 2> size = {224, 224};  ///< height, width of the paper's input
};

/// A network's options; the registry makes them with their defaults.
struct ModelOptions {
  virtual ~ModelOptions() = default;
  virtual void fields(Fields& f) = 0;
  virtual std::shared_ptr<SegmentationModel> build() const = 0;
  virtual ModelCard card() const { return {}; }

  /// That the network can take: 4 with a prior channel, else 3.
  virtual std::int64_t input_channels() const { return 3; }

  std::int64_t num_classes = 2;  ///< output channels; every network has them
};

}  // namespace portraitseg
