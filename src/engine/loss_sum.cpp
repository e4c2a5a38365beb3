#include "portraitseg/engine/loss_sum.h"

#include <algorithm>

#include <torch/types.h>

namespace portraitseg {

LossSum::LossSum(const std::vector<LossTerm>& terms) : terms_(terms) {
  for (const auto& term : terms) losses_.push_back(term.options->build());
}

bool LossSum::needs_deformed() const {
  return std::any_of(terms_.begin(), terms_.end(),
                     [](const LossTerm& term) { return term.needs_deformed(); });
}

std::vector<torch::Tensor> LossSum::operator()(const SegmentationOutput& image,
                                               const SegmentationOutput& deformed, const Batch& batch,
                                               const Device& device) const {
  std::vector<torch::Tensor> values;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    const LossTerm& term = terms_[i];
    const torch::Tensor& logits = (term.view == View::kDeformed ? deformed : image).at(term.output);
    const torch::Tensor target =
        term.options->compares_views() ? deformed.at(term.output).detach() : batch.targets.at(term.target);
    values.push_back(term.weight * losses_[i]->forward(logits, device.move(target, target.scalar_type())));
  }
  return values;
}

}  // namespace portraitseg
