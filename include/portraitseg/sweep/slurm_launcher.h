#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/sweep/launcher.h"

namespace portraitseg {

struct SlurmOptions {
  std::filesystem::path folder;  ///< where it keeps its files; the same as an earlier launcher's of the sweep
  std::filesystem::path program;    ///< that the jobs call; like `folder` under the same path on every node
  std::string name;                 ///< that the queue shows
  std::int64_t workers = 1;         ///< tasks of an array that run at a time
  std::int64_t threads = 1;         ///< processors of a task
  std::vector<std::string> sbatch;  ///< further options of it, one an element
  double poll_seconds = 5;          ///< from one look at the queue to the next

  /// Before a job counts as killed that the queue has no more and that left no status: a client of NFS may keep what a folder held for
  /// a minute.
  double lost_seconds = 90;
};

/// Jobs of a Slurm cluster (tried with 22.05): all that are handed over together are one array, and go on where this process ends.
/// The first array has all jobs, or as many as Slurm takes of up to 1000; while any of it are left, further ones are handed over
/// where fewer than `workers` are, so that no more train at a time.
///
/// An array has its folder FOLDER/N: `script.sh`, which sbatch gets; `names`, one a task; `array`, Slurm's number of it; and of
/// its task I `I.begun`, `I.status` (exit code and seconds) and `I.txt` (what Slurm says). A task runs if it is the first to make
/// `I.begun`. So an array whose number this process did not get to know, or a task that Slurm starts anew, can be kept from training
/// a trial that another one trains.
class SlurmLauncher final : public Launcher {
 public:
  using Say = std::function<void(const std::string&)>;

  /// @param say gets a line where Slurm does not answer or take jobs, when it answers again, and of a job that ended before it began
  /// @throws UserError if sbatch, squeue or scancel is not in PATH, or a word of `sbatch` belongs to no option.
  /// @throws DataError if the folder holds something else.
  SlurmLauncher(SlurmOptions options, Say say);

  /// @throws UserError if sbatch, squeue or scancel is not in PATH
  static void check_programs();

  /// @throws UserError as above, or with squeue's words if no cluster answers
  static void check_cluster();

  std::size_t capacity(std::size_t workers) const override;

  /// Takes them from the front, half as many at a time as sbatch has refused before.
  /// @throws UserError with sbatch's words if it refuses a single one and has none of this sweep's yet; else it is asked again later.
  std::vector<std::optional<JobId>> start(const std::vector<Job>& jobs) override;
  std::optional<JobId> adopt(const std::string& name) override;
  std::optional<JobEnd> end(const JobId& job) override;
  void stop(const JobId& job) override;

 private:
  using Clock = std::chrono::steady_clock;

  struct Task {
    std::filesystem::path array;  ///< its folder
    std::size_t index = 0;
    std::int64_t missing = 0;         ///< looks in a row that did not see it in the queue
    Clock::time_point missing_since;  ///< where there are any
    bool stop = false, told = false;
    std::optional<Clock::time_point> begun;  ///< as first seen
    std::optional<JobEnd> end;
  };

  void look();
  void pass_on_stops(const std::optional<std::set<std::string>>& seen);
  std::optional<std::set<std::string>> queue();
  std::chrono::milliseconds poll() const;
  std::size_t unended() const;
  std::size_t room(std::size_t workers) const;
  std::vector<std::optional<JobId>> hand_over(const std::vector<Job>& jobs);
  void refused(std::size_t jobs, int exit_code, const std::string& words);
  std::vector<std::optional<JobId>> not_taken(const std::filesystem::path& array, std::size_t jobs);
  JobId keep(const std::string& id, const std::filesystem::path& array, std::size_t index);

  SlurmOptions options_;
  Say say_;
  std::map<std::string, std::pair<std::filesystem::path, std::size_t>> known_;  ///< array and index by name
  std::map<std::string, Task> tasks_;                                           ///< by id
  std::size_t largest_;                                                         ///< array that is asked for
  Clock::time_point next_look_, next_start_;
  bool took_some_ = false;                       ///< so what sbatch says of one job may pass
  bool queue_known_ = true, takes_jobs_ = true;  ///< as was last said
};

/// Ids of those jobs in a SlurmLauncher's folder that, as far as its files say, have not ended. Those that wait for an array whose
/// number is not known are kept from beginning: they count as ended.
std::vector<std::string> unended_slurm_jobs(const std::filesystem::path& folder,
                                            const std::vector<std::string>& names);

/// The words of a line as a shell takes them apart: at blanks that are not in quotes. Nothing is expanded.
/// @throws UserError for a quote without end.
std::vector<std::string> words_of(const std::string& line);

}  // namespace portraitseg
