#include "portraitseg/report/training_clock.h"

#include <gtest/gtest.h>

namespace portraitseg {
namespace {

constexpr std::int64_t kImages = 90, kBatch = 20, kBatches = 5;  // the last batch has 10

/// A training by a clock that the test turns.
class TimedTraining : public ::testing::Test {
 protected:
  TimedTraining() {
    options_.epochs = 3;
    options_.batch_size = kBatch;
    progress_.train_images = kImages;
  }

  void step(double seconds) {
    now_ += seconds;
    ++progress_.current.batch;
    clock_->stepped(progress_, kBatches);
  }
  void finish_epoch(double validation_seconds) {
    now_ += validation_seconds;
    progress_.current = {};
    ++progress_.epoch;
    clock_->epoch_finished(progress_, false);
  }
  void start() {
    clock_ = std::make_unique<TrainingClock>(options_, [this] { return now_; });
    clock_->started(progress_);
  }

  TrainerOptions options_;
  Progress progress_;
  double now_ = 1000;
  std::unique_ptr<TrainingClock> clock_;
};

TEST_F(TimedTraining, RateLeavesTheWaitForTheFirstBatchOut) {
  start();
  step(10);
  EXPECT_DOUBLE_EQ(clock_->images_per_second(), 2);  // nothing better is known
  step(1);
  EXPECT_DOUBLE_EQ(clock_->images_per_second(), 20);
  step(4);
  EXPECT_DOUBLE_EQ(clock_->images_per_second(), 8);
  EXPECT_EQ(clock_->images(), 60);
}

TEST_F(TimedTraining, LastBatchMayBeSmaller) {
  start();
  for (int i = 0; i < kBatches; ++i) step(1);
  EXPECT_EQ(clock_->images(), kImages);
  EXPECT_DOUBLE_EQ(clock_->images_per_second(), 70.0 / 4);
}

TEST_F(TimedTraining, TimeLeftCountsEpochsAndValidations) {
  start();
  step(1), step(1);
  EXPECT_DOUBLE_EQ(clock_->run_left(), 50 / 20.0 + 2 * 90 / 20.0);
  step(1), step(1), step(0.5);
  finish_epoch(3);
  EXPECT_DOUBLE_EQ(clock_->epoch_seconds(), 7.5);
  EXPECT_DOUBLE_EQ(clock_->run_left(), 2 * 7.5);
  step(1), step(1);
  EXPECT_DOUBLE_EQ(clock_->run_left(), 50 / 20.0 + 3 + 7.5);
  step(1), step(1), step(0.5), finish_epoch(3);
  step(1), step(1), step(1), step(1), step(0.5), finish_epoch(3);
  EXPECT_EQ(clock_->run_left(), 0);
}

TEST_F(TimedTraining, TakenUpInMidEpochCountsOnlyWhatItSees) {
  progress_.current.batch = 3;
  start();
  step(1);
  EXPECT_DOUBLE_EQ(clock_->images_per_second(), 20);
  step(0.5);
  EXPECT_DOUBLE_EQ(clock_->images_per_second(), 20);
  finish_epoch(2);
  EXPECT_DOUBLE_EQ(clock_->epoch_seconds(), 3.5);
  EXPECT_DOUBLE_EQ(clock_->run_left(), 2 * (3.5 + 60 / 20.0));
}

TEST_F(TimedTraining, TakenUpBehindTheLastBatchKnowsNoRate) {
  progress_.current.batch = kBatches;
  start();
  finish_epoch(2);
  EXPECT_EQ(clock_->images_per_second(), 0);
  EXPECT_DOUBLE_EQ(clock_->run_left(), 2 * 2);
}

}  // namespace
}  // namespace portraitseg
