#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "portraitseg/engine/run_config.h"
#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// The configuration of a network given by its name alone: all defaults, at the paper's input size.
/// @throws UserError for an unknown name or a wrong override.
RunConfig config_of_network(const std::string& model, const std::vector<std::string>& overrides);

/// How the user names a trained network: by its run, or by its weights, which carry their configuration or need one.
struct NetworkArguments {
  std::string run, weights, config;
  std::vector<std::string> overrides;
};

/// --run, --weights, --config, --set. @param what happens to the network: "measured"
void add_network_options(CLI::App& command, NetworkArguments& arguments, const std::string& what);

/// The file of the weights. @param verb names the command in messages. @throws UserError unless there is one of run and weights.
std::filesystem::path weights_path(const std::string& verb, const NetworkArguments& arguments);

/// What is to be known of a network before it is built.
struct TrainedNetwork {
  std::filesystem::path path;
  TensorFile weights;
  RunConfig config;

  /// On the device, with its weights. @throws DataError if they are another network's.
  std::shared_ptr<SegmentationModel> build(const Device& device) const;
};

/// @param path weights_path(). @throws DataError, ConfigError
TrainedNetwork read_network(const NetworkArguments& arguments, const std::filesystem::path& path);

/// Height and width from "HxW". @throws UserError
std::array<std::int64_t, 2> parse_size(const std::string& text);

}  // namespace portraitseg
