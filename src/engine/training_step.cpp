#include "portraitseg/engine/training_step.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <torch/torch.h>

namespace portraitseg {
namespace {

/// BatchNorms all of whose parameters are frozen.
std::vector<std::shared_ptr<torch::nn::Module>> frozen_norms(const torch::nn::Module& model) {
  std::vector<std::shared_ptr<torch::nn::Module>> frozen;
  for (const auto& module : model.modules(/*include_self=*/false)) {
    if (module->as<torch::nn::BatchNorm2d>() == nullptr) continue;
    const auto parameters = module->parameters(/*recurse=*/false);
    const bool trained = std::any_of(parameters.begin(), parameters.end(),
                                     [](const torch::Tensor& p) { return p.requires_grad(); });
    if (!trained && !parameters.empty()) frozen.push_back(module);
  }
  return frozen;
}

}  // namespace

TrainingStep::TrainingStep(SegmentationModel& model, const std::vector<LossTerm>& losses,
                           const OptimizerOptions& optimizer, const Device& device, Teacher* teacher)
    : device_(device),
      teacher_(teacher),
      losses_(losses),
      optimizer_(model, optimizer),
      frozen_norms_(frozen_norms(model)),
      runner_(model, device, ModelRunner::Purpose::kTraining) {}

std::vector<double> TrainingStep::run(const Batch& batch, double lr) {
  const std::vector<torch::Tensor> terms = losses(outputs(batch), batch);
  torch::Tensor total = terms.front();
  for (std::size_t i = 1; i < terms.size(); ++i) total = total + terms[i];
  const double loss = total.item<double>();
  if (!std::isfinite(loss)) throw LossNotFinite("the loss is " + std::to_string(loss));
  backward(total, lr);
  std::vector<double> values;
  for (const auto& term : terms) values.push_back(term.item<double>());
  return values;
}

BatchOutputs TrainingStep::outputs(const Batch& batch) {
  for (const auto& norm : frozen_norms_) norm->eval();  // train() of the whole network has undone it
  BatchOutputs outputs;
  outputs.image = runner_.forward(batch.image);
  if (losses_.needs_deformed()) outputs.deformed = runner_.forward(batch.deformed);
  if (losses_.needs_teacher()) outputs.teacher = teacher_->forward(batch.image);
  return outputs;
}

std::vector<torch::Tensor> TrainingStep::losses(const BatchOutputs& outputs, const Batch& batch) const {
  return losses_(outputs, batch, device_);
}

void TrainingStep::backward(const torch::Tensor& total, double lr) {
  optimizer_.zero_grad();
  total.backward();
  optimizer_.step(lr);
}

}  // namespace portraitseg
