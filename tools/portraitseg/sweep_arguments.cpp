#include "sweep_arguments.h"

#include <algorithm>
#include <set>
#include <thread>

#include <CLI/CLI.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/plan_check.h"

#include "options.h"

namespace portraitseg {

namespace fs = std::filesystem;

void add_sweep_options(CLI::App& command, SweepArguments& arguments) {
  command.add_option("--config", arguments.config, "the sweep (YAML), see configs/sweeps");
  add_set_option(command, arguments.overrides, "of every trial");
  command.add_option("--output", arguments.output,
                     "folder of the sweep; default: runs/<name of the configuration>");
  command.add_option("--workers", arguments.workers, "trials at a time; default: as before, else 1")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--threads", arguments.threads,
                  "of each worker, in place of device.threads; default: as before, else cores / workers")
      ->check(CLI::Range(1, 1024));
}

Workers::Workers(const SweepArguments& arguments, const std::optional<SweepFolder>& there)
    : workers(arguments.workers), threads(arguments.threads) {
  if (workers == 0) workers = there ? there->sweep().workers : 1;
  if (threads == 0) threads = there ? there->sweep().threads : std::thread::hardware_concurrency() / workers;
  threads = std::max<std::int64_t>(threads, 1);
}

fs::path output_folder(const SweepArguments& arguments) {
  return fs::absolute(arguments.output.empty() ? fs::path("runs") / fs::path(arguments.config).stem()
                                               : fs::path(arguments.output))
      .lexically_normal();
}

std::optional<SweepFolder> existing(const fs::path& folder) {
  return SweepFolder::exists(folder) ? std::optional(SweepFolder::open(folder)) : std::nullopt;
}

std::vector<TrialCost> check_trials(const SweepPlan& plan) {
  std::vector<TrialCost> costs;
  ImageCounter counter;
  std::set<std::string> checked;
  for (const Trial& trial : plan.trials) {
    try {
      if (checked.insert(network_key(trial.plan)).second) check_plan(trial.plan);
      costs.push_back(counter.cost(trial.plan));
    } catch (const UserError& error) {
      throw UserError("trial " + trial.label() + ": " + error.what());
    }
  }
  return costs;
}

}  // namespace portraitseg
