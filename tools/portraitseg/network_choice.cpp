#include "network_choice.h"

#include <regex>

#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

#include "options.h"

namespace portraitseg {

RunConfig config_of_network(const std::string& model, const std::vector<std::string>& overrides) {
  const auto [height, width] = models().at(model)()->card().size;
  return RunConfig::parse(
      fmt::format("model: {{name: {}}}\npreprocessing: {{size: [{}, {}]}}\n", model, height, width),
      "--model " + model, overrides);
}

void add_network_options(CLI::App& command, NetworkArguments& arguments, const std::string& what) {
  command.add_option("--run", arguments.run, "run folder; its best checkpoint is " + what);
  command.add_option("--weights", arguments.weights,
                     "weights file (.safetensors, .pth, a checkpoint) or run folder");
  command.add_option("--config", arguments.config, "configuration; default: the one that the weights carry");
  add_set_option(command, arguments.overrides, "of the configuration");
}

std::filesystem::path weights_path(const std::string& verb, const NetworkArguments& arguments) {
  if (!arguments.run.empty() && !arguments.weights.empty())
    throw UserError(verb + " takes either --run or --weights, not both");
  if (!arguments.run.empty()) return trained_weights(RunFolder::open(arguments.run).path());
  if (arguments.weights.empty()) throw UserError(verb + " needs either --run or --weights");
  return trained_weights(arguments.weights);
}

std::shared_ptr<SegmentationModel> TrainedNetwork::build(const Device& device) const {
  const auto model = config.model.options->build();
  load_state_dict(*model, weights, path);
  device.place(*model);
  return model;
}

TrainedNetwork read_network(const NetworkArguments& arguments, const std::filesystem::path& path) {
  TensorFile weights = read_weights(path);
  RunConfig config = arguments.config.empty() ? read_stored_config(weights, path, arguments.overrides)
                                              : RunConfig::load(arguments.config, arguments.overrides);
  return {path, std::move(weights), std::move(config)};
}

std::array<std::int64_t, 2> parse_size(const std::string& text) {
  static const std::regex form("([0-9]{1,5})x([0-9]{1,5})");
  constexpr std::int64_t kLargest = 16384;  // as preprocessing.size
  std::smatch match;
  if (std::regex_match(text, match, form)) {
    const std::int64_t height = std::stoll(match[1]), width = std::stoll(match[2]);
    if (height > 0 && width > 0 && height <= kLargest && width <= kLargest) return {height, width};
  }
  throw UserError("--size '" + text + "': expected height x width in pixels up to 16384, such as 224x224");
}

}  // namespace portraitseg
