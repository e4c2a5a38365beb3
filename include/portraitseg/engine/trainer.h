#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/engine/training_step.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {

/// Told what a training does; every method may be left as it is.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;

  /// Once, before the first step; `progress` holds the epochs of a resumed run.
  virtual void started(const Progress& /*progress*/) {}
  virtual void stepped(const Progress& /*progress*/, std::int64_t /*batches of the epoch*/) {}
  virtual void validating(std::int64_t /*done*/, std::int64_t /*total*/) {}

  /// After each step: how long it waited for its batch.
  virtual void waited(double /*seconds*/) {}

  /// After the validation and the checkpoint of an epoch.
  virtual void epoch_finished(const Progress& /*progress*/, bool /*best*/) {}
  virtual void skipped(const std::string& /*reason*/) {}

  /// Once, after the first step that LibTorch's operators ran where fused ones were wanted.
  virtual void not_fused(const std::string& /*reason*/) {}
};

/// Trains the network of a configuration and keeps the run folder's checkpoints.
class Trainer {
 public:
  /// Opens the data and builds the network.
  /// @param folder that relative paths of weights count from: a stage's run folder. "": the working folder
  /// @throws UserError for whatever is wrong with them.
  Trainer(RunConfig config, const Device& device, std::filesystem::path folder = {});

  /// Reads the first batch and an image of the validation list: a mistake that all of the data have shows here.
  /// @throws UserError as train() would; for labels beyond the network's classes and updates of more batches than an epoch has.
  void read_first_images() const;

  /// Starts from the file or run model.init_from, if the configuration names one, and says what was taken from it.
  /// train() does it too where neither this nor resume() was called.
  /// @throws DataError if the file cannot be read or nothing in it fits.
  std::optional<PartialLoad> initialise();

  /// Continues from the run's last checkpoint; as initialise() if it has none yet.
  /// @throws DataError if it is damaged or lost, or if configuration or training list are not those it was written with.
  std::optional<PartialLoad> resume(const RunFolder& run);

  /// Whether nothing is left to train: the last epoch is done, or trainer.patience epochs brought no better one.
  bool finished() const { return finished(progress_, config_.trainer); }
  static bool finished(const Progress& progress, const TrainerOptions& options);

  /// Trains until it is finished(), or until `stop()` says so: then the step is finished and a checkpoint
  /// written; before the first step nothing is. @return whether it is finished
  bool train(const RunFolder& run, const std::vector<TrainingObserver*>& observers,
             const std::function<bool()>& stop);

  /// One step: forward, backward, update.
  /// @return each loss term's weighted value, in the configuration's order
  /// @throws LossNotFinite
  std::vector<double> step(const Batch& batch) { return step_->run(batch, learning_rate()); }

  const Progress& progress() const { return progress_; }
  const Dataset& train_set() const { return *train_set_; }
  const Dataset& val_set() const { return *val_set_; }
  LoaderOptions loader_options() const;  ///< of the training

  /// The configuration with the lists as absolute paths, so that a resumed run reads the same ones from anywhere.
  const RunConfig& config() const { return config_; }
  SegmentationModel& model() { return *model_; }
  const Teacher* teacher() const { return teacher_.get(); }  ///< nullptr: there is none

  /// The file that model.init_from names; "": none.
  std::filesystem::path start_file() const;

 private:
  std::filesystem::path from_folder(const std::string& file) const;
  std::int64_t batches() const;
  void require_whole_updates() const;
  bool train_epoch(const RunFolder& run, const std::function<bool()>& stop);
  Batch next_batch(EpochLoader& loader);
  struct Group;
  void update(EpochLoader& loader, std::int64_t last);
  void add(const Batch& batch, Group& group);
  void leave_out(const LossNotFinite& error, std::int64_t batch, std::int64_t images);
  void count(const Group& group);
  void finish_epoch(const RunFolder& run);
  std::vector<Evaluation> validate() const;
  EpochRecord training_record() const;
  bool improves(Best& best, const EpochRecord& record, const std::string& prefix) const;
  TrainingState state() const;
  void save(const std::filesystem::path& path) const;
  void save_average(const std::filesystem::path& path) const;
  double learning_rate() const;
  void tell_obstacle();

  template <class Call>
  void tell(Call call) const {
    for (TrainingObserver* observer : observers_) call(*observer);
  }

  RunConfig config_;
  const Device& device_;
  std::filesystem::path folder_;
  std::unique_ptr<Dataset> train_set_, val_set_;
  std::shared_ptr<SegmentationModel> model_;
  std::unique_ptr<Teacher> teacher_;  ///< of the loss distillation, if there is one
  std::unique_ptr<TrainingStep> step_;
  std::unique_ptr<WeightAverage> average_;  ///< null: none is kept
  std::vector<TrainingObserver*> observers_;
  Progress progress_;
  std::vector<Target> targets_;  ///< that the losses look at
  bool ready_ = false;           ///< initialised or resumed
  bool obstacle_told_ = false;
};

}  // namespace portraitseg
