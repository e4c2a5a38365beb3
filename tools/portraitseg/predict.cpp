#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "commands.h"
#include "network_choice.h"
#include "output_place.h"
#include "predict_files.h"
#include "stopwatch.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

struct PredictArguments {
  NetworkArguments network;
  std::vector<std::string> inputs;
  OutputOptions output;
  std::string json;
  std::int64_t batch = 8;
  std::int64_t workers = -1;
  std::int64_t threads = 0;
};

/// The inputs and what became of each, in their order.
struct Results {
  std::vector<Planned> inputs;
  std::vector<Predicted> predicted;
  double seconds = 0;

  std::int64_t failed() const {
    return std::count_if(predicted.begin(), predicted.end(),
                         [](const Predicted& p) { return !p.error.empty(); });
  }
  std::int64_t frames() const {
    std::int64_t sum = 0;
    for (const auto& one : predicted) sum += one.error.empty() ? one.frames : 0;
    return sum;
  }
  double rate() const { return static_cast<double>(frames()) / seconds; }
};

Json json_of(const Planned& input, const Predicted& result) {
  Json json = {{"input", input.input.path.string()}, {"type", input.input.video ? "video" : "image"}};
  if (!result.error.empty()) {
    json["error"] = result.error;
    return json;
  }
  json["height"] = result.size.height;
  json["width"] = result.size.width;
  if (input.input.video) {
    json["frames"] = result.frames;
    json["fps"] = result.fps;
  }
  json["foreground_share"] = result.foreground_share;
  json["ms"] = {{"read", result.read_ms}, {"network", result.network_ms}, {"write", result.write_ms}};
  for (const auto& [picture, file] : input.outputs) json["outputs"][picture_name(picture)] = file.string();
  return json;
}

std::string as_json(const Results& results, const fs::path& weights, const Device& device) {
  Json json = {{"weights", weights.string()}, {"device", device.description()},
               {"images", results.frames()},  {"failed", results.failed()},
               {"seconds", results.seconds},  {"images_per_second", results.rate()}};
  json["inputs"] = Json::array();
  for (std::size_t i = 0; i < results.inputs.size(); ++i)
    json["inputs"].push_back(json_of(results.inputs[i], results.predicted[i]));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string as_line(const Results& results, const fs::path& folder) {
  return fmt::format("{}: {} of {} inputs, {} images in {:.1f} s ({:.1f} images/s)\n", folder.string(),
                     static_cast<std::int64_t>(results.inputs.size()) - results.failed(),
                     results.inputs.size(), results.frames(), results.seconds, results.rate());
}

/// What the user named, and what is read besides the inputs.
std::vector<fs::path> other_files(const PredictArguments& arguments, const fs::path& weights) {
  std::vector<fs::path> files = {weights};
  for (const auto& path : {arguments.network.config, arguments.output.background}) {
    if (!path.empty()) files.emplace_back(path);
  }
  return files;
}

void refuse_wrong_places(const PredictArguments& arguments, const std::vector<Planned>& inputs,
                         const std::vector<fs::path>& read) {
  for (const auto& path : read) refuse_to_overwrite(path, arguments.json);
  for (const auto& planned : inputs) refuse_to_overwrite(planned.input.path, arguments.json);
  check_output_place(arguments.output.folder);
  make_folder(arguments.output.folder);
}

/// Images together, videos one by one.
Results predict_all(PredictJob job, std::vector<Planned> inputs) {
  const Stopwatch watch;
  std::optional<ProgressBar> bar;
  Results results;
  results.inputs = std::move(inputs);
  results.predicted.resize(results.inputs.size());
  const auto take = [&](std::size_t index, const Predicted& predicted) {
    results.predicted[index] = predicted;
    if (predicted.error.empty()) return;
    bar->clear();
    say("skipped: " + predicted.error);
  };
  job.progress = [&](const Planned&, std::int64_t done, std::int64_t total) { bar->show(done, total); };
  std::vector<Planned> images;
  std::vector<std::size_t> places;  // among the inputs
  for (std::size_t i = 0; i < results.inputs.size(); ++i) {
    if (results.inputs[i].input.video) continue;
    images.push_back(results.inputs[i]);
    places.push_back(i);
  }
  bar.emplace("predict");
  predict_images(job, images, [&](std::size_t i, const Predicted& result) { take(places[i], result); });
  for (std::size_t i = 0; i < results.inputs.size(); ++i) {
    if (!results.inputs[i].input.video) continue;
    bar.emplace(results.inputs[i].input.path.filename().string());
    take(i, predict_video(job, results.inputs[i]));
  }
  results.seconds = watch.ms() / 1000;
  return results;
}

int predict_command(const PredictArguments& arguments) {
  const fs::path weights = weights_path("predict", arguments.network);
  const std::vector<fs::path> read = other_files(arguments, weights);
  std::vector<Planned> inputs = plan_outputs(arguments.inputs, arguments.output, read);
  TrainedNetwork network = read_network(arguments.network, weights);
  if (arguments.threads > 0) network.config.device.threads = arguments.threads;
  std::optional<Background> background;
  if (!arguments.output.background.empty()) background.emplace(arguments.output.background);
  refuse_wrong_places(arguments, inputs, read);

  const Device device(network.config.device);
  const auto model = network.build(device);
  Predictor predictor(*model, network.config.preprocessing, device);
  PredictJob job;
  job.predictor = &predictor;
  job.background = background ? &*background : nullptr;
  job.several_classes = network.config.model.options->num_classes > 2;
  job.any_size = network.config.preprocessing.geometry == Geometry::kKeep;
  job.batch = arguments.batch;
  job.workers = arguments.workers >= 0 ? arguments.workers : network.config.data.workers;
  job.jpeg_quality = arguments.output.jpeg_quality;
  const Results results = predict_all(job, std::move(inputs));

  const std::string json = as_json(results, weights, device);
  std::fputs(arguments.json == "-" ? json.c_str() : as_line(results, arguments.output.folder).c_str(),
             stdout);
  if (!arguments.json.empty() && arguments.json != "-") write_file(arguments.json, json);
  return results.failed() > 0 ? 2 : 0;
}

void add_output_options(CLI::App& command, OutputOptions& output) {
  command
      .add_option("--output", output.folder,
                  "folder for NAME_mask.png, ...; sub-folders of the inputs are kept")
      ->capture_default_str();
  command.add_flag(
      "--mask", output.mask,
      "0 and 255; of a network with several classes the class index. Without any of these four: masks "
      "and cut-outs, of videos masks");
  command.add_flag("--cutout", output.cutout, "the portrait alone, PNG with alpha");
  command.add_flag("--overlay", output.overlay, "the image with its portrait tinted and outlined");
  command.add_option("--background", output.background,
                     "the portrait before another background: a picture's file, blur, or R,G,B");
  command
      .add_option("--jpeg-quality", output.jpeg_quality,
                  "overlays and backgrounds as JPEG of this quality; default: PNG, without loss")
      ->check(CLI::Range(1, 100));
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PredictArguments>();
  CLI::App* command = app.add_subcommand(
      "predict", "Masks images and videos, cuts portraits out, replaces or blurs their backgrounds");
  command
      ->add_option("inputs", arguments->inputs, "images, videos, and folders of them, sub-folders included")
      ->required();
  add_network_options(*command, arguments->network, "used");
  add_output_options(*command, arguments->output);
  add_json_option(*command, arguments->json, "inputs, outputs and times");
  command
      ->add_option("--batch", arguments->batch,
                   "images a forward pass; what is written does not depend on it")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--workers", arguments->workers, "threads that read images, and as many that write")
      ->check(CLI::Range(0, 256));
  command->add_option("--threads", arguments->threads, "of the network; default: device.threads")
      ->check(CLI::Range(1, 1024));
  command->callback([&action, arguments] { action = [arguments] { return predict_command(*arguments); }; });
}

}  // namespace portraitseg
