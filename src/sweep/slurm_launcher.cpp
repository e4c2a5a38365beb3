#include "portraitseg/sweep/slurm_launcher.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <csignal>
#include <sstream>
#include <system_error>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/stopwatch.h"

#include "program.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestArray =
    1000;  // what a cluster takes that was not told otherwise (MaxArraySize)
constexpr std::int64_t kLooksUntilLost = 6;
constexpr int kLooksUntilNextStart = 12;
constexpr int kTerminated = 128 + SIGTERM, kKilled = 128 + SIGKILL;
constexpr const char* kTakenBack = "taken back";
const std::vector<std::string> kFilters = {"SQUEUE_",
                                           "SCANCEL_"};  // variables that would narrow what is seen

/// States in which nothing more comes; a task that still ends is COMPLETING.
const std::set<std::string> kEnds = {"BOOT_FAIL", "CANCELLED",     "COMPLETED", "DEADLINE", "FAILED",
                                     "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"};

/// A file of a task.
fs::path file_of(const fs::path& array, std::size_t index, const char* kind) {
  return array / (std::to_string(index) + "." + kind);
}

std::string first_line(const fs::path& file) {
  const auto lines = read_lines(file);
  return lines.empty() ? "" : lines.front();
}

/// In single quotes, which a shell leaves alone.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

/// The name of the files that get what Slurm says: it reads % as the start of a variable, %a the task's index.
std::string pattern_of(const fs::path& array) {
  std::string pattern;
  for (const char c : array.string()) pattern += c == '%' ? std::string("%%") : std::string(1, c);
  return pattern + "/%a.txt";
}

/// What a program printed, as one line.
std::string one_line(const std::string& text) {
  std::string line;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part);) {
    if (!part.empty()) line += (line.empty() ? "" : "; ") + part;
  }
  return line.empty() ? "it printed nothing" : line;
}

/// Slurm's number of an array, or NUMBER;CLUSTER; what a site has around sbatch may print lines of its own. "": there is none.
std::string array_number(const std::string& printed) {
  std::string number;
  std::istringstream in(printed);
  for (std::string line; std::getline(in, line);) {
    const std::string digits = line.substr(0, line.find_first_not_of("0123456789"));
    const std::string rest = line.substr(digits.size());
    if (!digits.empty() && (rest.find_first_not_of(" \r") == std::string::npos || rest.front() == ';'))
      number = digits;
  }
  return number;
}

/// A word that belongs to no option would be taken for the script.
void check_options(const std::vector<std::string>& words) {
  bool value_may_follow = false;
  for (const auto& word : words) {
    const bool option = word.size() > 1 && word.front() == '-';
    if (!option && !value_may_follow)
      throw UserError("--slurm: '" + word + "' belongs to no option of sbatch");
    const bool is_long = word.rfind("--", 0) == 0;
    value_may_follow = option && (is_long ? word.find('=') == std::string::npos : word.size() == 2);
  }
}

std::string case_of(std::size_t index, const Job& job) {
  std::string text = fmt::format("{}) log={}; set --", index, quoted(job.output.string()));
  for (const auto& argument : job.arguments) text += " " + quoted(argument);
  return text + " ;;\n";
}

/// What a task does. A signal that Slurm sends goes to the shell and to the program; the shell waits for what the program makes of
/// it. Before the trap is set the shell ends by it, and nothing is lost.
std::string script_of(const fs::path& array, const fs::path& program, const std::vector<Job>& jobs) {
  std::string text = "#!/bin/sh\narray=" + quoted(array.string()) + "\ncase $SLURM_ARRAY_TASK_ID in\n";
  for (std::size_t i = 0; i < jobs.size(); ++i) text += case_of(i, jobs[i]);
  return text +
         "*) exit 2 ;;\n"
         "esac\n"
         "task=$array/$SLURM_ARRAY_TASK_ID\n"
         "id=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\n"
         "echo \"$id\" >\"$task.$id\" || exit 2\n"
         "ln \"$task.$id\" \"$task.begun\" || exit 2  # somebody was first\n"
         "rm -f \"$task.$id\"\n"
         "start=$(date +%s)\n" +
         quoted(program.string()) +
         " \"$@\" </dev/null >\"$log\" 2>&1 &\n"
         "program=$!\n"
         "trap : TERM INT HUP\n"
         "wait $program\n"
         "code=$?\n"
         "while kill -0 $program 2>/dev/null; do\n"
         "  wait $program\n"
         "  code=$?\n"
         "done\n"
         "echo \"$code $(($(date +%s) - start))\" >\"$task.status.tmp\" &&\n"
         "  mv \"$task.status.tmp\" \"$task.status\"\n";
}

/// The arrays in a launcher's folder, in the order of their numbers.
std::map<int, fs::path> arrays_in(const fs::path& folder) {
  std::map<int, fs::path> arrays;
  if (!fs::is_directory(folder)) return arrays;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) arrays[number] = entry.path();
  }
  return arrays;
}

fs::path make_array(const fs::path& folder) {
  const auto arrays = arrays_in(folder);
  const fs::path array = folder / std::to_string(arrays.empty() ? 1 : arrays.rbegin()->first + 1);
  make_folder(array);
  return array;
}

/// Array and index by a task's name; the latest where several arrays have the name.
std::map<std::string, std::pair<fs::path, std::size_t>> tasks_in(const fs::path& folder) {
  std::map<std::string, std::pair<fs::path, std::size_t>> tasks;
  for (const auto& [unused, array] : arrays_in(folder)) {
    if (!fs::exists(array / "names")) continue;  // killed before it was handed over
    const auto names = read_lines(array / "names");
    for (std::size_t i = 0; i < names.size(); ++i) tasks[names[i]] = {array, i};
  }
  return tasks;
}

/// Keeps a task from beginning. @return std::nullopt, or what the one that has begun is called
std::optional<std::string> take_back(const fs::path& array, std::size_t index) {
  const fs::path own = array / "taken_back", begun = file_of(array, index, "begun");
  if (!fs::exists(own)) write_file(own, std::string(kTakenBack) + "\n");
  std::error_code error;
  fs::create_hard_link(own, begun, error);
  if (!error) return std::nullopt;
  if (error != std::errc::file_exists) throw DataError(begun, "cannot be linked: " + error.message());
  const std::string id = first_line(begun);
  return id == kTakenBack ? std::nullopt : std::optional(id);
}

/// As far as files say; std::nullopt: it has ended or will never begin, which it is kept from if its array's number is not known.
std::optional<std::string> id_of(const fs::path& array, std::size_t index) {
  if (!fs::exists(array / "array")) return take_back(array, index);
  const fs::path begun = file_of(array, index, "begun");
  if (fs::exists(begun) && first_line(begun) == kTakenBack) return std::nullopt;
  return first_line(array / "array") + "_" + std::to_string(index);
}

/// What the task's script says of its end. A shell says 128 + N of a signal N, and `train` itself of those that stop it.
std::optional<JobEnd> stored_end(const fs::path& array, std::size_t index) {
  const fs::path file = file_of(array, index, "status");
  if (!fs::exists(file)) return std::nullopt;
  std::istringstream text(read_file(file));
  JobEnd end;
  double seconds = 0;
  if (!(text >> end.exit_code >> seconds)) return std::nullopt;  // power failed before it was on the disk
  end.seconds = seconds;
  const int signal = end.exit_code - 128;
  if (signal > 0 && signal != SIGTERM && signal != SIGINT) end.signal = signal;
  return end;
}

}  // namespace

SlurmLauncher::SlurmLauncher(SlurmOptions options, Say say)
    : options_(std::move(options)),
      say_(std::move(say)),
      known_(tasks_in(options_.folder)),
      largest_(kLargestArray) {
  check_programs();
  check_options(options_.sbatch);
  std::signal(SIGCHLD, SIG_DFL);  // see LocalLauncher
}

void SlurmLauncher::check_programs() {
  for (const char* name : {"sbatch", "squeue", "scancel"}) {
    if (!has_program(name)) throw UserError(std::string("--launcher slurm: no ") + name + " in PATH");
  }
}

void SlurmLauncher::check_cluster() {
  check_programs();
  const ProgramEnd squeue = run_program({"squeue", "--noheader", "--states=running"}, kFilters);
  if (squeue.exit_code != 0) throw UserError("--launcher slurm: no cluster answers: " + one_line(squeue.err));
}

std::size_t SlurmLauncher::capacity(std::size_t workers) const {
  const std::size_t more = Clock::now() < next_start_ ? 0 : room(workers);
  return more == 0 ? 0 : unended() + more;
}

std::size_t SlurmLauncher::unended() const {
  return static_cast<std::size_t>(
      std::count_if(tasks_.begin(), tasks_.end(), [](const auto& entry) { return !entry.second.end; }));
}

/// How many may be handed over now. Slurm holds back no more than one array's tasks: beside others go only as many as are missing.
std::size_t SlurmLauncher::room(std::size_t workers) const {
  const std::size_t others = unended();
  if (others == 0) return largest_;
  return std::min(largest_, workers - std::min(workers, others));
}

std::vector<std::optional<JobId>> SlurmLauncher::start(const std::vector<Job>& jobs) {
  const auto workers = static_cast<std::size_t>(options_.workers);
  const auto count = static_cast<std::ptrdiff_t>(std::min(jobs.size(), room(workers)));
  std::vector<std::optional<JobId>> ids;
  if (count > 0) ids = hand_over({jobs.begin(), jobs.begin() + count});
  ids.resize(jobs.size());
  return ids;
}

std::vector<std::optional<JobId>> SlurmLauncher::hand_over(const std::vector<Job>& jobs) {
  const fs::path array = make_array(options_.folder);
  std::string names;
  for (const Job& job : jobs) names += job.name + "\n";
  write_file(array / "script.sh", script_of(array, options_.program, jobs));
  write_file(array / "names", names);
  std::vector<std::string> call = {"sbatch", fmt::format("--cpus-per-task={}", options_.threads),
                                   "--job-name=" + options_.name, "--output=" + pattern_of(array)};
  call.insert(call.end(), options_.sbatch.begin(), options_.sbatch.end());
  call.insert(call.end(), {"--parsable", "--no-requeue",
                           fmt::format("--array=0-{}%{}", jobs.size() - 1, options_.workers),
                           "--chdir=" + array.string(), (array / "script.sh").string()});
  const ProgramEnd sbatch = run_program(call);
  const std::string number = array_number(sbatch.out);
  if (sbatch.exit_code != 0 || number.empty()) {
    auto begun = not_taken(array, jobs.size());
    refused(jobs.size(), sbatch.exit_code,
            sbatch.err.empty() ? "sbatch: " + one_line(sbatch.out) : one_line(sbatch.err));
    return begun;
  }
  write_file(array / "array", number + "\n");
  takes_jobs_ = true;
  std::vector<std::optional<JobId>> ids;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    ids.push_back(keep(number + "_" + std::to_string(i), array, i));
  return ids;
}

/// sbatch may fail, such as where the answer was lost, of jobs that Slurm has. They must not run beside those that follow.
std::vector<std::optional<JobId>> SlurmLauncher::not_taken(const fs::path& array, std::size_t jobs) {
  std::vector<std::optional<JobId>> ids(jobs);
  for (std::size_t i = 0; i < jobs; ++i) {
    if (const auto id = take_back(array, i)) ids[i] = keep(*id, array, i);
  }
  return ids;
}

/// Fewer may be taken where so many are not: MaxArraySize, MaxSubmitJobs. While others train it can wait.
void SlurmLauncher::refused(std::size_t jobs, int exit_code, const std::string& words) {
  const bool fewer = jobs > 1 && exit_code > 0;
  if (fewer) largest_ = jobs / 2;
  if (!fewer && !took_some_) throw UserError(words);
  const bool waits = !fewer || unended() > 0;
  if (waits) next_start_ = Clock::now() + kLooksUntilNextStart * poll();
  if (!std::exchange(takes_jobs_, false)) return;
  say_((waits ? "Slurm takes no more jobs just now, and is asked again: "
              : "Slurm does not take so many jobs at a time, and is asked to take fewer: ") +
       words);
}

JobId SlurmLauncher::keep(const std::string& id, const fs::path& array, std::size_t index) {
  took_some_ = true;
  Task& task = tasks_[id];
  task = {};
  task.array = array;
  task.index = index;
  return {0, id};
}

std::optional<JobId> SlurmLauncher::adopt(const std::string& name) {
  const auto known = known_.find(name);
  if (known == known_.end()) return std::nullopt;
  const auto& [array, index] = known->second;
  const auto id = id_of(array, index);
  return id ? std::optional(keep(*id, array, index)) : std::nullopt;
}

std::optional<JobEnd> SlurmLauncher::end(const JobId& job) {
  if (Clock::now() >= next_look_) {
    look();
    next_look_ = Clock::now() + poll();
  }
  const auto task = tasks_.find(job.job);
  if (task == tasks_.end()) throw UserError("job " + job.job + " is none of this sweep");
  const auto end = task->second.end;
  if (end) tasks_.erase(task);
  return end;
}

void SlurmLauncher::stop(const JobId& job) {
  const auto task = tasks_.find(job.job);
  if (task == tasks_.end()) return;
  task->second.stop = true;
  next_look_ = Clock::now();
}

/// The queue is asked first: a task that it has no more has written its status before.
void SlurmLauncher::look() {
  const auto seen = queue();
  pass_on_stops(seen);
  for (auto& [id, task] : tasks_) {
    if (task.end) continue;
    if (!task.begun && fs::exists(file_of(task.array, task.index, "begun"))) task.begun = Clock::now();
    task.end = stored_end(task.array, task.index);
    if (task.end || !seen) continue;
    if (seen->count(id) > 0) {
      task.missing = 0;
      continue;
    }
    if (task.missing++ == 0) task.missing_since = Clock::now();
    if (task.missing < kLooksUntilLost || seconds_since(task.missing_since) < options_.lost_seconds) continue;
    if (!take_back(task.array, task.index))
      say_("job " + id +
           " ended before it began; Slurm may say why: " + file_of(task.array, task.index, "txt").string());
    task.end = JobEnd{kKilled, SIGKILL, task.begun ? seconds_since(*task.begun) : 0};
  }
}

/// To `train` a second signal means to end without a checkpoint.
void SlurmLauncher::pass_on_stops(const std::optional<std::set<std::string>>& seen) {
  std::vector<std::string> waiting = {"scancel", "--quiet"};
  const std::size_t words = waiting.size();
  for (auto& [id, task] : tasks_) {
    if (!task.stop || task.told || task.end) continue;
    task.end = stored_end(task.array, task.index);
    if (task.end) continue;
    if (take_back(task.array, task.index)) {
      if (!seen || seen->count(id) == 0) continue;
      // One at a time: of several it does not say which have got the signal. Some versions fail without a word, having sent it.
      const ProgramEnd end = run_program({"scancel", "--full", "--signal=TERM", id}, kFilters);
      task.told = end.exit_code == 0 || end.err.empty();
    } else {
      waiting.push_back(id);
      task.end = JobEnd{kTerminated, 0, 0};
    }
  }
  if (waiting.size() > words) run_program(waiting, kFilters);  // where this fails they begin, and end at once
}

/// Ids of all tasks that Slurm has and has not ended. std::nullopt: it does not say.
std::optional<std::set<std::string>> SlurmLauncher::queue() {
  std::set<std::string> arrays, ids;
  for (const auto& [id, task] : tasks_) {
    if (!task.end) arrays.insert(id.substr(0, id.find('_')));
  }
  if (arrays.empty()) return ids;
  std::string list;
  for (const auto& array : arrays) list += (list.empty() ? "" : ",") + array;
  const ProgramEnd squeue = run_program(
      {"squeue", "--noheader", "--all", "--array", "--states=all", "--format=%F_%K %T", "--jobs=" + list},
      kFilters);
  // So squeue says that a single array has ended; of several it leaves it out.
  const bool ended = squeue.err.find("Invalid job id") != std::string::npos;
  const bool known = squeue.exit_code == 0 || ended;
  if (known != std::exchange(queue_known_, known))
    say_(known ? "Slurm answers again"
               : "Slurm does not answer, and is asked again; its jobs go on: " + one_line(squeue.err));
  if (!known) return std::nullopt;
  std::istringstream lines(squeue.out);
  for (std::string id, state; lines >> id >> state;) {
    if (kEnds.count(state) == 0) ids.insert(id);
  }
  return ids;
}

std::chrono::milliseconds SlurmLauncher::poll() const {
  return std::chrono::milliseconds(std::llround(options_.poll_seconds * 1000));
}

std::vector<std::string> unended_slurm_jobs(const fs::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> ids;
  const auto tasks = tasks_in(folder);
  for (const auto& name : names) {
    const auto task = tasks.find(name);
    if (task == tasks.end()) continue;
    const auto& [array, index] = task->second;
    const auto id = id_of(array, index);
    if (id && !stored_end(array, index)) ids.push_back(*id);
  }
  return ids;
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  bool within = false;  // a word
  char quote = 0;
  for (const char c : line) {
    if (quote == 0 && (c == ' ' || c == '\t')) {
      within = false;
      continue;
    }
    if (!within) words.emplace_back();
    within = true;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) throw UserError("a quote has no end: " + line);
  return words;
}

}  // namespace portraitseg
