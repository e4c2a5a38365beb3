#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "network_choice.h"

namespace portraitseg {

/// How the user names the networks of an evaluation.
struct NetworksArguments {
  std::vector<std::string> runs;  ///< a sweep's folder stands for its finished trials
  std::vector<std::string> weights, configs, overrides;
};

/// --run, --weights, --config, --set, each of which may be repeated.
void add_networks_options(CLI::App& command, NetworksArguments& arguments);

/// A network as the command line names it.
struct NamedNetwork {
  std::string
      name;  ///< of its run, its trial or its weights file, unlike the others'; a folder may be called so
  NetworkArguments arguments;
  std::filesystem::path path;  ///< of the weights
  bool of_sweep = false;
};

/// In the order of the options, runs first; the trials of a sweep in the order of its sweep.yaml.
/// @throws UserError if there is none, for a network that is given twice, or for too few or many configurations.
/// @throws DataError for a run without weights, or a sweep without a finished trial.
std::vector<NamedNetwork> named_networks(const NetworksArguments& arguments);

/// "SINet", and if it is taken "SINet_2".
std::string unlike(const std::string& name, std::set<std::string>& taken);

}  // namespace portraitseg
