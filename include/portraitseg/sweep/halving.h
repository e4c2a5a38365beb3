#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/sweep/journal.h"

namespace portraitseg {

enum class EarlyStopping {
  kNone,  ///< every trial is trained to its end
  kAsha,  ///< asynchronous successive halving, see Halving
};

/// The section `early_stopping` of a sweep: {name: asha, first: 3, factor: 3, figure: iou_foreground}.
struct EarlyStoppingOptions {
  EarlyStopping name = EarlyStopping::kNone;
  std::int64_t first =
      0;  ///< epochs to the first rung; the others are at first x factor, first x factor^2, ...
  std::int64_t factor = 3;  ///< one in so many goes on from a rung
  std::string figure;       ///< of the validation, the higher the better; "": evaluation.select_by

  void fields(Fields& f);

  /// The rungs of trainings of so many epochs, all below them.
  std::vector<std::int64_t> rungs(std::int64_t epochs) const;
};

/// Early stopping by asynchronous successive halving: every trial is trained to the first rung, and only the best 1/factor of
/// those that have reached a rung go on to the next one, the last of which is the end of the training.
///
/// Source      Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", Algorithm 2, with s = 0.
/// Figure      That of the rung's own epoch, as in the paper: there all trials are as far in the same schedule. The best so far
///             would favour trials whose figures jump.
/// Order       The highest rung first, and at a rung the best trial. Of equal figures the earlier trial of the sweep counts as
///             better. A figure that is not a number never goes on, but its trial has reached the rung.
/// Late comers As in the paper a trial that has gone on stays so when better ones come after it, so that in the end more than
///             1/factor may have; most_trained() says how many at most.
/// Deviations  D1  the trials are those of the sweep, and it ends when they have begun and none can go on.
///             D2  a trial that failed counts at no rung, so that another one may take its place.
///
/// Nothing but the trials' histories decides, and they follow from the journal.
struct Halving {
  std::vector<std::int64_t> rungs;  ///< epochs, ascending; empty: trials are not stopped early
  std::int64_t factor = 3;
  std::string figure;

  void fields(Fields& f);

  /// The figures at the rungs that a trial has reached, from the first rung on.
  std::vector<double> values(const TrialHistory& trial) const;

  /// The epoch that a trial is trained to when it is trained on; 0: the end of its training.
  std::int64_t until(const TrialHistory& trial) const;

  /// Whether the trial was stopped at a rung, to be trained on only if promotion() says so.
  bool waits(const TrialHistory& trial) const;

  /// Which of a sweep's trials is to be trained on to its next rung; std::nullopt: none of those that wait.
  std::optional<std::size_t> promotion(const std::vector<TrialHistory>& trials) const;

  /// How many of so many trials are trained to each rung, and, last, to the end, if each is better than all before it: no order of
  /// the figures makes it more. The worst factor - 1 trials of a rung never go on.
  std::vector<std::int64_t> most_trained(std::int64_t trials) const;

  /// The same if one in `factor` goes on from each rung, as synchronous halving has it.
  std::vector<std::int64_t> usually_trained(std::int64_t trials) const;

  /// The trials that it takes for one to be trained to its end, whatever the figures are.
  std::int64_t fewest_trials() const;
};

}  // namespace portraitseg
