#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/libtorch.h"
#include "portraitseg/core/stopwatch.h"

#include "commands.h"
#include "network_choice.h"
#include "output_place.h"
#include "predict_files.h"
#include "robustness.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

struct PredictArguments {
  NetworkArguments network;
  std::vector<std::string> inputs;
  AnswerArguments answer;
  OutputOptions output;
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
  if (!result.warning.empty()) json["warning"] = result.warning;
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
  for (const auto& path : read) refuse_to_overwrite(path, arguments.output.json);
  for (const auto& planned : inputs) refuse_to_overwrite(planned.input.path, arguments.output.json);
  check_output_place(arguments.output.folder);
}

/// Takes in what became of an input, and says what a person should know of it.
void take(Results& results, std::size_t index, const Predicted& predicted, ProgressBar& bar) {
  results.predicted[index] = predicted;
  for (const auto& line : {predicted.error.empty() ? "" : "skipped: " + predicted.error, predicted.warning}) {
    if (line.empty()) continue;
    bar.clear();
    say(line);
  }
}

/// Images together, videos one by one.
void predict_all(PredictJob job, Results& results) {
  std::optional<ProgressBar> bar;
  job.progress = [&](const Planned&, std::int64_t done, std::int64_t total) { bar->show(done, total); };
  std::vector<Planned> images;
  std::vector<std::size_t> places;  // among the inputs
  for (std::size_t i = 0; i < results.inputs.size(); ++i) {
    if (results.inputs[i].input.video) continue;
    images.push_back(results.inputs[i]);
    places.push_back(i);
  }
  bar.emplace("predict");
  predict_images(job, images,
                 [&](std::size_t i, const Predicted& result) { take(results, places[i], result, *bar); });
  for (std::size_t i = 0; i < results.inputs.size(); ++i) {
    if (!results.inputs[i].input.video) continue;
    bar.emplace(results.inputs[i].input.path.filename().string());
    take(results, i, predict_video(job, results.inputs[i]), *bar);
  }
}

/// Until it has its turn, an input counts as not reached.
Results nothing_done(std::vector<Planned> inputs) {
  Results results;
  results.inputs = std::move(inputs);
  results.predicted.resize(results.inputs.size());
  for (std::size_t i = 0; i < results.inputs.size(); ++i)
    results.predicted[i].error = DataError(results.inputs[i].input.path, "the run ended before it").what();
  return results;
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

/// Once more where the run ends early; what ended it is the error then, not that this fails, too.
void try_to_write(const std::string& place, const std::string& json) {
  try {
    if (place == "-") print(json);
    if (!place.empty() && place != "-") write_file(place, json);
  } catch (const DataError&) {
  }
}

/// A data set says which classes change places in a mirrored image; a photo does not.
void refuse_flip_of_classes(const Views& views, const RunConfig& config) {
  const std::int64_t classes = config.model.options->num_classes;
  if (!views.flip || classes <= 2) return;
  throw UserError("predict --flip: the network has " + std::to_string(classes) +
                  " classes, and nothing says which of them change places in a mirrored photo");
}

int predict_command(const PredictArguments& arguments) {
  const fs::path weights = weights_path("predict", arguments.network);
  const std::vector<fs::path> read = other_files(arguments, weights);
  std::vector<Planned> inputs = plan_outputs(arguments.inputs, arguments.output, read);
  TrainedNetwork network = read_network(arguments.network, weights);
  if (arguments.threads > 0) network.config.device.threads = arguments.threads;
  const Views views = arguments.answer.views();
  const PostProcessing post = arguments.answer.post_processing();
  refuse_flip_of_classes(views, network.config);
  std::optional<Background> background;
  if (!arguments.output.background.empty()) background.emplace(arguments.output.background);
  refuse_wrong_places(arguments, inputs, read);

  const Device device(network.config.device);
  const auto model = network.build(device);
  make_folder(arguments.output.folder);
  Predictor predictor(*model, network.config.preprocessing, device, views, post);
  PredictJob job;
  job.predictor = &predictor;
  job.background = background ? &*background : nullptr;
  job.several_classes = network.config.model.options->num_classes > 2;
  job.any_size = network.config.preprocessing.geometry == Geometry::kKeep;
  job.batch = arguments.batch;
  job.workers = arguments.workers >= 0 ? arguments.workers : network.config.data.workers;
  job.jpeg_quality = arguments.output.jpeg_quality;

  const std::string& place = arguments.output.json;
  const Stopwatch watch;
  Results results = nothing_done(std::move(inputs));
  const auto json = [&] {
    results.seconds = watch.seconds();
    return as_json(results, weights, device);
  };
  try {
    predict_all(job, results);
  } catch (const std::exception& error) {
    try_to_write(place, json());
    if (is_out_of_memory(error)) throw UserError("out of memory; try a smaller --batch or --workers");
    throw;
  }
  const std::string text = json();
  print(place == "-" ? text : as_line(results, arguments.output.folder));
  if (!place.empty() && place != "-") write_file(place, text);
  return results.failed() > 0 ? 2 : 0;
}

void add_output_options(CLI::App& command, OutputOptions& output) {
  command
      .add_option("--output", output.folder,
                  "folder for NAME_mask.png, ...; sub-folders of the inputs are kept")
      ->capture_default_str();
  command.add_flag("--mask", output.mask,
                   "0 and 255; of a network with several classes the class index, but of videos. Without any "
                   "of these four: masks "
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
  add_answer_options(*command, arguments->answer);
  add_output_options(*command, arguments->output);
  add_json_option(*command, arguments->output.json, "inputs, outputs and times");
  command
      ->add_option("--batch", arguments->batch,
                   "images a forward pass; on the CPU, what is written does not depend on it")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--workers", arguments->workers, "threads that read images, and as many that write")
      ->check(CLI::Range(0, 256));
  command->add_option("--threads", arguments->threads, "of the network; default: device.threads")
      ->check(CLI::Range(1, 1024));
  command->callback([&action, arguments] { action = [arguments] { return predict_command(*arguments); }; });
}

}  // namespace portraitseg
