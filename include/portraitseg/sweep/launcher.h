#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace portraitseg {

/// A call of this program that trains a trial.
struct Job {
  std::string name;                    ///< of the trial and its attempt; no other job of the sweep has it
  std::vector<std::string> arguments;  ///< behind the program's name
  std::filesystem::path output;        ///< file that gets what it prints; begun anew
  std::size_t slot = 0;                ///< of the worker, from 0
  bool any_device = true;              ///< the configuration names no device of its own
};

/// What a job is called where it runs, as the journal has it.
struct JobId {
  std::int64_t pid = 0;  ///< of a child process
  std::string job;       ///< of a job elsewhere, such as Slurm's 12_3
};

/// How a job ended.
struct JobEnd {
  int exit_code = 0;
  int signal = 0;                 ///< that killed it; 0: none did
  std::optional<double> seconds;  ///< that it ran, where that is less than since it was handed over
};

/// Where jobs run.
class Launcher {
 public:
  virtual ~Launcher() = default;

  /// How many jobs may be handed over and not have ended. @param workers that are to train at a time
  virtual std::size_t capacity(std::size_t workers) const = 0;

  /// @return in the jobs' order; std::nullopt: cannot be started just now.
  /// @throws UserError if they cannot be started at all.
  virtual std::vector<std::optional<JobId>> start(const std::vector<Job>& jobs) = 0;

  /// From now on the job of this name is this launcher's, which an earlier one of the sweep started, and which did not end with it.
  /// std::nullopt: there is none, and none will begin.
  virtual std::optional<JobId> adopt(const std::string& name) = 0;

  /// std::nullopt while it runs or waits; once it has ended it is forgotten.
  virtual std::optional<JobEnd> end(const JobId& job) = 0;

  /// Asks it to write a checkpoint and end; one that has not begun never will.
  virtual void stop(const JobId& job) = 0;
};

/// Child processes of this one, which is to be the program itself. They are asked to stop when this process ends, however it
/// does, and do not hear the terminal's Ctrl-C, which is this process's to pass on.
class LocalLauncher final : public Launcher {
 public:
  /// @param devices accelerators that the workers take in turn, see visible_devices(); each worker sees its own alone
  explicit LocalLauncher(std::vector<std::string> devices = {});

  std::size_t capacity(std::size_t workers) const override { return workers; }
  std::vector<std::optional<JobId>> start(const std::vector<Job>& jobs) override;
  std::optional<JobId> adopt(const std::string& name) override;
  std::optional<JobEnd> end(const JobId& job) override;
  void stop(const JobId& job) override;

 private:
  std::int64_t start(const Job& job);

  std::vector<std::string> devices_;
};

}  // namespace portraitseg
