#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/engine/evaluator.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/engine/training_step.h"
#include "portraitseg/engine/weight_average.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

/// One line of metrics.csv.
struct EpochRecord {
  std::int64_t epoch = 0;  ///< from 1
  double lr = 0;
  std::int64_t skipped = 0;                  ///< images left out of training and validation
  double train_loss = 0;                     ///< mean over the epoch's steps
  std::map<std::string, double> loss_terms;  ///< weighted, mean over the epoch's steps, by LossTerm::title()
  std::string val_protocol;                  ///< and over how many images of which list:
  std::string val_list_sha256;
  std::int64_t val_images = 0;
  std::map<std::string, double> validation;  ///< percent
};

/// What has been done of the epoch in progress.
struct PartialEpoch {
  std::int64_t batch = 0;  ///< batches done
  std::int64_t steps = 0;  ///< optimiser steps; fewer than batches if all images of one were skipped
  double loss_sum = 0;     ///< over these steps
  std::map<std::string, double> term_sums;
  std::int64_t skipped = 0;     ///< images left out
  std::int64_t not_finite = 0;  ///< steps left out since a loss or a gradient was not finite
};

/// The epoch with the highest value of the metric that the run is selected by.
struct Best {
  std::int64_t epoch = 0;  ///< from 1; 0: none yet
  double value = 0;        ///< percent
};

/// Where a run stands.
struct Progress {
  std::int64_t epoch = 0;  ///< finished epochs
  PartialEpoch current;
  Best best;
  Best best_ema;  ///< of the averaged weights
  std::vector<EpochRecord> history;
  std::string train_list_sha256;  ///< what the order of the images rests on
  std::int64_t train_images = 0;
  std::string teacher_sha256;  ///< of the file distillation.teacher; "": there is none
};

/// Before the name of a figure of the averaged weights, in EpochRecord::validation.
constexpr const char* kEma = "ema_";

/// What a checkpoint holds beside configuration and progress.
struct TrainingState {
  SegmentationModel& model;
  TrainingStep& step;                ///< its optimizer and scaler
  WeightAverage* average = nullptr;  ///< null: the run keeps none
};

/// A checkpoint is one .safetensors file: the network under its own keys, optimiser, scaler, average and torch's generator
/// under `training.*`, and in the metadata the configuration and the progress. It loads as plain weights too.
/// The bytes follow from the run's state alone.
/// @throws DataError if it cannot be written; the old file then stays.
void save_checkpoint(const std::filesystem::path& path, const TrainingState& state, const RunConfig& config,
                     const Progress& progress);

/// Restores the state and torch's CPU generator. `path` names the file in messages.
/// @throws DataError for a file that is no whole checkpoint of this network.
Progress load_checkpoint(const TensorFile& file, const std::filesystem::path& path,
                         const TrainingState& state);

/// The progress of a checkpoint. @throws DataError if the file holds none.
Progress stored_progress(const TensorFile& file, const std::filesystem::path& path);

/// The configuration that a weights file carries; "" if it carries none.
std::string stored_config(const TensorFile& file);
void store_config(TensorFile& file, const RunConfig& config);

/// The same, read for use on this machine: without the training machine's device.
/// @throws DataError if the file carries none.
RunConfig read_stored_config(const TensorFile& file, const std::filesystem::path& path,
                             const std::vector<std::string>& overrides = {});

/// A checkpoint without what only its training needs.
TensorFile plain_weights(TensorFile file);

}  // namespace portraitseg
