#include <atomic>
#include <csignal>
#include <filesystem>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/report/run_report.h"

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

/// What model.init_from gave, key by key.
void say_start(const std::string& file, const PartialLoad& load) {
  say("initialised from " + file);
  for (const auto& [what, keys] : {std::pair("taken", &load.taken),
                                   {"not in the file", &load.missing},
                                   {"of another shape", &load.mis_shaped},
                                   {"in the file alone", &load.unexpected}}) {
    if (!keys->empty()) say(fmt::format("  {} {}: {}", keys->size(), what, fmt::join(*keys, ", ")));
  }
}

int train(const TrainArguments& arguments) {
  if (arguments.resume.empty() == arguments.config.empty())
    throw UserError("train needs either --config or --resume");
  const bool resuming = !arguments.resume.empty();
  if (resuming && !(arguments.output.empty() && arguments.overrides.empty())) {
    throw UserError("--resume continues a run as it is; it takes neither --output nor --set");
  }
  RunConfig config = resuming ? RunConfig::load(RunFolder::open(arguments.resume).config())
                              : RunConfig::load(arguments.config, arguments.overrides);
  config.data.options->make_absolute();  // both must hold wherever the run is resumed from
  for (std::string* file : {&config.model.init_from, &config.distillation.teacher}) {
    if (!file->empty()) *file = fs::absolute(*file).lexically_normal().string();
  }
  const fs::path output = arguments.output.empty() ? fs::path("runs") / fs::path(arguments.config).stem()
                                                   : fs::path(arguments.output);
  if (!resuming) RunFolder::refuse_if_taken(output);
  const Device device(config.device);
  config.device.name = device.torch_device().str();  // what the results rest on, in place of auto and 0
  config.device.threads = device.threads();
  Trainer trainer(config, device);
  std::optional<PartialLoad> start;
  if (!resuming) start = trainer.initialise();
  const RunFolder run =
      resuming ? RunFolder::open(arguments.resume) : RunFolder::create(output, trainer.config(), device);
  if (resuming) start = trainer.resume(run);

  say_to_file(run.log());
  say(fmt::format("{}, {} on {}", config.model.name, resuming ? "resumed" : "from the start",
                  device.description()));
  say("run folder " + run.path().string());
  if (start) say_start(config.model.init_from, *start);
  catch_signals();
  TrainingClock clock(config.trainer);
  RunReport report(run, trainer, device, clock);
  TrainingDisplay display(config.trainer, clock);
  const bool finished = trainer.train(run, {&clock, &report, &display}, [] { return stop_signal != 0; });
  if (!finished) {
    say(fmt::format("stopped by a signal in epoch {}; continue with: portraitseg train --resume {}",
                    trainer.progress().epoch + 1, run.path().string()));
    return 128 + stop_signal;
  }
  const Progress& progress = trainer.progress();
  const EpochRecord& last = progress.history.back();
  say(fmt::format("done: best epoch {} with {} {:.2f} (protocol {}, n = {} of {}, sha256 {:.8}), {}",
                  progress.best_epoch, config.evaluation.select_by, progress.best_value, last.val_protocol,
                  last.val_images, fs::path(trainer.config().data.val_list).filename().string(),
                  last.val_list_sha256, run.best().string()));
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
