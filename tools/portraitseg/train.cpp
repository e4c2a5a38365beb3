#include <algorithm>
#include <atomic>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <optional>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/folder_lock.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/plan_check.h"
#include "portraitseg/engine/stage.h"
#include "portraitseg/report/run_report.h"
#include "portraitseg/weights/safetensors.h"

#include "commands.h"
#include "options.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string output;
  std::string resume;
  std::int64_t until_epoch = 0;  ///< of the last stage; 0: its end
};

std::atomic<int> stop_signal{0};

std::atomic<std::time_t> stop_time{0};

/// The first signal asks the trainer to stop after its step; the same one again ends the program at once. Of a SIGTERM only after
/// a second or two: whoever stops a sweep and its workers together has the sweep send them another.
void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) {
    const std::time_t now = std::time(nullptr);
    const bool again = stop_signal == signal && (signal != SIGTERM || now - stop_time > 1);
    if (stop_signal.exchange(signal) != signal) stop_time = now;
    if (!again) return;
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  };
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// What model.init_from gave: numbers and a few keys; all keys stand in the log file.
void say_load(const fs::path& file, const PartialLoad& load) {
  constexpr std::size_t kShown = 3;
  say("initialised from " + file.string());
  for (const auto& [what, keys] : {std::pair("taken", &load.taken),
                                   {"not in the file", &load.missing},
                                   {"of another shape", &load.mis_shaped},
                                   {"in the file alone", &load.unexpected}}) {
    if (keys->empty()) continue;
    const std::string start = fmt::format("  {} {}: ", keys->size(), what);
    const auto shown = static_cast<std::ptrdiff_t>(std::min(kShown, keys->size()));
    const bool more = keys->size() > kShown;
    say(start + fmt::format("{}", fmt::join(keys->begin(), keys->begin() + shown, ", ")) +
        (more ? " ...; all in log.txt" : ""));
    if (more) note(start + fmt::format("{}", fmt::join(*keys, ", ")));
  }
}

/// How a training ended, of `trainer` in `run`.
void say_end(const Trainer& trainer, const RunFolder& run) {
  const RunConfig& config = trainer.config();
  const Progress& progress = trainer.progress();
  const EpochRecord& last = progress.history.back();
  const auto say_best = [&](const char* what, const Best& best, const fs::path& file) {
    say(fmt::format("{} epoch {} with {} {:.2f} (protocol {}, n = {} of {}, sha256 {:.8}), {}", what,
                    best.epoch, config.evaluation.select_by, best.value, last.val_protocol, last.val_images,
                    fs::path(config.data.val_list).filename().string(), last.val_list_sha256, file.string()));
  };
  if (progress.epoch < config.trainer.epochs)
    say(fmt::format("stopped early: no better epoch in {}", config.trainer.patience));
  say_best("done: best", progress.best, run.best());
  if (progress.best_ema.epoch > 0)
    say_best("done: best of the averaged weights", progress.best_ema, run.best_ema());
}

/// Whether the file is a whole checkpoint, as far as that shows without its network.
bool is_checkpoint(const fs::path& path) {
  try {
    return !stored_config(read_safetensors(path)).empty();
  } catch (const UserError&) {
    return false;
  }
}

/// A last checkpoint that is damaged, by a disk for one, is refused with what is left to go on from.
std::optional<PartialLoad> resume_from_last(Trainer& trainer, const RunFolder& run) {
  try {
    return trainer.resume(run);
  } catch (const UserError& error) {
    if (is_checkpoint(run.last()) || !is_checkpoint(run.best())) throw;
    throw UserError(std::string(error.what()) + "; to go on from the best epoch, copy " +
                    run.best().string() + " to its place");
  }
}

/// A run that this process trains, all of its stages.
struct Session {
  fs::path output;
  std::int64_t until_epoch = 0;    ///< see TrainArguments
  std::optional<FolderLock> lock;  ///< none until the folder is made

  std::string how_to_continue() const { return "portraitseg train --resume " + output.string(); }

  void make_output() {
    make_folder(output);
    lock.emplace(output);
    RunFolder::refuse_if_taken(output);  // since it was looked at first
  }
};

/// A training that has its folder and its weights.
struct Start {
  RunFolder run;
  std::optional<PartialLoad> load;  ///< from model.init_from
  std::string how;                  ///< in words
};

Start begin(Session& session, Trainer& trainer, const fs::path& folder, const Device& device) {
  trainer.read_first_images();
  const auto load = trainer.initialise();
  if (!session.lock) session.make_output();
  return {RunFolder::create(folder, trainer.config(), device), load,
          load ? "from trained weights" : "from the start"};
}

Start resume(Trainer& trainer, const fs::path& folder) {
  const RunFolder run = RunFolder::open(folder);
  const bool has_checkpoint = fs::exists(run.last());
  const auto load = resume_from_last(trainer, run);
  return {run, load, has_checkpoint ? "resumed" : "resumed from the start (no checkpoint yet)"};
}

/// How many images of `b` are in `a`, too.
std::int64_t shared_images(const Dataset& a, const Dataset& b) {
  std::set<std::string> ids;
  for (std::int64_t i = 0; i < a.size(); ++i) ids.insert(a.id(i));
  std::int64_t shared = 0;
  for (std::int64_t i = 0; i < b.size(); ++i) shared += static_cast<std::int64_t>(ids.count(b.id(i)));
  return shared;
}

/// What does not keep the training from going on, and makes of its figures less than they seem.
void say_doubts(const Trainer& trainer, const RunFolder& run) {
  const Dataset& val = trainer.val_set();
  const std::int64_t shared = shared_images(trainer.train_set(), val);
  if (shared > 0)
    say(fmt::format("warning: {} of the {} images of {} are trained on, too", shared, val.size(),
                    trainer.config().data.val_list));
  const Progress& progress = trainer.progress();
  for (const auto& [best, file] :
       {std::pair(progress.best, run.best()), {progress.best_ema, run.best_ema()}}) {
    if (best.epoch > 0 && !fs::exists(file))
      say(fmt::format("warning: {}, of epoch {}, is missing", file.string(), best.epoch));
  }
}

void say_start(const Trainer& trainer, const Start& start, const Device& device) {
  say(fmt::format("{}, {} on {}", trainer.config().model.name, start.how, device.description()));
  say("run folder " + start.run.path().string());
  if (start.load) say_load(trainer.start_file(), *start.load);
  if (const Teacher* teacher = trainer.teacher())
    say(fmt::format("teacher {} (sha256 {:.8})", teacher->file().string(), teacher->sha256()));
  say_doubts(trainer, start.run);
}

/// Begins a training in `folder`, or goes on with the one that is there.
/// @param until_epoch at whose end it stops; 0: its own end
/// @return exit code
int train_in(Session& session, const fs::path& folder, RunConfig config, std::int64_t until_epoch) {
  // Without the lock it is another training's, which has begun since this one looked; begin() refuses it.
  const bool resuming = session.lock && fs::exists(folder / "config.yaml");
  if (resuming) config = RunConfig::load(folder / "config.yaml");
  const Device device(config.device);
  config.device.name = device.torch_device().str();  // what the results rest on, in place of auto and 0
  config.device.threads = device.threads();
  Trainer trainer(config, device, folder);
  const Start start = resuming ? resume(trainer, folder) : begin(session, trainer, folder, device);

  say_to_file(start.run.log());
  say_start(trainer, start, device);
  catch_signals();
  TrainingClock clock(config.trainer);
  RunReport report(start.run, trainer, device, clock);
  TrainingDisplay display(config.trainer, clock);
  const Progress& progress = trainer.progress();
  const auto stop = [&] { return stop_signal != 0 || (until_epoch > 0 && progress.epoch >= until_epoch); };
  if (trainer.train(start.run, {&clock, &report, &display}, stop)) {
    say_end(trainer, start.run);
    return 0;
  }
  const std::string why = stop_signal != 0
                              ? fmt::format("stopped by a signal in epoch {}", progress.epoch + 1)
                              : fmt::format("stopped behind epoch {} of {}, as --until-epoch says",
                                            progress.epoch, config.trainer.epochs);
  say(why + "; continue with: " + session.how_to_continue());
  return stop_signal != 0 ? 128 + stop_signal : 0;
}

/// Whether the stage in `folder` has been trained to its end.
bool is_finished(const fs::path& folder) {
  if (!fs::exists(folder / "config.yaml")) return false;
  const RunFolder run = RunFolder::open(folder);
  if (!fs::exists(run.last())) return false;
  const RunConfig config = RunConfig::load(run.config());
  return Trainer::finished(stored_progress(read_safetensors(run.last()), run.last()), config.trainer);
}

/// Mistakes in a later stage's data show before the first one has trained for hours.
void try_data(const TrainingPlan& plan) {
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    RunConfig config = plan.stages[i].config;
    if (plan.teacher(i)) config.distillation.teacher.clear();  // it is yet to be trained
    const Device device(config.device);
    Trainer(config, device).read_first_images();
  }
}

int train_stages(Session& session, const TrainingPlan& plan) {
  const std::int64_t until_epoch = session.until_epoch;
  if (!plan.staged()) return train_in(session, session.output, plan.stages.front().config, until_epoch);
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const std::string& name = plan.stages[i].name;
    const fs::path folder = session.output / name;
    const bool last = i + 1 == plan.stages.size(), finished = !last && is_finished(folder);
    say("stage " + name + (finished ? ": done before" : ""));
    if (finished) continue;
    const int code = train_in(session, folder, plan.config_of(i), last ? until_epoch : 0);
    if (code != 0) return code;
  }
  return 0;
}

int train_anew(const TrainArguments& arguments) {
  TrainingPlan plan = TrainingPlan::load(arguments.config, arguments.overrides);
  Session session;
  session.until_epoch = arguments.until_epoch;
  session.output = arguments.output.empty() ? fs::path("runs") / fs::path(arguments.config).stem()
                                            : fs::path(arguments.output);
  RunFolder::refuse_if_taken(session.output);
  plan.make_absolute();
  check_plan(plan);
  if (plan.staged()) {
    try_data(plan);
    session.make_output();
    RunFolder::create(session.output, plan);
  }
  return train_stages(session, plan);
}

int train_on(const TrainArguments& arguments) {
  const fs::path run = arguments.resume;
  const TrainingPlan plan = RunFolder::plan(run);
  Session session;
  session.until_epoch = arguments.until_epoch;
  session.output = run;
  session.lock.emplace(RunFolder::whole(run));
  return train_stages(session, plan);
}

int train(const TrainArguments& arguments) {
  if (arguments.resume.empty() && arguments.config.empty())
    throw UserError("train needs --config FILE, or --resume RUN to continue a run");
  if (arguments.resume.empty()) return train_anew(arguments);
  if (!arguments.config.empty()) {
    throw UserError(
        "--config and --resume exclude each other; a run is continued with the configuration that it began "
        "with");
  }
  if (!arguments.output.empty() || !arguments.overrides.empty())
    throw UserError("--resume continues a run as it is; it takes neither --output nor --set");
  return train_on(arguments);
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Trains a network as a configuration says");
  command->add_option("--config", arguments->config, "configuration file (YAML)");
  add_set_option(*command, arguments->overrides, "of it");
  command->add_option("--output", arguments->output,
                      "run folder to make; default: runs/<name of the configuration>");
  command->add_option("--resume", arguments->resume, "run folder to continue from its last checkpoint");
  command
      ->add_option(
          "--until-epoch", arguments->until_epoch,
          "trains to the end of this epoch (of the last stage) and stops there, to be resumed; the schedule "
          "stays that of the whole training")
      ->check(CLI::Range(1, 1'000'000'000));
  command->callback([&action, arguments] { action = [arguments] { return train(*arguments); }; });
}

}  // namespace portraitseg
