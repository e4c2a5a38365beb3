#pragma once

#include "portraitseg/engine/run_folder.h"
#include "portraitseg/engine/trainer.h"

namespace portraitseg {

/// Keeps the run folder's metrics.csv: written whole from the history after each epoch, so that a killed and resumed
/// run has neither gap nor double line.
class RunReport final : public TrainingObserver {
 public:
  explicit RunReport(RunFolder run) : run_(std::move(run)) {}
  void started(const Progress& progress) override;
  void epoch_finished(const Progress& progress, bool best) override;

 private:
  RunFolder run_;
};

}  // namespace portraitseg
