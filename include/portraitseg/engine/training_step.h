#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/core/error.h"
#include "portraitseg/data/loader.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/engine/optimizer.h"
#include "portraitseg/losses/losses.h"

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

/// A loss that is infinite or no number.
class LossNotFinite : public UserError {
 public:
  using UserError::UserError;
};

/// One step of a training: forward, backward, update.
class TrainingStep {
 public:
  /// @param model in training mode from the first step on, but for BatchNorms without a parameter to train, which each
  ///        step puts into evaluation mode; it and the device have to live as long as this
  TrainingStep(SegmentationModel& model, const std::vector<LossTerm>& losses,
               const OptimizerOptions& optimizer, const Device& device);

  /// @return each loss term's weighted value, in the list's order
  /// @throws LossNotFinite; no parameter is updated then, but running statistics have seen the batch
  std::vector<double> run(const Batch& batch, double lr);

  /// The parts of run(): the network's outputs on both views (deformed only if a loss asks for it), the loss terms, the rest.
  struct Outputs {
    SegmentationOutput image, deformed;
  };
  Outputs outputs(const Batch& batch);
  std::vector<torch::Tensor> losses(const Outputs& outputs, const Batch& batch) const;
  void backward(const torch::Tensor& total, double lr);

  const LossSum& loss_sum() const { return losses_; }
  Optimizer& optimizer() { return optimizer_; }
  ModelRunner& runner() { return runner_; }

 private:
  const Device& device_;
  LossSum losses_;
  Optimizer optimizer_;  // before what looks which parameters are trained
  std::vector<std::shared_ptr<torch::nn::Module>> frozen_norms_;
  ModelRunner runner_;
};

}  // namespace portraitseg
