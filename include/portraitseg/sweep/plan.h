#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/engine/stage.h"
#include "portraitseg/sweep/halving.h"
#include "portraitseg/sweep/paper.h"

namespace portraitseg {

/// How the trials are chosen from the axes.
enum class Search {
  kGrid,    ///< every combination of the axes' values, the last axis changing fastest
  kRandom,  ///< each trial draws a value of each axis
};

struct SearchOptions {
  Search name = Search::kGrid;
  std::int64_t trials = 0;  ///< of a random search, all different
  std::int64_t seed = 1;    ///< of a random search; trial i's draws depend on it, i and the axis's name alone

  void fields(Fields& f);
};

struct BudgetOptions {
  std::int64_t trials = 0;  ///< a plan with more is refused; 0: no limit

  void fields(Fields& f);
};

/// A file in configs/sweeps/.
struct SweepOptions {
  std::string base;              ///< configuration, relative to this file
  std::vector<std::string> set;  ///< overrides of every trial, key.sub=value
  ConfigNode axes, trials, exclude;
  SearchOptions search;
  BudgetOptions budget;
  EarlyStoppingOptions early_stopping;
  PaperOptions paper;

  void fields(Fields& f);
};

/// One training of a sweep.
struct Trial {
  std::string id;  ///< see trial_id()
  std::vector<std::pair<std::string, std::string>>
      settings;  ///< axis and its value in short, in the axes' order
  TrainingPlan plan;

  std::string label() const;                         ///< "model.decoder=none, trainer.seed=1"
  std::string value(const std::string& axis) const;  ///< "": as the base has it
};

/// What a sweep trains.
///
///     base: ../sinet_eg1800_fast.yaml            # the configuration that the trials vary, relative to this file
///     set: [trainer.epochs=10]                   # overrides of every trial, as --set
///     axes:
///       model.decoder: [information_blocking, none]                  # a key and its values, whatever the key takes
///       optimizer.lr: {from: 1e-4, to: 1e-2, count: 3, scale: log}   # a range, ends included, six digits; integer: true rounds
///       loss:                                                        # several settings at once, by a name
///         plain: {}
///         edge: {trainer.edge_kernel: 15, "losses.1.weight": 1}
///       trainer.seed: [1, 2, 3]
///     search: {name: random, trials: 20, seed: 1}                    # default: {name: grid}
///     trials: [{model.decoder: none, optimizer.lr: 5e-3}]            # further ones; alone if there are no axes
///     exclude: [{model.decoder: none, optimizer.lr: 1e-2}]           # none with all of these values
///     budget: {trials: 50}                                           # a plan with more is refused, never cut
///     early_stopping: {name: asha, first: 3, factor: 3}              # see Halving; default: none
///     paper:                                                         # what stands beside the trials' figures in a report
///       source: "Park et al. 2020, Table 4: EG1800, foreground IoU in %"
///       protocol: clova                                              # that they are by; default: stand beside all
///       figures: [{model.decoder: none, iou_foreground: 94.74}]      # axes with values of theirs, figures by name
///
/// A random search draws from a range without `count` evenly (by `scale`), else one of the range's `count` values.
struct SweepPlan {
  std::string name;  ///< of the file
  std::vector<std::string>
      axes;                   ///< the columns of a table of trials: axes, then keys of explicit trials alone
  std::vector<Trial> trials;  ///< at least one, all different
  Halving early_stopping;
  PaperOptions paper;

  /// Reads the file and every trial's configuration; nothing of the data is read.
  /// @param overrides of every trial, after those of the file
  /// @throws ConfigError, naming the place in the file, for a wrong key or value, an empty axis or range, trials that are equal, an
  ///         exclusion without effect, a plan over its budget, trials that early stopping cannot compare, a paper's figure of what
  ///         is not there.
  static SweepPlan load(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
};

/// The first 12 hexadecimal digits of the SHA-256 of the plan's YAML, which load() gave absolute paths, without what changes no result: data.workers, data.cache.mib,
/// trainer.checkpoint_every; and without device.threads, which changes last digits, since a sweep shares its cores among more or
/// fewer workers and a trial stays the same: its run folder says how many it had.
std::string trial_id(const TrainingPlan& plan);

}  // namespace portraitseg
