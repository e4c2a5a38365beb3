#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
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
#include "portraitseg/sweep/sweep_folder.h"

#include "commands.h"
#include "output_place.h"
#include "sweep_report.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using State = TrialHistory::State;

struct SweepArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string output;
  std::string resume;
  std::int64_t workers = 0, threads = 0;  ///< 0: not given
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
    say(name(trial) + (resumed ? ": resumed" : ": started"));
  }

  void ended(const StoredTrial& trial, const TrialEvent& event, std::size_t left) override {
    say(name(trial) + ": " + what(event) + fmt::format("; {} left", left));
  }

  void waits(const StoredTrial& trial, const std::string& why) override {
    say(name(trial) + ": waits: " + why);
  }

 private:
  std::string name(const StoredTrial& trial) const { return trial.id + " " + sweep_.label(trial); }

  static std::string what(const TrialEvent& event) {
    if (event.kind == TrialEvent::Kind::kFinished) return figures(event.result);
    if (event.kind == TrialEvent::Kind::kFailed) return "failed: " + event.error;
    return event.signal != 0 ? fmt::format("killed by signal {}", event.signal) : "stopped";
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
  LocalLauncher launcher(visible_devices());
  Display display(sweep);
  catch_signals();
  const SweepOutcome after =
      run_sweep(folder, launcher, arguments.runner, display, [] { return stop_signal != 0; });
  if (stop_signal != 0) {
    say(fmt::format("stopped by a signal, {} trials finished; continue with: portraitseg sweep --resume {}",
                    after.finished, folder.path().string()));
    return 128 + stop_signal;
  }
  say(fmt::format("{} of {} trials finished: {}", after.finished, sweep.trials.size(),
                  folder.results().string()));
  if (after.failed == 0) return 0;
  say(fmt::format("{} failed, see {}; try them again with: portraitseg sweep --resume {} --retry-failed",
                  after.failed, folder.journal().string(), folder.path().string()));
  return 1;
}

int run_planned(const SweepArguments& arguments) {
  const fs::path path = output_folder(arguments);
  check_output_place(path);
  existing(path);
  const SweepPlan plan = SweepPlan::load(arguments.config, arguments.overrides);
  check_trials(plan);
  make_folder(path);
  const FolderLock lock(path);
  const Workers workers(arguments, existing(path));
  return run(SweepFolder::write(path, plan, workers.workers, workers.threads), arguments);
}

int run_on(const SweepArguments& arguments) {
  const fs::path path = fs::absolute(arguments.resume).lexically_normal();
  SweepFolder::open(path);  // refuses what is none before it is locked
  const FolderLock lock(path);
  SweepFolder folder = SweepFolder::open(path);
  const Workers workers(arguments, folder);
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

/// What is left to do, in seconds.
double time_left(const std::vector<Row>& rows, std::int64_t workers) {
  std::vector<double> seconds;
  for (const Row& row : rows) {
    if (row.history.state != State::kFinished) seconds.push_back(row.cost.seconds());
  }
  return makespan(seconds, workers);
}

std::string as_table(const SweepPlan& plan, const std::vector<Row>& rows, const Workers& workers) {
  std::vector<std::vector<std::string>> cells = {{"id"}};
  cells.front().insert(cells.front().end(), plan.axes.begin(), plan.axes.end());
  cells.front().insert(cells.front().end(), {"epochs", "images", "hours", "state"});
  std::int64_t images = 0;
  for (const Row& row : rows) {
    std::vector<std::string> line = {row.id};
    for (const auto& axis : plan.axes) line.push_back(row.trial->value(axis));
    line.insert(line.end(), {std::to_string(row.cost.epochs), std::to_string(row.cost.images),
                             fmt::format("{:.2f}", row.cost.seconds() / 3600), word(row.history.state)});
    cells.push_back(std::move(line));
    if (row.history.state != State::kFinished) images += row.cost.images;
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
  return text +
         fmt::format(
             "{} trials; left: {} images to train on, about {:.2f} hours with {} workers of {} threads\n",
             rows.size(), images, time_left(rows, workers.workers) / 3600, workers.workers, workers.threads);
}

std::string as_json(const SweepPlan& plan, const std::vector<Row>& rows, const Workers& workers) {
  nlohmann::ordered_json json = {{"sweep", plan.name},
                                 {"axes", plan.axes},
                                 {"workers", workers.workers},
                                 {"threads", workers.threads},
                                 {"hours_left", time_left(rows, workers.workers) / 3600},
                                 {"trials", nlohmann::ordered_json::array()}};
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
      ->add_option("--restarts", arguments->runner.restarts,
                   "of a trial whose worker was killed, before it counts as failed")
      ->check(CLI::Range(0, 1000))
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
