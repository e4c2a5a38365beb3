#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/stage.h"
#include "portraitseg/report/run_report.h"
#include "portraitseg/weights/safetensors.h"

#include "commands.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string output;
  std::string resume;
};

std::atomic<int> stop_signal{0};

/// The first signal asks the trainer to stop after its step; the same one again ends the program at once.
void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { stop_signal = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// The paths must hold wherever the run is resumed from.
void make_absolute(RunConfig& config) {
  config.data.options->make_absolute();
  for (std::string* file : {&config.model.init_from, &config.distillation.teacher}) {
    if (!file->empty()) *file = fs::absolute(*file).lexically_normal().string();
  }
}

/// What model.init_from gave: numbers and a few keys; all keys stand in the log file.
void say_start(const std::string& file, const PartialLoad& load) {
  constexpr std::size_t kShown = 3;
  say("initialised from " + file);
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
std::optional<PartialLoad> resume(Trainer& trainer, const RunFolder& run) {
  try {
    return trainer.resume(run);
  } catch (const UserError& error) {
    if (is_checkpoint(run.last()) || !is_checkpoint(run.best())) throw;
    throw UserError(std::string(error.what()) + "; to go on from the best epoch, copy " +
                    run.best().string() + " over it");
  }
}

std::string beginning(bool resuming, bool has_checkpoint) {
  if (!resuming) return "from the start";
  return has_checkpoint ? "resumed" : "resumed from the start (no checkpoint yet)";
}

/// Begins a training in `folder`, or goes on with the one that is there. @return exit code
int train_in(const fs::path& folder, RunConfig config, const std::string& how_to_continue) {
  const bool resuming = fs::exists(folder / "config.yaml");
  if (resuming) config = RunConfig::load(folder / "config.yaml");
  make_absolute(config);
  const Device device(config.device);
  config.device.name = device.torch_device().str();  // what the results rest on, in place of auto and 0
  config.device.threads = device.threads();
  Trainer trainer(config, device);
  std::optional<PartialLoad> start;
  if (!resuming) start = trainer.initialise();
  const RunFolder run =
      resuming ? RunFolder::open(folder) : RunFolder::create(folder, trainer.config(), device);
  const bool has_checkpoint = fs::exists(run.last());
  if (resuming) start = resume(trainer, run);

  say_to_file(run.log());
  say(fmt::format("{}, {} on {}", config.model.name, beginning(resuming, has_checkpoint),
                  device.description()));
  say("run folder " + run.path().string());
  if (start) say_start(config.model.init_from, *start);
  catch_signals();
  TrainingClock clock(config.trainer);
  RunReport report(run, trainer, device, clock);
  TrainingDisplay display(config.trainer, clock);
  if (!trainer.train(run, {&clock, &report, &display}, [] { return stop_signal != 0; })) {
    say(fmt::format("stopped by a signal in epoch {}; continue with: {}", trainer.progress().epoch + 1,
                    how_to_continue));
    return 128 + stop_signal;
  }
  say_end(trainer, run);
  return 0;
}

/// Whether the stage in `folder` has been trained to its end.
bool is_finished(const fs::path& folder) {
  if (!fs::exists(folder / "config.yaml")) return false;
  const RunFolder run = RunFolder::open(folder);
  if (!fs::exists(run.last())) return false;
  const RunConfig config = RunConfig::load(run.config());
  return Trainer::finished(stored_progress(read_safetensors(run.last()), run.last()), config.trainer);
}

/// Mistakes of a later stage show before the first one has trained for hours.
void try_out(const TrainingPlan& plan) {
  std::map<std::string, TensorFile> ends;
  for (const Stage& stage : plan.stages) {
    const Device device(stage.config.device);
    Trainer trainer(stage.config, device);
    if (stage.init_from.empty()) {
      trainer.initialise();
    } else {
      load_matching(trainer.model(), ends.at(stage.start_stage()),
                    "stage " + stage.name + ": " + stage.init_from);
    }
    ends[stage.name].tensors = state_dict(trainer.model());
  }
}

int train(const TrainArguments& arguments) {
  if (arguments.resume.empty() && arguments.config.empty())
    throw UserError("train needs --config FILE, or --resume RUN to continue a run");
  if (!arguments.resume.empty() && !arguments.config.empty()) {
    throw UserError(
        "--config and --resume exclude each other; a run is continued with the configuration that it began "
        "with");
  }
  const bool resuming = !arguments.resume.empty();
  if (resuming && !(arguments.output.empty() && arguments.overrides.empty())) {
    throw UserError("--resume continues a run as it is; it takes neither --output nor --set");
  }
  TrainingPlan plan = resuming ? RunFolder::plan(arguments.resume)
                               : TrainingPlan::load(arguments.config, arguments.overrides);
  const fs::path output = resuming                   ? fs::path(arguments.resume)
                          : arguments.output.empty() ? fs::path("runs") / fs::path(arguments.config).stem()
                                                     : fs::path(arguments.output);
  for (Stage& stage : plan.stages) make_absolute(stage.config);
  if (!resuming) {
    RunFolder::refuse_if_taken(output);
    if (plan.staged()) {
      try_out(plan);
      RunFolder::create(output, plan);
    }
  }
  const std::string how_to_continue = "portraitseg train --resume " + output.string();
  for (Stage& stage : plan.stages) {
    if (!stage.init_from.empty())
      stage.config.model.init_from = fs::absolute(stage.start_file(output)).lexically_normal().string();
    const fs::path folder = plan.staged() ? output / stage.name : output;
    const bool finished = &stage != &plan.stages.back() && is_finished(folder);
    if (plan.staged()) say("stage " + stage.name + (finished ? ": done before" : ""));
    if (finished) continue;
    const int code = train_in(folder, stage.config, how_to_continue);
    if (code != 0) return code;
  }
  return 0;
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Trains a network as a configuration says");
  command->add_option("--config", arguments->config, "configuration file (YAML)");
  command
      ->add_option("--set", arguments->overrides,
                   "overrides a value of it: key.sub=value; may be given again")
      ->take_all();
  command->add_option("--output", arguments->output,
                      "run folder to make; default: runs/<name of the configuration>");
  command->add_option("--resume", arguments->resume, "run folder to continue from its last checkpoint");
  command->callback([&action, arguments] { action = [arguments] { return train(*arguments); }; });
}

}  // namespace portraitseg
