#include <cstdio>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/loader_benchmark.h"
#include "portraitseg/engine/network_benchmark.h"

#include "commands.h"
#include "network_choice.h"
#include "options.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

struct BenchmarkArguments {
  bool loader = false;
  std::string model, config;
  std::vector<std::string> overrides;
  std::int64_t rounds = 5;
  LoaderBenchmarkOptions loader_options;
  bool train = false, eager = false;
  std::int64_t batch = 0;  ///< 0: not given
  std::int64_t threads = 0;
  std::string size;
  std::string json;
};

/// The figures to standard output, and as JSON to a file or to standard output alone.
void print(const std::string& table, const std::string& json, const std::string& file) {
  std::fputs((file == "-" ? json : table).c_str(), stdout);
  if (!file.empty() && file != "-") write_file(file, json);
}

std::string as_json(const LoaderBenchmark& result, const Device& device) {
  const auto rate = [](double ms) {
    return nlohmann::ordered_json{{"ms_per_image", ms}, {"images_per_second_and_core", 1000 / ms}};
  };
  nlohmann::ordered_json json = {{"benchmark", "loader"},
                                 {"list", result.list},
                                 {"list_sha256", result.list_sha256},
                                 {"images", result.images},
                                 {"decoding", rate(result.decode_ms)},
                                 {"from_files", rate(result.files_ms)},
                                 {"cached", rate(result.cached_ms)},
                                 {"cached_bytes_per_image", result.bytes}};
  if (result.step_s > 0) {
    json["training"] = {{"device", device.description()}, {"workers", result.workers},
                        {"steps", result.steps},          {"first_batch_s", result.first_batch_s},
                        {"median_step_s", result.step_s}, {"waiting_share", result.waiting}};
  }
  return json.dump(2) + "\n";
}

std::string as_table(const LoaderBenchmark& result, const Device& device) {
  const auto row = [](const char* what, double ms, const char* note) {
    return fmt::format("{:<12} {:>7.2f} ms an image {:>8.1f} images a second and core   {}\n", what, ms,
                       1000 / ms, note);
  };
  std::string text = fmt::format("{} images of {}, one thread\n", result.images, result.list);
  text += row("decoding", result.decode_ms, "reading and decoding alone: the floor from files");
  text += row("from files", result.files_ms, "decoded, augmented, normalised, with targets, in a batch");
  text += row("cached", result.cached_ms,
              fmt::format("the same from data.cache, {:.2f} MiB an image", result.bytes / (1 << 20)).c_str());
  if (result.step_s > 0) {
    text += fmt::format(
        "training      {} steps on {}, {} workers: {:.2f} s a step, {:.1f} % of it waiting; first batch "
        "after {:.2f} s\n",
        result.steps, device.description(), result.workers, result.step_s, 100 * result.waiting,
        result.first_batch_s);
  }
  return text;
}

std::string as_json(const NetworkBenchmark& result, const NetworkBenchmarkOptions& options) {
  nlohmann::ordered_json json = {{"benchmark", options.train ? "training" : "inference"},
                                 {"model", result.model},
                                 {"size", result.size},
                                 {"batch", options.batch},
                                 {"threads", result.threads},
                                 {"rounds", options.rounds},
                                 {"obstacle", result.obstacle},
                                 {"ms_per_image", result.ms},
                                 {"ms_per_image_min", result.ms_min},
                                 {"ms_per_image_max", result.ms_max},
                                 {"images_per_second", 1000 / result.ms},
                                 {"peak_memory_mib", result.peak_memory_mib}};
  for (const auto& [kind, share] : result.operators) json["operators"][kind] = share;
  const TimeFloor& floor = result.floor;
  json["floor"] = {{"multiply_adds", floor.multiply_adds},
                   {"multiply_adds_per_second", floor.multiply_adds_per_second},
                   {"compute_ms_per_image", floor.compute_ms},
                   {"bytes", floor.bytes},
                   {"bytes_per_second", floor.bytes_per_second},
                   {"memory_ms_per_image", floor.memory_ms}};
  return json.dump(2) + "\n";
}

std::string as_table(const NetworkBenchmark& result, const NetworkBenchmarkOptions& options) {
  std::string text = fmt::format("{}, {} of {} x {}x{}, {} threads\n", result.model,
                                 options.train ? "training step" : "inference", options.batch, result.size[0],
                                 result.size[1], result.threads);
  if (!result.obstacle.empty()) text += "not fused: " + result.obstacle + "\n";
  text += fmt::format("{:<10} {:>9.3f} ms an image ({:.3f} to {:.3f} in {} rounds), {:.1f} images a second\n",
                      "measured", result.ms, result.ms_min, result.ms_max, options.rounds, 1000 / result.ms);
  const TimeFloor& floor = result.floor;
  text += fmt::format("{:<10} {:>9.3f} ms an image: {:.1f} M multiply-adds at {:.1f} G a second\n", "floor",
                      floor.compute_ms, floor.multiply_adds / 1e6, floor.multiply_adds_per_second / 1e9);
  text += fmt::format(
      "{:<10} {:>9.3f} ms an image: {:.1f} MB of operators' outputs at {:.1f} GB a second, were none kept in "
      "caches\n",
      "memory", floor.memory_ms, floor.bytes / 1e6, floor.bytes_per_second / 1e9);
  text += fmt::format("{:<10} {:>9.1f} MiB of memory at most\n", "peak", result.peak_memory_mib);
  for (const auto& [kind, share] : result.operators) {
    if (share >= 0.001)
      text += fmt::format("{:>7.1f} % {:>9.3f} ms an image  {}\n", 100 * share, share * result.ms, kind);
  }
  return text;
}

int loader_command(const BenchmarkArguments& arguments) {
  const RunConfig config = RunConfig::load(arguments.config, arguments.overrides);
  const Device device(config.device);
  ProgressBar bar("benchmark");
  LoaderBenchmarkOptions options = arguments.loader_options;
  options.rounds = arguments.rounds;
  options.progress = [&](std::int64_t done, std::int64_t total) { bar.show(done, total); };
  const LoaderBenchmark result = benchmark_loader(config, device, options);
  bar.clear();
  print(as_table(result, device), as_json(result, device), arguments.json);
  return 0;
}

/// Of the network that is measured, with what the other options say.
RunConfig network_config(const BenchmarkArguments& arguments) {
  const bool named = !arguments.model.empty();
  RunConfig config = named ? config_of_network(arguments.model, arguments.overrides)
                           : RunConfig::load(arguments.config, arguments.overrides);
  if (!arguments.size.empty()) {
    const auto [height, width] = parse_size(arguments.size);
    config.preprocessing.size = {height, width};
  }
  if (arguments.threads > 0) config.device.threads = arguments.threads;
  if (arguments.eager) config.device.fused = false;
  if (named && arguments.train) config.losses = natural_losses(config);
  return config;
}

int network_command(const BenchmarkArguments& arguments) {
  const RunConfig config = network_config(arguments);
  const Device device(config.device);
  ProgressBar bar("benchmark");
  NetworkBenchmarkOptions options;
  options.train = arguments.train;
  options.batch = arguments.train ? config.trainer.batch_size : 1;
  if (arguments.batch > 0) options.batch = arguments.batch;
  options.rounds = arguments.rounds;
  options.progress = [&](std::int64_t done, std::int64_t total) { bar.show(done, total); };
  const NetworkBenchmark result = benchmark_network(config, device, options);
  bar.clear();
  print(as_table(result, options), as_json(result, options), arguments.json);
  return 0;
}

int benchmark_command(const BenchmarkArguments& arguments) {
  if (arguments.model.empty() == arguments.config.empty())
    throw UserError(
        "benchmark: say what is measured: the network --model NAME or, instead, --config FILE; with "
        "--loader the images of --config FILE");
  refuse_to_overwrite(arguments.config, arguments.json);
  return arguments.loader ? loader_command(arguments) : network_command(arguments);
}

}  // namespace

void add_benchmark(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<BenchmarkArguments>();
  CLI::App* command =
      app.add_subcommand("benchmark", "Measures how fast a network is, or how fast its images come");
  CLI::Option* loader = command->add_flag(
      "--loader", arguments->loader,
      "measure the images: a second and core, from files and cached; what a training step waits");
  command->add_option("--model", arguments->model, "a network by its name, with its natural losses")
      ->excludes(loader);
  command->add_option("--config", arguments->config,
                      "the network or the images of a configuration file (YAML)");
  add_set_option(*command, arguments->overrides, "of the configuration");
  command->add_option("--rounds", arguments->rounds, "their medians are reported")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--images", arguments->loader_options.images,
                   "of the loader: how many are read in a round")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->needs(loader);
  command
      ->add_option("--steps", arguments->loader_options.steps,
                   "of the loader: training steps to watch, without each epoch's first; 0: none")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str()
      ->needs(loader);
  command->add_flag("--train", arguments->train, "a whole training step in place of an inference")
      ->excludes(loader);
  command
      ->add_option("--batch", arguments->batch,
                   "images of a pass; default: 1, with --train trainer.batch_size")
      ->check(CLI::Range(1, 65536))
      ->excludes(loader);
  command->add_option("--size", arguments->size, "input, HxW in pixels; default: preprocessing.size")
      ->excludes(loader);
  command->add_option("--threads", arguments->threads, "default: device.threads")
      ->check(CLI::Range(1, 1024))
      ->excludes(loader);
  command->add_flag("--eager", arguments->eager, "LibTorch's operators one by one")->excludes(loader);
  add_json_option(*command, arguments->json, "the figures");
  command->callback([&action, arguments] { action = [arguments] { return benchmark_command(*arguments); }; });
}

}  // namespace portraitseg
