#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace portraitseg {

/// A call of this program that trains a trial.
struct Job {
  std::vector<std::string> arguments;  ///< behind the program's name
  std::filesystem::path output;        ///< file that gets what it prints; begun anew
  std::size_t slot = 0;                ///< of the worker, from 0
  bool any_device = true;              ///< the configuration names no device of its own
};

/// How a job ended.
struct JobEnd {
  int exit_code = 0;
  int signal = 0;  ///< that killed it; 0: none did
};

/// Where jobs run.
class Launcher {
 public:
  virtual ~Launcher() = default;

  /// @return a number that names it; of a local one the process id. @throws UserError if it cannot be started.
  virtual std::int64_t start(const Job& job) = 0;

  /// std::nullopt while it runs; once it has ended it is forgotten.
  virtual std::optional<JobEnd> end(std::int64_t job) = 0;

  /// Asks it to write a checkpoint and end.
  virtual void stop(std::int64_t job) = 0;
};

/// Child processes of this one, which is to be the program itself. They are asked to stop when this process ends, however it
/// does, and do not hear the terminal's Ctrl-C, which is this process's to pass on.
class LocalLauncher final : public Launcher {
 public:
  /// @param devices accelerators that the workers take in turn, see visible_devices(); each worker sees its own alone
  explicit LocalLauncher(std::vector<std::string> devices = {});

  std::int64_t start(const Job& job) override;
  std::optional<JobEnd> end(std::int64_t job) override;
  void stop(std::int64_t job) override;

 private:
  std::vector<std::string> devices_;
};

}  // namespace portraitseg
