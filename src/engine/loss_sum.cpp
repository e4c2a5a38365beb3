#include "portraitseg/engine/loss_sum.h"

#include <algorithm>
#include <set>

#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

/// The term's target for logits of images of that height.
Target target_of(const LossTerm& term, const torch::Tensor& logits, std::int64_t height) {
  return term.target_at(
      std::max<std::int64_t>(1, height / logits.size(2)));  // 0 would be an output larger than its image
}

}  // namespace

LossSum::LossSum(const std::vector<LossTerm>& terms) : terms_(terms) {
  for (const auto& term : terms) losses_.push_back(term.options->build());
}

bool LossSum::needs_deformed() const {
  return std::any_of(terms_.begin(), terms_.end(),
                     [](const LossTerm& term) { return term.needs_deformed(); });
}

bool LossSum::needs_teacher() const {
  return std::any_of(terms_.begin(), terms_.end(),
                     [](const LossTerm& term) { return term.compares_with(Counterpart::kTeacher); });
}

std::vector<Target> LossSum::targets(const SegmentationOutput& outputs, std::int64_t height) const {
  std::set<Target> targets;
  for (const auto& term : terms_) {
    const torch::Tensor& logits = outputs.at(term.output);
    if (term.compares_with(Counterpart::kTarget)) targets.insert(target_of(term, logits, height));
  }
  return {targets.begin(), targets.end()};
}

std::vector<torch::Tensor> LossSum::operator()(const BatchOutputs& outputs, const Batch& batch,
                                               const Device& device) const {
  std::vector<torch::Tensor> values;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    const LossTerm& term = terms_[i];
    const torch::Tensor& logits =
        (term.view == View::kDeformed ? outputs.deformed : outputs.image).at(term.output);
    const torch::Tensor other = counterpart(term, logits, outputs, batch);
    values.push_back(term.weight * losses_[i]->forward(logits, device.move(other, other.scalar_type())));
  }
  return values;
}

torch::Tensor LossSum::counterpart(const LossTerm& term, const torch::Tensor& logits,
                                   const BatchOutputs& outputs, const Batch& batch) const {
  if (term.compares_with(Counterpart::kDeformed)) return outputs.deformed.at(term.output).detach();
  if (term.compares_with(Counterpart::kTeacher)) {
    const torch::NoGradGuard no_grad;
    return resize_logits(outputs.teacher, logits.size(2), logits.size(3));
  }
  return batch.targets.at(target_of(term, logits, batch.image.size(2)));
}

}  // namespace portraitseg
