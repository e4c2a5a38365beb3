#include <cstdio>
#include <filesystem>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/report/csv.h"
#include "portraitseg/report/overlay.h"
#include "portraitseg/report/results.h"

#include "commands.h"
#include "dataset_source.h"
#include "network_choice.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct EvaluateArguments {
  NetworkArguments network;
  std::string data, root, list;
  std::vector<std::string> protocols;  ///< empty: the configuration's
  std::string output, json;
  std::int64_t batch_size = 0;
  std::int64_t workers = -1;
  std::int64_t threads = 0;  ///< 0: not given
  int overlays = 8;
};

void apply_arguments(const EvaluateArguments& arguments, RunConfig& config) {
  if (!arguments.data.empty()) Config::load(arguments.data).read(config.data);
  if (!arguments.root.empty()) replace_root(config.data, arguments.root);
  if (!arguments.list.empty()) config.data.val_list = arguments.list;
  if (arguments.batch_size > 0) config.evaluation.batch_size = arguments.batch_size;
  if (arguments.workers >= 0) config.data.workers = arguments.workers;
  if (arguments.threads > 0) config.device.threads = arguments.threads;
}

void write_output(const fs::path& folder, const std::vector<Evaluation>& evaluations, const Dataset& dataset,
                  SegmentationModel& model, const RunConfig& config, const Device& device, int overlays) {
  for (const auto& evaluation : evaluations) {
    const fs::path own = folder / evaluation.protocol.name;
    make_folder(own);
    write_file(own / "per_image.csv", per_image_csv(evaluation));
    const auto files = write_worst_overlays(own / "overlays", evaluation, dataset, model,
                                            config.preprocessing, device, overlays);
    if (!files.empty()) say("worst image " + files.front().string());
  }
  write_file(folder / "metrics.json",
             results_json(evaluations));  // last: its presence says that the folder is complete
}

int evaluate_command(const EvaluateArguments& arguments) {
  const fs::path path = weights_path("evaluate", arguments.network);
  if (!arguments.output.empty() && fs::exists(fs::path(arguments.output) / "metrics.json")) {
    throw DataError(arguments.output, "already holds an evaluation; choose another --output");
  }
  check_output_place(arguments.output);
  refuse_to_overwrite(path, arguments.json);
  TrainedNetwork network = read_network(arguments.network, path);
  RunConfig& config = network.config;
  apply_arguments(arguments, config);
  std::vector<Protocol> chosen;
  for (const auto& name : arguments.protocols) chosen.push_back(protocol_of(name));
  if (chosen.empty()) chosen.push_back(protocol_of(config.evaluation.protocol));

  const Device device(config.device);
  const auto model = network.build(device);
  const auto dataset = config.data.options->open(config.data.val_list, config.data.on_error);

  std::vector<Evaluation> evaluations;
  for (const auto& protocol : chosen) {
    ProgressBar bar(protocol.name);
    EvaluatorOptions options;
    options.batch_size = config.evaluation.batch_size;
    options.workers = config.data.workers;
    options.on_error = config.data.on_error;
    options.progress = [&](std::int64_t done, std::int64_t total) { bar.show(done, total); };
    evaluations.push_back(evaluate(*model, config.preprocessing, *dataset, protocol, options, device));
  }
  for (const auto& reason : evaluations.front().skipped) say("skipped: " + reason);
  // Shown first: what follows can fail, and the figures must not be lost.
  if (arguments.json != "-") std::fputs(results_table(evaluations).c_str(), stdout);
  if (arguments.json == "-") {
    std::fputs(results_json(evaluations).c_str(), stdout);
  } else if (!arguments.json.empty()) {
    write_file(arguments.json, results_json(evaluations));
  }
  if (!arguments.output.empty()) {
    write_output(arguments.output, evaluations, *dataset, *model, config, device, arguments.overlays);
  }
  return 0;
}

}  // namespace

void add_evaluate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command = app.add_subcommand("evaluate", "Measures a network on a list of images with masks");
  add_network_options(*command, arguments->network, "measured");
  command->add_option("--data", arguments->data,
                      "YAML file with the keys of the section data, in place of the configuration's");
  command->add_option("--root", arguments->root, "folder of the data set, in place of the configuration's");
  command->add_option("--list", arguments->list,
                      "list of images, a path or a name below the root; default: data.val_list");
  command
      ->add_option("--protocol", arguments->protocols,
                   "how figures are computed: clova, native, mmseg; several with commas; default: "
                   "evaluation.protocol")
      ->delimiter(',');
  command->add_option("--output", arguments->output,
                      "folder for metrics.json, per_image.csv and overlays of the worst images");
  command->add_option("--overlays", arguments->overlays, "how many overlays")->check(CLI::NonNegativeNumber);
  add_json_option(*command, arguments->json, "the figures");
  command->add_option("--batch-size", arguments->batch_size, "images a forward pass")
      ->check(CLI::PositiveNumber);
  command->add_option("--workers", arguments->workers, "threads that read images")->check(CLI::Range(0, 256));
  command->add_option("--threads", arguments->threads, "that compute; default: device.threads")
      ->check(CLI::Range(1, 1024));
  command->callback([&action, arguments] { action = [arguments] { return evaluate_command(*arguments); }; });
}

}  // namespace portraitseg
