#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "portraitseg/engine/trainer.h"
#include "portraitseg/report/training_clock.h"

namespace portraitseg {

/// A bar on stderr with rate and time left, as wide as the terminal allows. Where stderr is no terminal, a plain line with
/// the same now and then, or nothing.
class ProgressBar {
 public:
  enum class Elsewhere { kLines, kNothing };  ///< where stderr is no terminal

  explicit ProgressBar(std::string title, Elsewhere elsewhere = Elsewhere::kLines);
  ~ProgressBar();

  /// @param note text behind the bar, e.g. the loss
  void show(std::int64_t done, std::int64_t total, const std::string& note = "");
  void clear();

 private:
  std::string pace(std::int64_t done, std::int64_t total) const;

  std::string title_;
  bool terminal_;
  Elsewhere elsewhere_;
  bool shown_ = false;
  std::int64_t first_ = -1;
  std::chrono::steady_clock::time_point start_, last_;
};

/// @throws DataError if `output` is the file `input`, also by another name. An empty output or "-" is none.
void refuse_to_overwrite(const std::filesystem::path& input, const std::filesystem::path& output);

/// A line on stderr, and in the log file once there is one.
void say(const std::string& line);
void say_to_file(const std::filesystem::path& log);  ///< in place of the log file so far

/// A line in the log file alone.
void note(const std::string& line);

/// Tells a person how a training goes: a progress bar of the images within an epoch, a line after it. Both
/// say how many images a second it takes, and how long the run will go on.
class TrainingDisplay final : public TrainingObserver {
 public:
  /// @param clock has to live as long as this, and comes before it among the observers
  TrainingDisplay(const TrainerOptions& options, const TrainingClock& clock);
  void started(const Progress& progress) override;
  void stepped(const Progress& progress, std::int64_t batches) override;
  void validating(std::int64_t done, std::int64_t total) override;
  void waited(double seconds) override { waited_ += seconds; }
  void epoch_finished(const Progress& progress, bool best) override;
  void skipped(const std::string& reason) override;
  void not_fused(const std::string& reason) override;

 private:
  ProgressBar& bar(const std::string& title);

  std::int64_t epochs_;
  const TrainingClock& clock_;
  std::set<std::string> skipped_;
  std::unique_ptr<ProgressBar> bar_;
  std::string title_;
  std::chrono::steady_clock::time_point epoch_start_, training_end_;
  double waited_ = 0;  ///< s, for batches, in this epoch
};

}  // namespace portraitseg
