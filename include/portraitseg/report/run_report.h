#pragma once

#include <string>

#include "portraitseg/engine/run_folder.h"
#include "portraitseg/engine/trainer.h"
#include "portraitseg/report/epoch_log.h"
#include "portraitseg/report/sample_pictures.h"
#include "portraitseg/report/tensorboard.h"
#include "portraitseg/report/training_clock.h"

namespace portraitseg {

/// Keeps what a person watches a run by: metrics.csv, log.jsonl, the event file and report.html.
///
/// All follow the checkpoint: metrics.csv and report.html are written whole from its history, the others get an
/// epoch after its checkpoint and are cut back to it when a run is resumed. A run that was killed has neither a gap nor a
/// double step; only the times of an epoch can be missing.
class RunReport final : public TrainingObserver {
 public:
  /// @param trainer, device, clock have to live as long as this; `clock` comes before this among the observers
  RunReport(RunFolder run, Trainer& trainer, const Device& device, const TrainingClock& clock);

  void started(const Progress& progress) override;
  void epoch_finished(const Progress& progress, bool best) override;

 private:
  void write_page(const Progress& progress, std::vector<SamplePicture> pictures) const;
  void add_events(const EpochRecord& record, double images_per_second,
                  const std::vector<SamplePicture>& pictures);
  std::vector<SamplePicture> draw() const;

  RunFolder run_;
  Trainer& trainer_;
  const Device& device_;
  const TrainingClock& clock_;
  SamplePictures samples_;
  EventFile events_;
  EpochLog log_;
};

/// Whether the event file gets pictures after this epoch: evenly after at most 21 of a training's, the first and the last
/// among them, since every one has a few 100 kB. TensorBoard shows ten.
bool has_pictures(std::int64_t epoch, std::int64_t epochs);

}  // namespace portraitseg
