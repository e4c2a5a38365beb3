#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "portraitseg/core/file.h"
#include "portraitseg/sweep/slurm_launcher.h"

#include "support/temporary_folder.h"

namespace portraitseg::testing {

/// A variable of the environment for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// Shell scripts in the place of Slurm's programs. They write their arguments to NAME.calls, a line a call in brackets; sbatch
/// numbers arrays from 12 and takes no more jobs at a time than the file `most` says; squeue prints the file `queue`; each fails
/// with the words in NAME.fails where that is there.
class SlurmLaunchers : public ::testing::Test {
 protected:
  SlurmLaunchers() : path_("PATH", (place_ / "bin").string() + ":" + std::getenv("PATH")) {
    std::filesystem::create_directories(place_ / "bin");
    const std::string start = "cd '" + place_.string() +
                              "'\n"
                              "for word; do printf '[%s]' \"$word\"; done >>$name.calls; echo >>$name.calls\n"
                              "[ -e $name.fails ] && { cat $name.fails >&2; exit 1; }\n";
    fake("sbatch", "name=sbatch\n" + start +
                       "last=${*#*--array=0-}\n"
                       "[ -e most ] && [ ${last%%%*} -ge $(cat most) ] && { echo 'sbatch: error: too many' "
                       ">&2; exit 1; }\n"
                       "echo x >>count; echo $((11 + $(wc -l <count)))\n");
    fake("squeue", "name=squeue\n" + start +
                       "[ -n \"$SQUEUE_PARTITION\" ] && exit\n"
                       "awk '{ print $1, (NF > 1 ? $2 : \"RUNNING\") }' queue\n");
    fake("scancel", "name=scancel\n" + start + "true\n");
    write_file(place_ / "queue", "");
    options_.folder = place_ / "100% of a sweep's \"$HOME\"" / "slurm";
    options_.program = place_ / "it's a program";
    options_.name = "losses";
    options_.workers = 9;
    options_.threads = 3;
    options_.poll_seconds = 0.001;
    options_.lost_seconds = 0;
    write_program("for word; do printf '<%s>' \"$word\"; done\n");
  }

  void fake(const std::string& name, const std::string& script) const {
    write_file(place_ / "bin" / name, "#!/bin/sh\n" + script);
    std::filesystem::permissions(place_ / "bin" / name, std::filesystem::perms::owner_all);
  }
  void write_program(const std::string& script) const {
    write_file(options_.program,
               "#!/bin/sh\necho x >>'" + (place_ / "program.calls").string() + "'\n" + script);
    std::filesystem::permissions(options_.program, std::filesystem::perms::owner_all);
  }
  void fails(const std::string& name, const std::string& words) const {
    write_file(place_ / (name + ".fails"), words);
  }
  void works_again(const std::string& name) const { std::filesystem::remove(place_ / (name + ".fails")); }
  void queue_holds(const std::string& ids) const { write_file(place_ / "queue", ids); }

  std::vector<std::string> calls(const std::string& name) const {
    const std::filesystem::path file = place_ / (name + ".calls");
    return std::filesystem::exists(file) ? read_lines(file) : std::vector<std::string>();
  }

  SlurmLauncher launcher() {
    return {options_, [this](const std::string& line) { said_.push_back(line); }};
  }
  std::vector<Job> jobs(std::size_t count) const {
    std::vector<Job> all;
    for (std::size_t i = 0; i < count; ++i) {
      all.emplace_back();
      all.back().name = "trial" + std::to_string(i) + ".1";
      all.back().arguments = {"train", "--config", "it's \"$HOME\" `x` \\ " + std::to_string(i) + ".yaml"};
      all.back().output = place_ / ("o'clock " + std::to_string(i) + ".log");
    }
    return all;
  }

  static std::ptrdiff_t taken(const std::vector<std::optional<JobId>>& ids) {
    return std::count_if(ids.begin(), ids.end(), [](const auto& id) { return id.has_value(); });
  }

  /// As a node would. @return exit code
  int run_task(int index, int array = 1, const std::string& job = "12") const {
    const std::string script = (options_.folder / std::to_string(array) / "script.sh").string();
    std::string quoted;
    for (const char c : script) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return std::system(("SLURM_ARRAY_JOB_ID=" + job + " SLURM_ARRAY_TASK_ID=" + std::to_string(index) +
                        " sh '" + quoted + "' 2>/dev/null")
                           .c_str());
  }

  /// Looks until the job has ended; ends the test where it does not.
  static JobEnd end_of(Launcher& launcher, const JobId& id) {
    for (int i = 0; i < 2000; ++i) {
      if (const auto end = launcher.end(id)) return *end;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    throw std::runtime_error("it does not end");
  }

  /// So many looks at the queue, none of which ends the job.
  void look(Launcher& launcher, const JobId& id, std::size_t times) const {
    const std::size_t before = calls("squeue").size();
    while (calls("squeue").size() < before + times) {
      ASSERT_FALSE(launcher.end(id)) << "after " << calls("squeue").size() - before << " looks";
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  TemporaryFolder folder_;
  const std::filesystem::path place_ = folder_.path();
  const Variable path_;
  SlurmOptions options_;
  std::vector<std::string> said_;
};

}  // namespace portraitseg::testing
