#include "named_networks.h"

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/sweep/sweep_folder.h"

#include "options.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

std::string name_of_run(const std::string& run) {
  return fs::weakly_canonical(fs::absolute(run)).filename().string();
}

/// "model.decoder=none, trainer.seed=1", or the id where no folder can be called so.
std::string name_of_trial(const SweepFolder& sweep, const StoredTrial& trial,
                          const std::set<std::string>& taken) {
  constexpr std::size_t kLongest = 200;  // most file systems take 255 bytes
  const std::string label = sweep.sweep().label(trial);
  const bool usable = label.size() <= kLongest && label.find('/') == std::string::npos;
  return usable && taken.count(label) == 0 ? label : trial.id;
}

std::vector<StoredTrial> finished_trials(const SweepFolder& sweep) {
  const auto trials = sweep.finished();
  const std::size_t all = sweep.sweep().trials.size();
  if (trials.empty()) {
    throw DataError(
        sweep.path(),
        fmt::format("none of this sweep's {} trials is finished; train them with: portraitseg sweep "
                    "--resume {}",
                    all, sweep.path().string()));
  }
  if (trials.size() < all)
    say(fmt::format("{}: {} of {} trials are finished", sweep.path().string(), trials.size(), all));
  return trials;
}

class Networks {
 public:
  /// @param name "": that of the weights' file
  void add(const std::string& name, const NetworkArguments& arguments, bool of_sweep = false) {
    const fs::path path = weights_path("evaluate", arguments);
    if (!files_.insert(fs::weakly_canonical(fs::absolute(path))).second)
      throw UserError("the network " + path.string() + " is given twice");
    networks.push_back(
        {unlike(name.empty() ? path.stem().string() : name, names_), arguments, path, of_sweep});
  }

  /// @param arguments whose run is the sweep's folder
  void add_sweep(NetworkArguments arguments) {
    const SweepFolder sweep = SweepFolder::open(arguments.run);
    for (const StoredTrial& trial : finished_trials(sweep)) {
      arguments.run = sweep.run(trial.id).string();
      add(name_of_trial(sweep, trial, names_), arguments, true);
    }
  }

  std::vector<NamedNetwork> networks;

 private:
  std::set<std::string> names_;
  std::set<fs::path> files_;
};

}  // namespace

void add_networks_options(CLI::App& command, NetworksArguments& arguments) {
  command.add_option(
      "--run", arguments.runs,
      "run folder; its best checkpoint is measured; or a sweep's folder, for all of its finished "
      "trials; may be repeated");
  command.add_option("--weights", arguments.weights,
                     "weights file (.safetensors, .pth or a checkpoint); may be repeated");
  command.add_option("--config", arguments.configs,
                     "configuration; default: the one that the weights carry; one for all networks, or one "
                     "for each --run and --weights in their order, runs first");
  add_set_option(command, arguments.overrides, "of the configurations");
}

std::vector<NamedNetwork> named_networks(const NetworksArguments& arguments) {
  const std::size_t count = arguments.runs.size() + arguments.weights.size();
  if (count == 0) throw UserError("evaluate needs either --run or --weights");
  const auto& configs = arguments.configs;
  if (configs.size() > 1 && configs.size() != count) {
    throw UserError(fmt::format("{} networks, but {} times --config: give none, one for all, or one for each",
                                count, configs.size()));
  }
  Networks all;
  for (std::size_t i = 0; i < count; ++i) {
    NetworkArguments network;
    if (!configs.empty()) network.config = configs.size() == 1 ? configs[0] : configs[i];
    network.overrides = arguments.overrides;
    if (i >= arguments.runs.size()) {
      network.weights = arguments.weights[i - arguments.runs.size()];
      all.add("", network);
      continue;
    }
    network.run = arguments.runs[i];
    if (SweepFolder::is_sweep(network.run)) {
      all.add_sweep(network);
    } else {
      all.add(name_of_run(network.run), network);
    }
  }
  return all.networks;
}

std::string unlike(const std::string& name, std::set<std::string>& taken) {
  std::string result = name.empty() ? "network" : name;
  for (int i = 2; !taken.insert(result).second; ++i) result = fmt::format("{}_{}", name, i);
  return result;
}

}  // namespace portraitseg
