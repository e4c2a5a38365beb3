#include "portraitseg/models/summary.h"

#include <array>
#include <cstdio>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/report/summary_table.h"
#include "portraitseg/weights/weights_file.h"

#include "commands.h"
#include "network_choice.h"
#include "options.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

struct SummaryArguments {
  std::string model, config, weights;
  std::vector<std::string> overrides;
  std::string size, json;
  bool zoo = false;
};

/// Only its sections model and preprocessing.size matter here.
RunConfig read_config(const SummaryArguments& arguments) {
  if (!arguments.config.empty()) return RunConfig::load(arguments.config, arguments.overrides);
  if (!arguments.model.empty()) return config_of_network(arguments.model, arguments.overrides);
  const TensorFile weights = read_weights(arguments.weights);
  if (stored_config(weights).empty())
    throw DataError(arguments.weights,
                    "does not say which network it is of; name it by --model or --config instead");
  return read_stored_config(weights, arguments.weights, arguments.overrides);
}

int summary_command(const SummaryArguments& arguments) {
  refuse_to_overwrite(arguments.weights, arguments.json);
  const int chosen = !arguments.model.empty() + !arguments.config.empty() + !arguments.weights.empty() +
                     static_cast<int>(arguments.zoo);
  if (chosen != 1) throw UserError("summary needs exactly one of --model, --config, --weights and --zoo");
  if (arguments.zoo) {
    if (!arguments.overrides.empty() || !arguments.size.empty() || !arguments.json.empty())
      throw UserError("summary --zoo takes no --set, --size or --json");
    std::fputs(zoo_table().c_str(), stdout);
    return 0;
  }
  const RunConfig config = read_config(arguments);
  const auto [height, width] =
      arguments.size.empty()
          ? std::array<std::int64_t, 2>{config.preprocessing.size[0], config.preprocessing.size[1]}
          : parse_size(arguments.size);
  // Figures follow from the configuration alone: weights are not loaded, so that --set may change the network.
  const ModelSummary summary = summarize(*config.model.options->build(), height, width);
  if (arguments.json == "-") {
    std::fputs(summary_json(config.model.name, summary).c_str(), stdout);
    return 0;
  }
  std::fputs(summary_table(config.model.name, summary).c_str(), stdout);
  if (!arguments.json.empty()) write_file(arguments.json, summary_json(config.model.name, summary));
  return 0;
}

}  // namespace

void add_summary(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SummaryArguments>();
  CLI::App* command = app.add_subcommand("summary", "Lists a network's layers, parameters and multiply-adds");
  command->add_option("--model", arguments->model, "a network by its name");
  command->add_option("--config", arguments->config, "the network of a configuration");
  command->add_option("--weights", arguments->weights,
                      "the network of a weights file that carries its configuration");
  command->add_flag("--zoo", arguments->zoo, "every network in one table (Markdown)");
  add_set_option(*command, arguments->overrides, "of the configuration");
  command->add_option("--size", arguments->size,
                      "input, HxW in pixels; default: preprocessing.size, with --model the network's own");
  add_json_option(*command, arguments->json, "the figures");
  command->callback([&action, arguments] { action = [arguments] { return summary_command(*arguments); }; });
}

}  // namespace portraitseg
