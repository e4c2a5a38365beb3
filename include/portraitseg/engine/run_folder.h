#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "portraitseg/core/device.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/engine/stage.h"

namespace portraitseg {

/// A folder that holds everything a run is, and that is enough to resume, evaluate and compare it:
///
///     config.yaml                    the effective configuration, every field
///     environment.json               versions, git commit, device, thread count
///     log.txt                        what was printed
///     metrics.csv                    one line an epoch
///     log.jsonl                      the same with times, one JSON object an epoch
///     events.out.tfevents.*          the same figures and predictions of a few images, for TensorBoard
///     report.html                    the same as a page, with the predictions after the last epoch
///     checkpoints/last.safetensors   after the last finished epoch or on a signal: network, optimiser, position
///     checkpoints/best.safetensors   the same at the best validation
///     checkpoints/best_ema.safetensors   the averaged weights alone, at their best validation, where trainer.ema_decay is set
///
/// A run with stages holds a config.yaml, the whole plan, and such a folder for each stage.
class RunFolder {
 public:
  /// @throws DataError if the folder already holds something, so that no run overwrites another.
  static void refuse_if_taken(const std::filesystem::path& path);

  /// Makes the folder and writes config.yaml and environment.json.
  /// @throws DataError as refuse_if_taken(), or if it cannot be written.
  static RunFolder create(const std::filesystem::path& path, const RunConfig& config, const Device& device);

  /// The folder of a run with stages, which will hold theirs. @throws DataError as above.
  static void create(const std::filesystem::path& path, const TrainingPlan& plan);

  /// What is trained in the folder. @throws DataError if `path` holds no run.
  static TrainingPlan plan(const std::filesystem::path& path);

  /// The folder of the whole run that `path` is a stage's folder of; else `path` itself.
  static std::filesystem::path whole(const std::filesystem::path& path);

  /// Of a run with stages the last one's folder. @throws DataError if `path` holds no run.
  static RunFolder open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path epoch_log() const { return path_ / "log.jsonl"; }
  std::filesystem::path metrics() const { return path_ / "metrics.csv"; }
  bool tells_of_epochs() const;  ///< whether metrics.csv has one
  std::filesystem::path environment() const { return path_ / "environment.json"; }
  std::filesystem::path report() const { return path_ / "report.html"; }

  /// TensorFlow has the time and the host in this name; a run that is resumed elsewhere goes on in the same file.
  std::filesystem::path events() const { return path_ / "events.out.tfevents.0000000000.portraitseg"; }
  std::filesystem::path last() const { return path_ / "checkpoints" / "last.safetensors"; }
  std::filesystem::path best() const { return path_ / "checkpoints" / "best.safetensors"; }
  std::filesystem::path best_ema() const { return path_ / "checkpoints" / "best_ema.safetensors"; }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  void require_config() const;
  std::filesystem::path path_;
};

/// The weights that a path names: of a run folder its best checkpoint, else the file itself.
/// @throws DataError for a folder that holds no run, or a run without a best epoch.
std::filesystem::path trained_weights(const std::filesystem::path& path);

}  // namespace portraitseg
