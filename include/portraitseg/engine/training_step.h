#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/core/error.h"
#include "portraitseg/data/loader.h"
#include "portraitseg/engine/loss_sum.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/engine/optimizer.h"
#include "portraitseg/engine/teacher.h"

namespace portraitseg {

/// A loss that is infinite or no number.
class LossNotFinite : public UserError {
 public:
  using UserError::UserError;
};

/// One step of a training: forward, backward, update.
class TrainingStep {
 public:
  /// @param model in training mode from the first step on, but for BatchNorms without a parameter to train, which each
  ///        step puts into evaluation mode; it, the device and the teacher have to live as long as this
  /// @param teacher of the loss distillation; nullptr where there is none
  TrainingStep(SegmentationModel& model, const std::vector<LossTerm>& losses,
               const OptimizerOptions& optimizer, const Device& device, Teacher* teacher = nullptr);

  /// @return each loss term's weighted value, in the list's order
  /// @throws LossNotFinite; no parameter is updated then, but running statistics have seen the batch
  std::vector<double> run(const Batch& batch, double lr);

  /// The parts of run(): the networks' outputs (deformed view and teacher only if a loss asks for them), the loss terms, the rest.
  BatchOutputs outputs(const Batch& batch);
  std::vector<torch::Tensor> losses(const BatchOutputs& outputs, const Batch& batch) const;
  void backward(const torch::Tensor& total, double lr);

  const LossSum& loss_sum() const { return losses_; }
  Optimizer& optimizer() { return optimizer_; }
  ModelRunner& runner() { return runner_; }

 private:
  const Device& device_;
  Teacher* teacher_;
  LossSum losses_;
  Optimizer optimizer_;  // before what looks which parameters are trained
  std::vector<std::shared_ptr<torch::nn::Module>> frozen_norms_;
  ModelRunner runner_;
};

}  // namespace portraitseg
