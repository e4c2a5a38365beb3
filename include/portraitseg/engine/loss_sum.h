#pragma once

#include <memory>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/data/loader.h"
#include "portraitseg/losses/losses.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

/// The losses of a list, built.
class LossSum {
 public:
  explicit LossSum(const std::vector<LossTerm>& terms);

  const std::vector<LossTerm>& terms() const { return terms_; }
  bool needs_deformed() const;  ///< whether a term looks at the batch's deformed view

  /// Each term's weighted value, in the list's order.
  /// @param deformed the outputs of the deformed view; not looked at unless needs_deformed()
  std::vector<torch::Tensor> operator()(const SegmentationOutput& image, const SegmentationOutput& deformed,
                                        const Batch& batch, const Device& device) const;

 private:
  std::vector<LossTerm> terms_;
  std::vector<std::unique_ptr<Loss>> losses_;
};

}  // namespace portraitseg
