#pragma once

#include <cstdint>
#include <functional>

#include "portraitseg/engine/trainer.h"

namespace portraitseg {

/// Measures how fast a training goes. It comes before the observers that ask it.
class TrainingClock final : public TrainingObserver {
 public:
  /// @param now s since any moment; a test has its own
  TrainingClock(const TrainerOptions& options, std::function<double()> now = seconds_of_this_machine);
  static double seconds_of_this_machine();

  void started(const Progress& progress) override;
  void stepped(const Progress& progress, std::int64_t batches) override;
  void epoch_finished(const Progress& progress, bool best) override;

  std::int64_t images() const { return images_; }  ///< of the epoch, done

  /// Of the epoch's training, from its first step to its last; what this process did not see does not count.
  double images_per_second() const { return rate_; }

  double epoch_seconds() const {
    return epoch_seconds_;
  }                                              ///< of the last finished epoch, with its validation
  double run_left() const { return run_left_; }  ///< s, with the validations

 private:
  std::int64_t images_after(const Progress& progress) const;

  std::int64_t epochs_, batch_size_;
  std::function<double()> now_;
  double epoch_start_ = 0, first_step_ = 0, last_step_ = 0;  ///< by now_
  std::int64_t images_before_ = 0;                           ///< of the epoch, when the run was taken up
  std::int64_t images_at_first_ = -1, images_ = 0;
  double rate_ = 0, epoch_seconds_ = 0, run_left_ = 0;
  double validation_ = 0, expected_epoch_ = 0;  ///< s; 0: not known yet
};

}  // namespace portraitseg
