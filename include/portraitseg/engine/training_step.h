#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/core/error.h"
#include "portraitseg/data/loader.h"
#include "portraitseg/engine/grad_scaler.h"
#include "portraitseg/engine/loss_sum.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/engine/optimizer.h"
#include "portraitseg/engine/teacher.h"

namespace portraitseg {

/// A loss or a gradient that is infinite or no number; the text says which one.
class LossNotFinite : public UserError {
 public:
  using UserError::UserError;
};

/// One step of a training: forward, backward, update.
///
/// Several batches can share an update, in no more memory than one of them takes:
///
///     for (...) step.add(batch);
///     step.update(lr);
class TrainingStep {
 public:
  /// @param model in training mode from the first step on, but for BatchNorms without a parameter to train, which each
  ///        step puts into evaluation mode; it, the device and the teacher have to live as long as this
  /// @param teacher of the loss distillation; nullptr where there is none
  TrainingStep(SegmentationModel& model, const std::vector<LossTerm>& losses,
               const OptimizerOptions& optimizer, const Device& device, Teacher* teacher = nullptr);

  /// One batch and its update: add() and update().
  std::vector<double> run(const Batch& batch, double lr);

  /// Forward and backward of a batch, for the next update.
  /// @return each loss term's weighted value over this batch, in the list's order
  /// @throws LossNotFinite as update(). UserError if memory does not suffice.
  std::vector<double> add(const Batch& batch);

  /// Updates the parameters by the mean of the gradients of the batches since the last update, each weighing the same; does nothing
  /// if there was none. With scaled gradients that are not finite, only the scale changes.
  /// @throws LossNotFinite if a gradient is not finite. All batches since the last update are dropped then; parameters and the
  ///         optimizer's state are as after that update, running statistics if keep_statistics() is on.
  void update(double lr);

  /// Whether LossNotFinite also takes back what the dropped batches did to the network's running statistics. Off at first: it
  /// costs a copy of them in each update.
  void keep_statistics(bool keep) { keeps_statistics_ = keep; }

  /// What a checkpoint needs beside the network: the states of the optimizer and of the scaler. @throws DataError as theirs
  void save(TensorFile& file) const;
  void load(const TensorFile& file, const std::filesystem::path& path);

  /// The parts of run(): the networks' outputs (deformed view and teacher only if a loss asks for them), the loss terms, the rest.
  BatchOutputs outputs(const Batch& batch);
  std::vector<torch::Tensor> losses(const BatchOutputs& outputs, const Batch& batch) const;
  void backward(const torch::Tensor& total);

  const LossSum& loss_sum() const { return losses_; }
  Optimizer& optimizer() { return optimizer_; }
  std::optional<GradScaler>& scaler() { return scaler_; }  ///< none unless the device scales gradients
  ModelRunner& runner() { return runner_; }

 private:
  void copy_statistics();
  void drop();
  std::string not_finite_text(const std::vector<torch::Tensor>& terms) const;

  const Device& device_;
  Teacher* teacher_;
  LossSum losses_;
  Optimizer optimizer_;  // before what looks which parameters are trained
  std::vector<std::shared_ptr<torch::nn::Module>> frozen_norms_;
  ModelRunner runner_;
  std::optional<GradScaler> scaler_;
  std::int64_t batches_ = 0;  ///< since the last update
  bool keeps_statistics_ = false;
  std::vector<torch::Tensor> statistics_;         ///< the network's buffers
  std::vector<torch::Tensor> statistics_before_;  ///< their values at the last update, if they are kept
};

}  // namespace portraitseg
