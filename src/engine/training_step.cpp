#include "portraitseg/engine/training_step.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <torch/torch.h>

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

TrainingStep::TrainingStep(SegmentationModel& model, const std::vector<LossTerm>& losses,
                           const OptimizerOptions& optimizer, const Device& device)
    : device_(device),
      losses_(losses),
      runner_(model, device, ModelRunner::Purpose::kTraining),
      optimizer_(model, optimizer) {}

std::vector<double> TrainingStep::run(const Batch& batch, double lr) {
  const std::vector<torch::Tensor> terms = forward(batch);
  torch::Tensor total = terms.front();
  for (std::size_t i = 1; i < terms.size(); ++i) total = total + terms[i];
  const double loss = total.item<double>();
  if (!std::isfinite(loss)) throw LossNotFinite("the loss is " + std::to_string(loss));
  backward(total, lr);
  std::vector<double> values;
  for (const auto& term : terms) values.push_back(term.item<double>());
  return values;
}

std::vector<torch::Tensor> TrainingStep::forward(const Batch& batch) {
  const SegmentationOutput output = runner_.forward(batch.image);
  SegmentationOutput deformed;
  if (losses_.needs_deformed()) deformed = runner_.forward(batch.deformed);
  return losses_(output, deformed, batch, device_);
}

void TrainingStep::backward(const torch::Tensor& total, double lr) {
  optimizer_.zero_grad();
  total.backward();
  optimizer_.step(lr);
}

}  // namespace portraitseg
