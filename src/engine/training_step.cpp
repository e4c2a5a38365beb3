#include "portraitseg/engine/training_step.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/engine/within_memory.h"

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
      runner_(model, device, ModelRunner::Purpose::kTraining),
      statistics_(model.buffers()) {
  if (device.scales_gradients()) scaler_.emplace();
}

std::vector<double> TrainingStep::run(const Batch& batch, double lr) {
  std::vector<double> values = add(batch);
  update(lr);
  return values;
}

std::vector<double> TrainingStep::add(const Batch& batch) {
  if (batches_ == 0 && keeps_statistics_) copy_statistics();
  std::vector<double> values;
  within_memory(batch.image.sizes(), [&] {
    const std::vector<torch::Tensor> terms = losses(outputs(batch), batch);
    torch::Tensor total = terms.front();
    for (std::size_t i = 1; i < terms.size(); ++i) total = total + terms[i];
    if (!std::isfinite(total.item<double>())) {
      drop();
      throw LossNotFinite(not_finite_text(terms));
    }
    backward(total);
    for (const auto& term : terms) values.push_back(term.item<double>());
  });
  return values;
}

void TrainingStep::update(double lr) {
  if (batches_ == 0) return;
  const std::string key = optimizer_.not_finite_gradient();
  if (!key.empty() && !(scaler_ && scaler_->may_overflow())) {
    drop();
    throw LossNotFinite("the gradient of " + key + " is not finite");
  }
  const double scale = static_cast<double>(batches_) * (scaler_ ? scaler_->scale() : 1);
  if (key.empty()) optimizer_.step(lr, 1 / scale);
  if (scaler_) scaler_->update(key.empty());
  batches_ = 0;
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

void TrainingStep::backward(const torch::Tensor& total) {
  if (batches_ == 0) optimizer_.zero_grad();
  ++batches_;
  if (scaler_) {
    (total * scaler_->scale()).backward();
  } else {
    total.backward();
  }
}

void TrainingStep::copy_statistics() {
  const torch::NoGradGuard no_grad;
  statistics_before_.clear();
  for (const auto& buffer : statistics_) statistics_before_.push_back(buffer.clone());
}

/// Forgets the batches since the last update.
void TrainingStep::drop() {
  batches_ = 0;
  if (!keeps_statistics_) return;
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < statistics_before_.size(); ++i) statistics_[i].copy_(statistics_before_[i]);
}

std::string TrainingStep::not_finite_text(const std::vector<torch::Tensor>& terms) const {
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto value = terms[i].item<double>();
    if (!std::isfinite(value))
      return "the loss " + losses_.terms()[i].title() + " is " + (std::isnan(value) ? "nan" : "infinite");
  }
  return "the sum of the losses is infinite";
}

void TrainingStep::save(TensorFile& file) const {
  optimizer_.save(file);
  if (scaler_) scaler_->save(file);
}

void TrainingStep::load(const TensorFile& file, const std::filesystem::path& path) {
  optimizer_.load(file, path);
  if (scaler_) scaler_->load(file, path);
}

}  // namespace portraitseg
