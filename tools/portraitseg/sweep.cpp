#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/folder_lock.h"
#include "portraitseg/sweep/launcher.h"
#include "portraitseg/sweep/runner.h"
#include "portraitseg/sweep/slurm_launcher.h"
#include "portraitseg/sweep/sweep_folder.h"

#include "commands.h"
#include "options.h"
#include "output_place.h"
#include "sweep_arguments.h"
#include "sweep_plan.h"
#include "sweep_report.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAtWork = "has a sweep at work, run";  // "by process 1234 on HOST"

std::atomic<int> stop_signal{0};

/// The first signal asks the workers to stop after their step; the same one again ends the program at once, and they with it.
void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { stop_signal = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// As given, else as the sweep in the folder had it.
LauncherChoice launcher_choice(const SweepArguments& arguments, const std::optional<SweepFolder>& there) {
  LauncherChoice choice = there ? there->sweep().launcher : LauncherChoice();
  for (const auto& [word, kind] : kLaunchers) {
    if (arguments.launcher == word) choice.kind = kind;
  }
  if (!arguments.slurm) return choice;
  if (choice.kind != LauncherKind::kSlurm) throw UserError("--slurm is for --launcher slurm");
  choice.slurm = words_of(*arguments.slurm);
  return choice;
}

/// Before anything is written.
void check_launcher(const SweepArguments& arguments, const std::optional<SweepFolder>& there) {
  if (launcher_choice(arguments, there).kind != LauncherKind::kSlurm) return;
  if (there) return SlurmLauncher::check_programs();  // the cluster may be away for a while
  SlurmLauncher::check_cluster();
  if (arguments.threads == 0)
    throw UserError(
        "--launcher slurm needs --threads: the processors of each task; this machine's are not the nodes'");
}

/// Jobs of Slurm go on by themselves: workers of this machine must not train the same trials. The folder is locked.
void refuse_slurm_jobs(const LauncherChoice& launcher, const SweepFolder& folder) {
  if (launcher.kind == LauncherKind::kSlurm) return;
  const Journal journal(folder.journal());
  std::vector<std::string> names;
  for (const StoredTrial& trial : folder.sweep().trials) {
    names.push_back(left_job(trial, journal.of(trial.id)));
  }
  const auto jobs = unended_slurm_jobs(folder.slurm(), names);
  if (jobs.empty()) return;
  throw DataError(
      folder.path(),
      fmt::format("job {} of Slurm may still train a trial of it: end it with --launcher slurm, or "
                  "remove {} if Slurm has no job of this sweep",
                  jobs.front(), folder.slurm().string()));
}

std::unique_ptr<Launcher> make_launcher(const SweepFolder& folder, const SweepArguments& arguments) {
  const StoredSweep& sweep = folder.sweep();
  if (sweep.launcher.kind == LauncherKind::kLocal) return std::make_unique<LocalLauncher>(visible_devices());
  const SlurmOptions options = {folder.slurm(),
                                fs::read_symlink("/proc/self/exe"),
                                sweep.name,
                                sweep.workers,
                                sweep.threads,
                                sweep.launcher.slurm,
                                arguments.poll_seconds};
  return std::make_unique<SlurmLauncher>(options, say);
}

/// Tells a person how a sweep goes.
class Display final : public SweepObserver {
 public:
  explicit Display(const StoredSweep& sweep) : sweep_(sweep) {}

  void started(const StoredTrial& trial, bool resumed) override {
    const char* start = sweep_.launcher.kind == LauncherKind::kSlurm ? ": handed to Slurm" : ": started";
    say(name(trial) + (resumed ? ": resumed" : start));
  }

  void adopted(const StoredTrial& trial, const JobId& job) override {
    say(name(trial) + ": goes on as job " + job.job);
  }

  void promoted(const StoredTrial& trial, std::int64_t until) override {
    say(name(trial) + ": promoted, to " + (until > 0 ? fmt::format("epoch {}", until) : "its last epoch"));
  }

  void ended(const StoredTrial& trial, const TrialEvent& event, std::size_t left) override {
    const bool stopping = stop_signal != 0;  // then what is left is not in the queue any more
    say(name(trial) + ": " + what(event) + (stopping ? "" : fmt::format("; {} left", left)));
  }

  void waits(const StoredTrial& trial, const std::string& why) override {
    say(name(trial) + ": waits: " + why);
  }

 private:
  std::string name(const StoredTrial& trial) const { return trial.id + " " + sweep_.label(trial); }

  std::string what(const TrialEvent& event) const {
    if (event.kind == TrialEvent::Kind::kFinished) return figures(event.result);
    if (event.kind == TrialEvent::Kind::kRung) return figure(event.rung);
    if (event.kind == TrialEvent::Kind::kFailed) return "failed: " + event.error;
    const bool killed = event.signal != 0 && stop_signal == 0;  // a sweep that stops kills them itself
    return killed ? fmt::format("killed by signal {}", event.signal) : "stopped";
  }

  std::string figure(const RungFigure& at) const {
    const auto& rungs = sweep_.early_stopping.rungs;
    const auto rung = std::find(rungs.begin(), rungs.end(), at.epoch) - rungs.begin() + 1;
    return fmt::format("reached rung {} of {}, epoch {}, {} {:.2f}", rung, rungs.size(), at.epoch, at.figure,
                       at.value);
  }

  static std::string figures(const TrialResult& result) {
    std::string text = fmt::format("finished, best epoch {} of {}", result.best_epoch, result.epochs);
    for (const char* name : {"iou_foreground", "miou"}) {
      const auto figure = result.figures.find(name);
      if (figure == result.figures.end()) continue;
      return text + fmt::format(", {} {:.2f} (protocol {}, n = {}, list sha256 {:.8})", name, figure->second,
                                result.protocol, result.images, result.list_sha256);
    }
    return text;
  }

  const StoredSweep& sweep_;
};

/// @return exit code
int run(const SweepFolder& folder, const SweepArguments& arguments) {
  say_to_file(folder.log());
  const StoredSweep& sweep = folder.sweep();
  const SweepOutcome before = outcome(sweep, Journal(folder.journal()));
  say(fmt::format("sweep {}: {} trials, {} finished before; {} workers of {} threads", folder.path().string(),
                  sweep.trials.size(), before.finished, sweep.workers, sweep.threads));
  const std::unique_ptr<Launcher> launcher = make_launcher(folder, arguments);
  Display display(sweep);
  catch_signals();
  const SweepOutcome after =
      run_sweep(folder, *launcher, arguments.runner, display, [] { return stop_signal != 0; });
  if (stop_signal != 0) {
    say(fmt::format("stopped by a signal, {} trials finished; continue with: portraitseg sweep --resume {}",
                    after.finished, folder.path().string()));
    return 128 + stop_signal;
  }
  const std::string early =
      after.stopped_early > 0 ? fmt::format(", {} stopped early", after.stopped_early) : "";
  say(fmt::format("{} of {} trials finished{}: {}", after.finished, sweep.trials.size(), early,
                  folder.results().string()));
  if (after.failed == 0) return 0;
  say(fmt::format("{} failed, see {}; try them again with: portraitseg sweep --resume {} --retry-failed",
                  after.failed, folder.journal().string(), folder.path().string()));
  return 1;
}

int run_planned(const SweepArguments& arguments) {
  const fs::path path = output_folder(arguments);
  check_output_place(path);
  check_launcher(arguments, existing(path));
  const SweepPlan plan = SweepPlan::load(arguments.config, arguments.overrides);
  check_trials(plan);
  make_folder(path);
  const FolderLock lock(path, kAtWork);
  const auto there = existing(path);
  const Workers workers(arguments, there);
  const LauncherChoice launcher = launcher_choice(arguments, there);
  if (there) refuse_slurm_jobs(launcher, *there);
  return run(SweepFolder::write(path, plan, workers.workers, workers.threads, launcher), arguments);
}

int run_on(const SweepArguments& arguments) {
  const fs::path path = fs::absolute(arguments.resume).lexically_normal();
  SweepFolder::open(path);  // refuses what is none before it is locked
  const FolderLock lock(path, kAtWork);
  SweepFolder folder = SweepFolder::open(path);
  const Workers workers(arguments, folder);
  check_launcher(arguments, folder);
  const LauncherChoice launcher = launcher_choice(arguments, folder);
  refuse_slurm_jobs(launcher, folder);
  folder.set_workers(workers.workers, workers.threads, launcher);
  return run(folder, arguments);
}

int sweep(const SweepArguments& arguments) {
  if (arguments.config.empty() == arguments.resume.empty())
    throw UserError("sweep needs --config FILE, or --resume DIR to continue a sweep, and not both");
  if (arguments.resume.empty()) return run_planned(arguments);
  if (!arguments.output.empty() || !arguments.overrides.empty())
    throw UserError("--resume continues a sweep as it is; it takes neither --output nor --set");
  return run_on(arguments);
}

}  // namespace

void add_sweep(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SweepArguments>();
  CLI::App* command =
      app.add_subcommand("sweep", "Trains many variants of a configuration, resumable, several at a time");
  add_sweep_options(*command, *arguments);
  command->add_option("--resume", arguments->resume, "folder of a sweep to continue");
  command->add_flag("--retry-failed", arguments->runner.retry_failed, "try trials that failed once more");
  command
      ->add_option(
          "--restarts", arguments->runner.restarts,
          "of a trial whose worker was killed, without an epoch in between, before it counts as failed")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command
      ->add_option("--launcher", arguments->launcher, "where the workers run; default: as before, else local")
      ->check(CLI::IsMember({"local", "slurm"}));
  command->add_option(
      "--slurm", arguments->slurm,
      "further options of sbatch: --slurm \"--partition=gpu --time=8:00:00\"; default: as before");
  command->add_option("--poll", arguments->poll_seconds, "seconds from one look at Slurm's queue to the next")
      ->check(number_in(0.1, 3600))
      ->capture_default_str();
  const std::vector<CLI::Option*> own = command->get_options();
  CLI::App* plan = add_sweep_plan(*command, action);
  CLI::App* report = add_sweep_report(*command, action);
  for (CLI::Option* option : own) {  // they belong behind the verb, or to the sweep itself
    plan->excludes(option);
    report->excludes(option);
  }
  command->require_subcommand(0, 1);
  command->callback([&action, arguments, plan, report] {
    if (!plan->parsed() && !report->parsed()) action = [arguments] { return sweep(*arguments); };
  });
}

}  // namespace portraitseg
