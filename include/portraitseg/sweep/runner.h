#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "portraitseg/sweep/journal.h"
#include "portraitseg/sweep/launcher.h"
#include "portraitseg/sweep/sweep_folder.h"

namespace portraitseg {

struct RunnerOptions {
  /// Of a trial whose worker was killed, without an epoch in between, before it counts as failed.
  std::int64_t restarts = 3;
  bool retry_failed = false;  ///< trials that failed before are tried once more
};

/// Told what a sweep does; every method may be left as it is.
class SweepObserver {
 public:
  virtual ~SweepObserver() = default;
  virtual void started(const StoredTrial& /*trial*/, bool /*resumed*/) {}

  /// In place of started(), of a trial that had been stopped early. @param until epoch of its next rung; 0: its end
  virtual void promoted(const StoredTrial& /*trial*/, std::int64_t /*until*/) {}

  /// @param left trials that are yet to end, or to reach a rung
  virtual void ended(const StoredTrial& /*trial*/, const TrialEvent& /*event*/, std::size_t /*left*/) {}

  /// A job that an earlier sweep of the folder started runs or waits still.
  virtual void adopted(const StoredTrial& /*trial*/, const JobId& /*job*/) {}

  /// Once for each trial that another process trains.
  virtual void waits(const StoredTrial& /*trial*/, const std::string& /*why*/) {}
};

/// How many trials there are of each state.
struct SweepOutcome {
  std::size_t finished = 0, failed = 0, unfinished = 0, stopped_early = 0;
};

/// Trains every trial that is not finished, as many at a time as the sweep has workers, each by `portraitseg train`; a worker that was
/// killed is started again from its checkpoint, one that ends with an error is recorded. With early stopping each trains to its
/// next rung alone, and Halving says which trials go on from there. Keeps journal and results.csv.
/// The caller holds the sweep's folder locked.
/// @param stop once it is true, the workers are asked to stop, and the sweep ends with the last of them
/// @throws UserError if the journal cannot be written or no worker be started; the workers then end with this process.
SweepOutcome run_sweep(const SweepFolder& folder, Launcher& launcher, const RunnerOptions& options,
                       SweepObserver& observer, const std::function<bool()>& stop);

/// The job of a trial that a sweep which was killed may have left: the last one, if its end is not known, else one that it had no
/// time to write down.
std::string left_job(const StoredTrial& trial, const TrialHistory& history);

/// Of the trials as the journal has them.
SweepOutcome outcome(const StoredSweep& sweep, const Journal& journal);

}  // namespace portraitseg
