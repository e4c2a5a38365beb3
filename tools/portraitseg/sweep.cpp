#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/folder_lock.h"
#include "portraitseg/engine/plan_check.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/sweep/cost.h"
#include "portraitseg/sweep/launcher.h"
#include "portraitseg/sweep/runner.h"
#include "portraitseg/sweep/slurm_launcher.h"
#include "portraitseg/sweep/sweep_folder.h"

#include "commands.h"
#include "output_place.h"
#include "sweep_report.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using State = TrialHistory::State;

constexpr const char* kAtWork = "has a sweep at work, run";  // "by process 1234 on HOST"

struct SweepArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string output;
  std::string resume;
  std::int64_t workers = 0, threads = 0;  ///< 0: not given
  std::string launcher;                   ///< "": not given
  std::optional<std::string> slurm;
  double poll_seconds = 5;
  RunnerOptions runner;
  std::string json;
};

std::atomic<int> stop_signal{0};

/// The first signal asks the workers to stop after their step; the same one again ends the program at once, and they with it.
void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { stop_signal = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// As given, else as the sweep in the folder had them, else one worker and all cores.
struct Workers {
  std::int64_t workers, threads;

  Workers(const SweepArguments& arguments, const std::optional<SweepFolder>& there)
      : workers(arguments.workers), threads(arguments.threads) {
    if (workers == 0) workers = there ? there->sweep().workers : 1;
    if (threads == 0) threads = there ? there->sweep().threads : cores() / workers;
    threads = std::max<std::int64_t>(threads, 1);
  }

  static std::int64_t cores() { return std::thread::hardware_concurrency(); }
};

/// As given, else as the sweep in the folder had it.
LauncherChoice launcher_choice(const SweepArguments& arguments, const std::optional<SweepFolder>& there) {
  LauncherChoice choice = there ? there->sweep().launcher : LauncherChoice();
  for (const auto& [word, kind] : kLaunchers) {
    if (arguments.launcher == word) choice.kind = kind;
  }
  const bool slurm = choice.kind == LauncherKind::kSlurm;
  if (slurm && there) SlurmLauncher::check_programs();  // the cluster may be away for a while
  if (slurm && !there) SlurmLauncher::check_cluster();
  if (slurm && !there && arguments.threads == 0)
    throw UserError(
        "--launcher slurm needs --threads: the processors of each task; this machine's are not the nodes'");
  if (!arguments.slurm) return choice;
  if (!slurm) throw UserError("--slurm is for --launcher slurm");
  choice.slurm = words_of(*arguments.slurm);
  return choice;
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

fs::path output_folder(const SweepArguments& arguments) {
  return fs::absolute(arguments.output.empty() ? fs::path("runs") / fs::path(arguments.config).stem()
                                               : fs::path(arguments.output))
      .lexically_normal();
}

std::optional<SweepFolder> existing(const fs::path& folder) {
  return SweepFolder::exists(folder) ? std::optional(SweepFolder::open(folder)) : std::nullopt;
}

/// What of the trials shows before any of them is trained.
void check_trials(const SweepPlan& plan) {
  ImageCounter counter;
  std::set<std::string> checked;
  for (const Trial& trial : plan.trials) {
    try {
      if (checked.insert(network_key(trial.plan)).second) check_plan(trial.plan);
      counter.cost(trial.plan);
    } catch (const UserError& error) {
      throw UserError("trial " + trial.label() + ": " + error.what());
    }
  }
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
    return event.signal != 0 ? fmt::format("killed by signal {}", event.signal) : "stopped";
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
  launcher_choice(arguments, existing(path));
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
  const LauncherChoice launcher = launcher_choice(arguments, folder);
  refuse_slurm_jobs(launcher, folder);
  folder.set_launcher(launcher);
  folder.set_workers(workers.workers, workers.threads);
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

/// A trial in the table of a plan.
struct Row {
  std::string id;
  const Trial* trial;
  TrialHistory history;
  TrialCost cost;
};

/// Milliseconds an image by network_key(): of finished trials in the sweep's folder, else by a benchmark.
void add_times(std::vector<Row>& rows, std::int64_t threads) {
  std::map<std::string, std::pair<double, double>> known;  // seconds, images
  for (const Row& row : rows) {
    if (row.history.state != State::kFinished) continue;
    auto& [seconds, images] = known[network_key(row.trial->plan)];
    const double share = static_cast<double>(row.history.result.epochs) /
                         static_cast<double>(row.trial->plan.stages.back().config.trainer.epochs);
    seconds += row.history.seconds;
    images += static_cast<double>(row.cost.images) * share;
  }
  ProgressBar bar("timing networks");
  std::map<std::string, double> ms;
  std::int64_t done = 0;
  for (Row& row : rows) {
    const std::string key = network_key(row.trial->plan);
    const auto measured = known.find(key);
    if (ms.count(key) == 0) {
      ms[key] = measured != known.end() ? 1000 * measured->second.first / measured->second.second
                                        : measured_ms_per_image(row.trial->plan, row.cost, threads);
    }
    row.cost.ms_per_image = ms[key];
    bar.show(++done, static_cast<std::int64_t>(rows.size()));
  }
}

/// What is left to do.
struct CostLeft {
  std::int64_t images = 0;
  double hours = 0;
};

/// @param image what one of a trial's costs
/// @param trained how many trials are trained to each rung and to the end, see Halving; of more that may be, the costliest are
/// @return the cost of each trial's way from one rung to the next
std::vector<double> costs_left(const Halving& halving, const std::vector<std::int64_t>& trained,
                               const std::vector<Row>& rows,
                               const std::function<double(const TrialCost&)>& image) {
  std::vector<double> all;
  for (std::size_t rung = 0; rung < trained.size(); ++rung) {
    const std::int64_t from = rung > 0 ? halving.rungs[rung - 1] : 0;
    std::int64_t left = trained[rung];
    std::vector<double> costs;
    for (const Row& row : rows) {
      if (row.history.state == State::kFinished || halving.values(row.history).size() > rung) {
        --left;
        continue;
      }
      const std::int64_t behind =
          rung < halving.rungs.size() ? row.cost.images_after(halving.rungs[rung]) : 0;
      costs.push_back(static_cast<double>(row.cost.images_after(from) - behind) * image(row.cost));
    }
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(left, 0));
    if (costs.size() > most) {
      std::sort(costs.rbegin(), costs.rend());
      costs.resize(most);
    }
    all.insert(all.end(), costs.begin(), costs.end());
  }
  return all;
}

/// Whether all trials have come to an end and none that was stopped early may go on.
bool is_over(const Halving& halving, const std::vector<Row>& rows) {
  std::vector<TrialHistory> histories;
  for (const Row& row : rows) {
    if (row.history.state != State::kFinished && !halving.waits(row.history)) return false;
    histories.push_back(row.history);
  }
  return !halving.promotion(histories);
}

CostLeft cost_left(const Halving& halving, const std::vector<std::int64_t>& trained,
                   const std::vector<Row>& rows, std::int64_t workers) {
  if (is_over(halving, rows)) return {};
  const auto images = costs_left(halving, trained, rows, [](const TrialCost&) { return 1.0; });
  const auto hours = costs_left(halving, trained, rows,
                                [](const TrialCost& cost) { return cost.ms_per_image / 1000 / 3600; });
  return {static_cast<std::int64_t>(std::accumulate(images.begin(), images.end(), 0.0)),
          makespan(hours, workers)};
}

/// With early stopping no order of the trials' figures makes it more.
CostLeft most_left(const Halving& halving, const std::vector<Row>& rows, std::int64_t workers) {
  const auto trials = static_cast<std::int64_t>(rows.size());
  return cost_left(halving, halving.most_trained(trials), rows, workers);
}

CostLeft usually_left(const Halving& halving, const std::vector<Row>& rows, std::int64_t workers) {
  const auto trials = static_cast<std::int64_t>(rows.size());
  return cost_left(halving, halving.usually_trained(trials), rows, workers);
}

std::string text_of_cost(const Halving& halving, const std::vector<Row>& rows, const Workers& workers) {
  const CostLeft most = most_left(halving, rows, workers.workers);
  const bool early = !halving.rungs.empty();
  const std::string text = fmt::format(
      "{} trials; left: {}{} images to train on, about {:.2f} hours with {} workers of {} threads\n",
      rows.size(), early ? "at most " : "", most.images, most.hours, workers.workers, workers.threads);
  if (!early) return text;
  const CostLeft usual = usually_left(halving, rows, workers.workers);
  return text + fmt::format("{} images, about {:.2f} hours if one in {} goes on from each rung: epochs {}\n",
                            usual.images, usual.hours, halving.factor, fmt::join(halving.rungs, ", "));
}

std::string as_table(const SweepPlan& plan, const std::vector<Row>& rows, const Workers& workers) {
  std::vector<std::vector<std::string>> cells = {{"id"}};
  cells.front().insert(cells.front().end(), plan.axes.begin(), plan.axes.end());
  cells.front().insert(cells.front().end(), {"epochs", "images", "hours", "state"});
  for (const Row& row : rows) {
    std::vector<std::string> line = {row.id};
    for (const auto& axis : plan.axes) line.push_back(row.trial->value(axis));
    line.insert(line.end(), {std::to_string(row.cost.epochs), std::to_string(row.cost.images),
                             fmt::format("{:.2f}", row.cost.seconds() / 3600), word(row.history.state)});
    cells.push_back(std::move(line));
  }
  constexpr std::size_t kWidest = 40;  // of a cell that may be a list of losses
  std::vector<std::size_t> widths(cells.front().size(), 0);
  for (auto& line : cells) {
    for (std::size_t c = 0; c < line.size(); ++c) {
      if (line[c].size() > kWidest) line[c] = line[c].substr(0, kWidest - 3) + "...";
      widths[c] = std::max(widths[c], line[c].size());
    }
  }
  std::string text;
  for (const auto& line : cells) {
    std::string row;
    for (std::size_t c = 0; c < line.size(); ++c) row += fmt::format("{:<{}}  ", line[c], widths[c]);
    text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
  }
  return text + text_of_cost(plan.early_stopping, rows, workers);
}

std::string as_json(const SweepPlan& plan, const std::vector<Row>& rows, const Workers& workers) {
  const CostLeft most = most_left(plan.early_stopping, rows, workers.workers);
  nlohmann::ordered_json json = {{"sweep", plan.name},
                                 {"axes", plan.axes},
                                 {"workers", workers.workers},
                                 {"threads", workers.threads},
                                 {"images_left", most.images},
                                 {"hours_left", most.hours},
                                 {"trials", nlohmann::ordered_json::array()}};
  if (!plan.early_stopping.rungs.empty()) {  // what is left is at most so much then
    const CostLeft usual = usually_left(plan.early_stopping, rows, workers.workers);
    json["early_stopping"] = {{"rungs", plan.early_stopping.rungs},
                              {"factor", plan.early_stopping.factor},
                              {"figure", plan.early_stopping.figure},
                              {"images_left_usually", usual.images},
                              {"hours_left_usually", usual.hours}};
  }
  for (const Row& row : rows) {
    nlohmann::ordered_json settings = nlohmann::ordered_json::object();
    for (const auto& [axis, value] : row.trial->settings) settings[axis] = value;
    json["trials"].push_back({{"id", row.id},
                              {"settings", settings},
                              {"epochs", row.cost.epochs},
                              {"images", row.cost.images},
                              {"ms_per_image", row.cost.ms_per_image},
                              {"hours", row.cost.seconds() / 3600},
                              {"state", word(row.history.state)}});
  }
  return json.dump(2) + "\n";
}

int plan_command(const SweepArguments& arguments) {
  if (arguments.config.empty()) throw UserError("sweep plan needs --config FILE");
  refuse_to_overwrite(arguments.config, arguments.json);
  const SweepPlan plan = SweepPlan::load(arguments.config, arguments.overrides);
  check_trials(plan);
  const fs::path folder = output_folder(arguments);
  const Workers workers(arguments, existing(folder));
  const Journal journal(folder / "journal.jsonl");
  const auto known = known_trials(folder);
  ImageCounter counter;
  std::vector<Row> rows;
  for (const Trial& trial : plan.trials) {
    const auto there = known.find(trial.id);
    const std::string id = there == known.end() ? trial.id : there->second;
    rows.push_back({id, &trial, journal.of(id), counter.cost(trial.plan)});
  }
  add_times(rows, workers.threads);
  const std::string json = as_json(plan, rows, workers);
  std::fputs((arguments.json == "-" ? json : as_table(plan, rows, workers)).c_str(), stdout);
  if (!arguments.json.empty() && arguments.json != "-") write_file(arguments.json, json);
  return 0;
}

void add_options(CLI::App& command, SweepArguments& arguments) {
  command.add_option("--config", arguments.config, "the sweep (YAML), see configs/sweeps");
  command
      .add_option("--set", arguments.overrides,
                  "overrides a value of every trial: key.sub=value; may be given again")
      ->take_all();
  command.add_option("--output", arguments.output,
                     "folder of the sweep; default: runs/<name of the configuration>");
  command.add_option("--workers", arguments.workers, "trials at a time; default: as before, else 1")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--threads", arguments.threads,
                  "of each worker, in place of device.threads; default: as before, else cores / workers")
      ->check(CLI::Range(1, 1024));
}

}  // namespace

void add_sweep(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SweepArguments>();
  CLI::App* command =
      app.add_subcommand("sweep", "Trains many variants of a configuration, resumable, several at a time");
  add_options(*command, *arguments);
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
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  CLI::App* plan = command->add_subcommand("plan", "Prints the trials and what they will cost");
  auto planned = std::make_shared<SweepArguments>();
  add_options(*plan, *planned);
  add_json_option(*plan, planned->json, "the plan");
  const CLI::App* report = add_sweep_report(*command, action);
  command->require_subcommand(0, 1);
  plan->callback([&action, planned] { action = [planned] { return plan_command(*planned); }; });
  command->callback([&action, arguments, plan, report] {
    if (!plan->parsed() && !report->parsed()) action = [arguments] { return sweep(*arguments); };
  });
}

}  // namespace portraitseg
