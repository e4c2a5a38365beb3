#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/stage.h"
#include "portraitseg/sweep/halving.h"
#include "portraitseg/sweep/journal.h"
#include "portraitseg/sweep/plan.h"

namespace portraitseg {

/// A trial as sweep.yaml has it.
struct StoredTrial {
  std::string id;
  std::vector<std::string> values;  ///< in short, of the sweep's axes; "": as the base has it

  void fields(Fields& f);
};

/// Where a sweep's workers run.
enum class LauncherKind { kLocal, kSlurm };

extern const Names<LauncherKind> kLaunchers;

struct LauncherChoice {
  LauncherKind kind = LauncherKind::kLocal;
  std::vector<std::string> slurm;  ///< further options of sbatch
};

/// sweep.yaml: with trials/*.yaml beside it, everything that a sweep is.
struct StoredSweep {
  std::string name;
  std::int64_t workers = 1, threads = 1;  ///< threads of each worker
  std::vector<std::string> axes;
  std::vector<StoredTrial> trials;
  Halving early_stopping;
  PaperOptions paper;
  LauncherChoice launcher;

  void fields(Fields& f);
  std::string label(const StoredTrial& trial) const;  ///< "model.decoder=none, trainer.seed=1"
};

/// The folder of a sweep:
///
///     sweep.yaml            its trials
///     journal.jsonl         what happened, see Journal
///     results.csv           one line a finished trial, in the order of sweep.yaml; none of those that were stopped early, whose
///                           figures are of other epochs: they are in journal.jsonl
///     trials/ID.yaml        a trial's whole configuration, with absolute paths: `train --config` of it is the trial
///     trials/ID/            its run folder
///     trials/ID.log         what its worker printed, of the last attempt
///     slurm/                what SlurmLauncher keeps
///     log.txt               what the sweep printed
class SweepFolder {
 public:
  /// @throws DataError if `path` holds no sweep.
  static SweepFolder open(const std::filesystem::path& path);

  /// Whether `path` is a sweep's folder.
  static bool is_sweep(const std::filesystem::path& path);

  /// Whether there is a sweep. @throws DataError if the folder holds something else.
  static bool exists(const std::filesystem::path& path);

  /// Makes the folder's trials those of the plan. A trial that is there already keeps its folder and name, also where a later version
  /// of the program has more settings and would call it something else. Nothing of what the plan has no more is taken away.
  /// @throws DataError if it cannot be written, and as require_kept() does.
  static SweepFolder write(const std::filesystem::path& path, const SweepPlan& plan, std::int64_t workers,
                           std::int64_t threads, const LauncherChoice& launcher = {});

  /// @param known known_trials()
  /// @throws DataError if a trial that has begun, and did not fail, is none of the plan: its result would vanish from results.csv.
  void require_kept(const SweepPlan& plan, const std::map<std::string, std::string>& known) const;

  /// The same trials run by other workers from now on.
  void set_workers(std::int64_t workers, std::int64_t threads, const LauncherChoice& launcher);

  const StoredSweep& sweep() const { return sweep_; }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path list() const { return path_ / "sweep.yaml"; }
  std::filesystem::path journal() const { return path_ / "journal.jsonl"; }
  std::filesystem::path results() const { return path_ / "results.csv"; }
  std::filesystem::path slurm() const { return path_ / "slurm"; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path config(const std::string& trial) const { return trials() / (trial + ".yaml"); }
  std::filesystem::path run(const std::string& trial) const { return trials() / trial; }
  std::filesystem::path output(const std::string& trial) const { return trials() / (trial + ".log"); }

  /// A trial's values of all axes: of those that it was not given what its configuration has; "" where that is no single value, as
  /// of names of several settings, and of a trial with stages.
  std::vector<std::string> all_values(const StoredTrial& trial) const;

  /// The trials that are finished so far, in the order of sweep.yaml. @throws DataError for a broken journal.
  std::vector<StoredTrial> finished() const;

  /// Writes results.csv. Nothing in it depends on when or by whom a trial was trained.
  void write_results(const Journal& journal) const;

  /// How far a trial was trained; with stages, in the last one. @throws DataError if its run folder has no checkpoint.
  Progress progress(const std::string& trial) const;

  /// Whether that is to its end.
  bool is_trained(const std::string& trial, const Progress& progress) const;

  /// What it has come to. @throws DataError if it has no finished epoch.
  TrialResult result(const std::string& trial, const Progress& progress) const;

  /// A figure of the validation after an epoch; not a number if it had none.
  /// @throws DataError if the trial was not trained so far.
  double figure(const std::string& trial, const Progress& progress, std::int64_t epoch,
                const std::string& name) const;

 private:
  explicit SweepFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path trials() const { return path_ / "trials"; }
  void save() const;

  std::filesystem::path path_;
  StoredSweep sweep_;
};

/// The names that trials have in a sweep's folder, by what trial_id() calls them now.
std::map<std::string, std::string> known_trials(const std::filesystem::path& sweep);

}  // namespace portraitseg
