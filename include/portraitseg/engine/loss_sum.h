#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/data/loader.h"
#include "portraitseg/losses/losses.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

/// What networks answer to a batch.
struct BatchOutputs {
  SegmentationOutput image;
  SegmentationOutput
      deformed;           ///< of the batch's deformed view; not looked at unless LossSum::needs_deformed()
  torch::Tensor teacher;  ///< another network's mask; not looked at unless LossSum::needs_teacher()
};

/// The losses of a list, built.
class LossSum {
 public:
  explicit LossSum(const std::vector<LossTerm>& terms);

  const std::vector<LossTerm>& terms() const { return terms_; }
  bool needs_deformed() const;  ///< whether a term looks at the batch's deformed view
  bool needs_teacher() const;

  /// Which targets a batch has to have, each once. @param height of its images
  /// @throws UserError if the network lacks an output that a term looks at.
  std::vector<Target> targets(const SegmentationOutput& outputs, std::int64_t height) const;

  /// Each term's weighted value, in the list's order. A teacher's mask of another size than the output it is compared with is
  /// brought to that one, bilinear.
  std::vector<torch::Tensor> operator()(const BatchOutputs& outputs, const Batch& batch,
                                        const Device& device) const;

 private:
  torch::Tensor counterpart(const LossTerm& term, const torch::Tensor& logits, const BatchOutputs& outputs,
                            const Batch& batch) const;

  std::vector<LossTerm> terms_;
  std::vector<std::unique_ptr<Loss>> losses_;
};

}  // namespace portraitseg
