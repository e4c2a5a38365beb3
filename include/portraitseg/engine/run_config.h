#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/core/device.h"
#include "portraitseg/data/augment.h"
#include "portraitseg/data/datasets.h"
#include "portraitseg/data/loader.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/optimizer.h"
#include "portraitseg/engine/schedule.h"
#include "portraitseg/losses/losses.h"
#include "portraitseg/models/models.h"

namespace portraitseg {

/// What happens when a loss or a gradient is infinite or no number.
enum class OnNan {
  kStop,  ///< the training ends; the last checkpoint is from before
  kSkip,  ///< the network stays as it was before the step, and the training goes on with the next one
};

struct TrainerOptions {
  std::int64_t epochs = 300;
  std::int64_t batch_size = 24;
  std::int64_t accumulate = 1;  ///< batches whose gradients' mean makes one update
  std::int64_t seed = 1;
  std::int64_t edge_kernel = 15;      ///< px, width of the target `edge_band`
  std::int64_t checkpoint_every = 0;  ///< batches between checkpoints within an epoch; 0: at its end only
  double ema_decay = 0;               ///< of the weights' moving average, see WeightAverage; 0: none is kept
  std::int64_t patience = 0;  ///< epochs without a better one after which the training ends; 0: it never does
  OnNan on_nan = OnNan::kStop;

  void fields(Fields& f);
};

struct EvaluationOptions {
  std::string protocol = "clova";            ///< of the validation after each epoch
  std::string select_by = "iou_foreground";  ///< the best checkpoint has the highest
  double best_from =
      0;  ///< share of the epochs before the first that can be the best (clova: 0.6); the last always can
  std::int64_t batch_size = 32;

  void fields(Fields& f);
};

/// Knowledge distillation: whom the loss `distillation` learns from, see engine/teacher.h.
struct DistillationConfig {
  std::string teacher;  ///< weights file that carries its configuration; "": none

  void fields(Fields& f);
};

/// A whole configuration: everything that a run follows from.
struct RunConfig {
  ModelConfig model;
  Preprocessing preprocessing;
  DataConfig data;
  AugmentOptions augment;
  std::vector<LossTerm> losses = {LossTerm()};
  DistillationConfig distillation;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  TrainerOptions trainer;
  EvaluationOptions evaluation;
  DeviceOptions device;

  void fields(Fields& f);

  /// Of a file with stages, see TrainingPlan, the last one.
  /// @throws ConfigError with the place of the mistake.
  static RunConfig load(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
  static RunConfig parse(const std::string& yaml, const std::string& source,
                         const std::vector<std::string>& overrides = {});

  std::string yaml() const;      ///< every field with its present value; parse() reads it back
  LoaderOptions loader() const;  ///< but for the targets, which follow from the network's outputs
};

}  // namespace portraitseg
