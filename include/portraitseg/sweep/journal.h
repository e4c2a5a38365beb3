#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace portraitseg {

/// The epoch that a finished trial is judged by.
struct TrialResult {
  std::int64_t epochs = 0;  ///< that it was trained
  std::int64_t best_epoch = 0;
  std::map<std::string, double> figures;  ///< of that epoch's validation, percent
  std::string protocol, list_sha256;
  std::int64_t images = 0;  ///< of the list
};

/// What a trial had come to when it was stopped at a rung, see Halving.
struct RungFigure {
  std::int64_t epoch = 0;  ///< of the rung
  std::string figure;      ///< of that epoch's validation
  double value = 0;        ///< percent; not a number: it had none
};

/// A line of journal.jsonl.
struct TrialEvent {
  enum class Kind {
    kStarted,   ///< by a worker: `pid` or `job`
    kFinished,  ///< `result`
    kFailed,    ///< `exit_code`, `error`
    kStopped,   ///< killed by `signal`, or asked to: `exit_code`. To be continued
    kRung,      ///< stopped early, at `rung`
  };
  Kind kind = Kind::kStarted;
  std::string trial;
  std::int64_t attempt = 1;  ///< the trial's starts so far
  std::int64_t pid = 0;      ///< of a worker on this machine
  std::string job;           ///< of one elsewhere, such as Slurm's 12_3
  double seconds = 0;        ///< of this attempt
  int exit_code = 0, signal = 0;
  std::string error;  ///< the worker's one line
  TrialResult result;
  RungFigure rung;
};

/// What the events of a trial come to.
struct TrialHistory {
  enum class State { kNew, kUnfinished, kFinished, kFailed, kStoppedEarly };
  State state = State::kNew;
  std::int64_t attempts = 0;
  bool open = false;   ///< nothing is known of the last attempt's end
  double seconds = 0;  ///< of the attempts whose end is known
  std::string error;   ///< of the last failure
  TrialResult result;
  std::vector<RungFigure> rungs;  ///< in the order in which they were reached
};

/// "new", "unfinished", "finished", "failed", "stopped early".
const char* word(TrialHistory::State state);

/// journal.jsonl: one JSON object a line, each written at once and synced, none ever changed. Times are UTC.
class Journal {
 public:
  /// Reads what is there; a last line without an end, which a killed program leaves, counts as not written.
  /// @throws DataError for a line that is no event.
  explicit Journal(std::filesystem::path path);

  /// @throws DataError if it cannot be written.
  void add(const TrialEvent& event);

  TrialHistory of(const std::string& trial) const;

 private:
  void count(const TrialEvent& event);

  std::filesystem::path path_;
  std::uintmax_t whole_ = 0;  ///< bytes of whole lines
  bool torn_ = false;
  std::map<std::string, TrialHistory> histories_;
};

}  // namespace portraitseg
