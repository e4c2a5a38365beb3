#pragma once

#include <memory>

#include <torch/types.h>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// A loss between one of a network's outputs and its counterpart.
class Loss {
 public:
  virtual ~Loss() = default;

  /// @param logits [N, C, H, W]
  /// @param target [N, H, W] class index, kIgnore = ignore, of any whole type; where the counterpart is no target,
  ///               its logits [N, C, H, W]
  /// @return scalar
  /// @throws UserError if channels or sizes do not fit, or a label is not in 0..255
  virtual torch::Tensor forward(const torch::Tensor& logits, const torch::Tensor& target) const = 0;
};

/// What a loss compares an output with.
enum class Counterpart {
  kTarget,    ///< one of the batch's targets
  kDeformed,  ///< the same output on the deformed view of the image, see View
  kTeacher,   ///< the mask of another network on the same image, see engine/teacher.h
};

/// A loss's options; the registry makes them with their defaults.
struct LossOptions {
  virtual ~LossOptions() = default;
  virtual void fields(Fields& f) = 0;
  virtual std::unique_ptr<Loss> build() const = 0;
  virtual Counterpart counterpart() const { return Counterpart::kTarget; }
};

}  // namespace portraitseg
