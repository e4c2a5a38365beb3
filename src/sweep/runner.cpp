#include "portraitseg/sweep/runner.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/folder_lock.h"
#include "portraitseg/core/stopwatch.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Kind = TrialEvent::Kind;
using State = TrialHistory::State;

constexpr auto kLook = std::chrono::milliseconds(20);         // from one look at the workers to the next
constexpr auto kLookAtLock = std::chrono::milliseconds(500);  // of a trial that another process trains

/// The last line that a worker printed, which says why it failed.
std::string last_words(const fs::path& output) {
  constexpr std::size_t kLongest = 500;
  std::string text;
  try {
    text = read_file(output);
  } catch (const UserError&) {
    return "it left no word";
  }
  text.erase(text.find_last_not_of("\r\n") + 1);
  text = text.substr(text.find_last_of("\r\n") + 1);  // npos + 1 is 0
  const std::string prefix = "portraitseg: ";
  if (text.rfind(prefix, 0) == 0) text.erase(0, prefix.size());
  return text.substr(0, kLongest);
}

/// From outside; a crash would only come again.
bool was_stopped(const JobEnd& end) {
  const int signal = end.signal != 0 ? end.signal : end.exit_code - 128;
  return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

bool names_a_device(const TrainingPlan& plan) {
  return std::any_of(plan.stages.begin(), plan.stages.end(), [](const Stage& stage) {
    return stage.config.device.name.find(':') != std::string::npos;
  });
}

std::string job_name(const StoredTrial& trial, std::int64_t attempt) {
  return trial.id + "." + std::to_string(attempt);
}

/// See left_job().
std::int64_t left_attempt(const TrialHistory& history) {
  return history.attempts + (history.open ? 0 : 1);
}

class Runner {
 public:
  Runner(const SweepFolder& folder, Launcher& launcher, const RunnerOptions& options, SweepObserver& observer)
      : folder_(folder),
        launcher_(launcher),
        options_(options),
        observer_(observer),
        journal_(folder.journal()),
        workers_(static_cast<std::size_t>(folder.sweep().workers)) {
    for (const StoredTrial& trial : folder.sweep().trials) {
      const TrialHistory history = journal_.of(trial.id);
      if (history.state == State::kFinished || halving().waits(history)) continue;
      if (history.state == State::kFailed && !options.retry_failed) continue;
      queue_of(trial).push_back({&trial, Clock::now()});
    }
  }

  SweepOutcome run(const std::function<bool()>& stop) {
    folder_.write_results(journal_);
    adopt();
    bool stopping = false;
    for (;;) {
      if (!stopping && stop()) {
        stopping = true;
        for (const auto& [unused, worker] : running_) launcher_.stop(worker.job);
      }
      reap(stopping);
      if (!stopping) start_workers();
      if (running_.empty() && (stopping || is_done())) break;
      std::this_thread::sleep_for(kLook);
    }
    return outcome(folder_.sweep(), journal_);
  }

 private:
  struct Waiting {
    const StoredTrial* trial;
    Clock::time_point not_before;
  };

  struct Worker {
    const StoredTrial* trial;
    JobId job;
    std::int64_t attempt;
    Clock::time_point start;
    std::int64_t until;  ///< epoch of its rung; 0: the end
  };

  const Halving& halving() const { return folder_.sweep().early_stopping; }

  bool is_done() const { return begun_.empty() && new_.empty() && promotion() == nullptr; }

  /// Of the trials that were stopped early the one that goes on now; nullptr: none does.
  const StoredTrial* promotion() const {
    if (halving().rungs.empty()) return nullptr;
    const auto& trials = folder_.sweep().trials;
    std::vector<TrialHistory> histories;
    for (const StoredTrial& trial : trials) histories.push_back(journal_.of(trial.id));
    const auto next = halving().promotion(histories);
    return next ? &trials[*next] : nullptr;
  }

  /// The trials whose jobs did not end with the sweep that started them, also where it had no time to write that down.
  void adopt() {
    for (const StoredTrial& trial : folder_.sweep().trials) {
      const TrialHistory history = journal_.of(trial.id);
      if (history.state == State::kFinished) continue;
      const auto job = launcher_.adopt(left_job(trial, history));
      if (!job) continue;
      for (auto* queue : {&begun_, &new_}) drop(trial, *queue);
      const Worker worker = {&trial, *job, left_attempt(history), Clock::now(), halving().until(history)};
      if (!history.open) add_started(worker);
      running_[running_.size()] = worker;
      observer_.adopted(trial, *job);
    }
  }

  static void drop(const StoredTrial& trial, std::deque<Waiting>& queue) {
    const auto is_trial = [&](const Waiting& waiting) { return waiting.trial == &trial; };
    queue.erase(std::remove_if(queue.begin(), queue.end(), is_trial), queue.end());
  }

  void start_workers() {
    std::vector<const StoredTrial*> trials;
    std::vector<Job> jobs;
    for (std::size_t slot = 0; slot < slots(); ++slot) {
      if (running_.count(slot) > 0) continue;
      if (running_.size() + jobs.size() >= slots()) break;  // adopted ones may have slots beyond
      const StoredTrial* trial = take();
      if (trial == nullptr) break;
      trials.push_back(trial);
      jobs.push_back(job_of(*trial, slot));
      if (is_promoted(*trial)) break;  // the next one follows from the journal, where this is yet to be
    }
    if (jobs.empty()) return;
    const auto ids = launcher_.start(jobs);
    for (std::size_t i = jobs.size(); i-- > 0;) {
      if (!ids[i] && !is_promoted(*trials[i])) queue_of(*trials[i]).push_front({trials[i], Clock::now()});
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (ids[i]) started(*trials[i], jobs[i], *ids[i]);
    }
  }

  /// Which trials are promoted follows from those that have ended: no more are handed over than run.
  std::size_t slots() const {
    const std::size_t most = launcher_.capacity(workers_);
    return halving().rungs.empty() ? most : std::min(most, workers_);
  }

  bool is_promoted(const StoredTrial& trial) const { return halving().waits(journal_.of(trial.id)); }

  std::deque<Waiting>& queue_of(const StoredTrial& trial) {
    return journal_.of(trial.id).state == State::kNew ? new_ : begun_;
  }

  /// The next trial that nobody trains; nullptr: none just now.
  const StoredTrial* take() {
    if (const StoredTrial* trial = take(begun_)) return trial;
    const StoredTrial* promoted = promotion();
    if (promoted != nullptr && !is_locked(*promoted)) return promoted;
    return take(new_);
  }

  const StoredTrial* take(std::deque<Waiting>& queue) {
    for (std::size_t i = 0; i < queue.size(); ++i) {
      Waiting& waiting = queue[i];
      if (Clock::now() < waiting.not_before) continue;
      if (is_locked(*waiting.trial)) {
        waiting.not_before = Clock::now() + kLookAtLock;
        continue;
      }
      const StoredTrial* trial = waiting.trial;
      queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(i));
      return trial;
    }
    return nullptr;
  }

  /// Such as by a worker of a sweep that was killed, which is about to end.
  bool is_locked(const StoredTrial& trial) {
    if (!fs::is_directory(folder_.run(trial.id))) return false;
    try {
      const FolderLock free(folder_.run(trial.id));
      return false;
    } catch (const FolderTaken& error) {
      if (told_.insert(trial.id).second) observer_.waits(trial, error.what());
      return true;
    } catch (const UserError&) {
      return false;  // the worker fails the same way, and that is recorded
    }
  }

  Job job_of(const StoredTrial& trial, std::size_t slot) const {
    const std::string run = folder_.run(trial.id).string(), config = folder_.config(trial.id).string();
    Job job = {job_name(trial, journal_.of(trial.id).attempts + 1),
               {"train", "--resume", run},
               folder_.output(trial.id),
               slot,
               !names_a_device(TrainingPlan::load(config))};
    if (!fs::exists(folder_.run(trial.id) / "config.yaml")) {
      const std::string threads = "device.threads=" + std::to_string(folder_.sweep().threads);
      job.arguments = {"train", "--config", config, "--output", run, "--set", threads};
    }
    const std::int64_t until = halving().until(journal_.of(trial.id));
    if (until > 0) job.arguments.insert(job.arguments.end(), {"--until-epoch", std::to_string(until)});
    return job;
  }

  void started(const StoredTrial& trial, const Job& job, const JobId& id) {
    const TrialHistory before = journal_.of(trial.id);
    const Worker worker = {&trial, id, before.attempts + 1, Clock::now(), halving().until(before)};
    add_started(worker);
    running_[job.slot] = worker;
    if (halving().waits(before)) return observer_.promoted(trial, worker.until);
    observer_.started(trial, job.arguments[1] == "--resume");
  }

  void add_started(const Worker& worker) {
    TrialEvent event = event_of(worker, Kind::kStarted);
    event.seconds = 0;
    journal_.add(event);
  }

  void reap(bool stopping) {
    for (auto entry = running_.begin(); entry != running_.end();) {
      const auto end = launcher_.end(entry->second.job);
      if (!end) {
        ++entry;
        continue;
      }
      const Worker worker = entry->second;
      entry = running_.erase(entry);
      record(worker, *end, stopping);
    }
  }

  static TrialEvent event_of(const Worker& worker, Kind kind) {
    TrialEvent event;
    event.kind = kind;
    event.trial = worker.trial->id;
    event.attempt = worker.attempt;
    event.pid = worker.job.pid;
    event.job = worker.job.job;
    event.seconds = seconds_since(worker.start);
    return event;
  }

  void record(const Worker& worker, const JobEnd& end, bool stopping) {
    TrialEvent event = event_of(worker, Kind::kFailed);
    event.exit_code = end.signal == 0 ? end.exit_code : 0;
    event.signal = end.signal;
    if (end.seconds) event.seconds = *end.seconds;
    if (was_stopped(end)) {
      stop_or_fail(event, stopping);
    } else if (end.signal != 0) {
      event.error =
          "crashed by signal " + std::to_string(end.signal) + ": " + last_words(folder_.output(event.trial));
    } else if (end.exit_code == 0) {
      conclude(worker, event, stopping);
    } else {
      event.error = last_words(folder_.output(event.trial));
    }
    journal_.add(event);
    if (event.kind == Kind::kStopped && !stopping) begun_.push_front({worker.trial, Clock::now()});
    if (event.kind == Kind::kFinished) folder_.write_results(journal_);
    observer_.ended(*worker.trial, event, begun_.size() + new_.size() + running_.size());
  }

  /// To be continued, unless it was stopped too often without an epoch more.
  void stop_or_fail(TrialEvent& event, bool stopping) {
    Stops& stops = stops_[event.trial];
    const std::int64_t epochs = epochs_of(event.trial);
    if (epochs > stops.epochs) stops = {epochs, 0};
    if (stopping || stops.count++ < options_.restarts) {
      event.kind = Kind::kStopped;
    } else {
      event.error = "its worker was killed " + std::to_string(options_.restarts + 1) +
                    " times without an epoch in between (--restarts)";
    }
  }

  std::int64_t epochs_of(const std::string& trial) const {
    try {
      return folder_.progress(trial).epoch;
    } catch (const UserError&) {
      return 0;  // it has no checkpoint yet
    }
  }

  /// What a worker that ended without an error has come to.
  void conclude(const Worker& worker, TrialEvent& event, bool stopping) {
    try {
      const Progress progress = folder_.progress(event.trial);
      const std::string& figure = halving().figure;
      if (folder_.is_trained(event.trial, progress)) {
        event.result = folder_.result(event.trial, progress);
        event.kind = Kind::kFinished;
      } else if (worker.until > 0 && progress.epoch >= worker.until) {
        event.rung = {worker.until, figure, folder_.figure(event.trial, progress, worker.until, figure)};
        event.kind = Kind::kRung;
      } else {
        stop_or_fail(event, stopping);  // an adopted job, which was given a rung that the sweep has no more
      }
    } catch (const UserError& error) {
      event.error = error.what();
    }
  }

  /// How often a trial was stopped since it had so many epochs.
  struct Stops {
    std::int64_t epochs = 0, count = 0;
  };

  const SweepFolder& folder_;
  Launcher& launcher_;
  const RunnerOptions& options_;
  SweepObserver& observer_;
  Journal journal_;
  std::size_t workers_;
  std::deque<Waiting> begun_, new_;        ///< those that were interrupted or failed go first
  std::map<std::size_t, Worker> running_;  ///< by slot
  std::map<std::string, Stops> stops_;
  std::set<std::string> told_;
};

}  // namespace

SweepOutcome run_sweep(const SweepFolder& folder, Launcher& launcher, const RunnerOptions& options,
                       SweepObserver& observer, const std::function<bool()>& stop) {
  return Runner(folder, launcher, options, observer).run(stop);
}

std::string left_job(const StoredTrial& trial, const TrialHistory& history) {
  return job_name(trial, left_attempt(history));
}

SweepOutcome outcome(const StoredSweep& sweep, const Journal& journal) {
  SweepOutcome outcome;
  for (const StoredTrial& trial : sweep.trials) {
    const TrialHistory history = journal.of(trial.id);
    ++(history.state == State::kFinished     ? outcome.finished
       : history.state == State::kFailed     ? outcome.failed
       : sweep.early_stopping.waits(history) ? outcome.stopped_early
                                             : outcome.unfinished);
  }
  return outcome;
}

}  // namespace portraitseg
