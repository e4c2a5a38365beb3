#include "portraitseg/report/training_clock.h"

#include <algorithm>
#include <chrono>

namespace portraitseg {

namespace {

constexpr double kShortest = 1e-6;  // s, against a clock that stands still

}  // namespace

TrainingClock::TrainingClock(const TrainerOptions& options, std::function<double()> now)
    : epochs_(options.epochs), batch_size_(options.batch_size), now_(std::move(now)) {}

double TrainingClock::seconds_of_this_machine() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t TrainingClock::images_after(const Progress& progress) const {
  return std::min(progress.current.batch * batch_size_, progress.train_images);
}

void TrainingClock::started(const Progress& progress) {
  epoch_start_ = last_step_ = now_();
  images_before_ = images_after(progress);
}

void TrainingClock::stepped(const Progress& progress, std::int64_t /*batches*/) {
  last_step_ = now_();
  images_ = images_after(progress);
  if (images_at_first_ < 0) {
    images_at_first_ = images_;
    first_step_ = last_step_;
    rate_ = static_cast<double>(images_ - images_before_) / std::max(last_step_ - epoch_start_, kShortest);
  } else {  // the first step waits for the loader's first batch, which the others do not
    rate_ = static_cast<double>(images_ - images_at_first_) / std::max(last_step_ - first_step_, kShortest);
  }
  const double training_left =
      static_cast<double>(progress.train_images - images_) / std::max(rate_, kShortest);
  const double whole_training = static_cast<double>(progress.train_images) / std::max(rate_, kShortest);
  const double whole_epoch = expected_epoch_ > 0 ? expected_epoch_ : whole_training + validation_;
  run_left_ = training_left + validation_ + static_cast<double>(epochs_ - progress.epoch - 1) * whole_epoch;
}

void TrainingClock::epoch_finished(const Progress& progress, bool /*best*/) {
  const double end = now_();
  validation_ = end - last_step_;
  epoch_seconds_ = end - epoch_start_;
  // What was trained of the epoch before the run was taken up took its time, too.
  expected_epoch_ = epoch_seconds_ + (rate_ > 0 ? static_cast<double>(images_before_) / rate_ : 0);
  run_left_ = static_cast<double>(epochs_ - progress.epoch) * expected_epoch_;
  epoch_start_ = last_step_ = end;
  images_before_ = 0;
  images_at_first_ = -1;
}

}  // namespace portraitseg
