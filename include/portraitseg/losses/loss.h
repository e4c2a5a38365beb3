#pragma once

#include <memory>

#include <torch/types.h>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// A loss between one of a network's outputs and one of a batch's targets, or the same output on another view.
class Loss {
 public:
  virtual ~Loss() = default;

  /// @param logits [N, C, H, W]
  /// @param target [N, H, W] class index, kIgnore = ignore, of any whole type; of a loss that compares views,
  ///               [N, C, H, W]: the logits of the deformed view
  /// @return scalar
  /// @throws UserError if channels or sizes do not fit, or a label is not in 0..255
  virtual torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const = 0;
};

/// A loss's options; the registry makes them with their defaults.
struct LossOptions {
  virtual ~LossOptions() = default;
  virtual void fields(Fields& f) = 0;
  virtual std::unique_ptr<Loss> build() const = 0;

  /// Whether it compares the output on the two views of an image, see View, in place of output and target.
  virtual bool compares_views() const { return false; }
};

}  // namespace portraitseg
