#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "portraitseg/sweep/cost.h"
#include "portraitseg/sweep/plan.h"
#include "portraitseg/sweep/runner.h"
#include "portraitseg/sweep/sweep_folder.h"

namespace portraitseg {

/// What `sweep` and `sweep plan` are told.
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

/// --config, --set, --output, --workers, --threads.
void add_sweep_options(CLI::App& command, SweepArguments& arguments);

/// As given, else as the sweep in the folder had them, else one worker and all cores.
struct Workers {
  std::int64_t workers, threads;

  Workers(const SweepArguments& arguments, const std::optional<SweepFolder>& there);
};

std::filesystem::path output_folder(const SweepArguments& arguments);

/// The sweep in a folder, if there is one. @throws DataError if the folder holds something else.
std::optional<SweepFolder> existing(const std::filesystem::path& folder);

/// What of the trials shows before any of them is trained. @throws UserError naming the trial.
/// @return what each of them will cost, without the time
std::vector<TrialCost> check_trials(const SweepPlan& plan);

}  // namespace portraitseg
