#pragma once

#include <memory>

#include <torch/types.h>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// A loss between one of a network's outputs and one of a batch's targets.
class Loss {
 public:
  virtual ~Loss() = default;

  /// @param logits [N, C, H, W]   @param target [N, H, W] int64 class index, kIgnore = ignore   @return scalar
  virtual torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const = 0;
};

/// A loss's options; the registry makes them with their defaults.
struct LossOptions {
  virtual ~LossOptions() = default;
  virtual void fields(Fields& f) = 0;
  virtual std::unique_ptr<Loss> build() const = 0;
};

}  // namespace portraitseg
