#include <cstdio>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/loader_benchmark.h"

#include "commands.h"
#include "terminal.h"

namespace portraitseg {
namespace {

struct BenchmarkArguments {
  bool loader = false;
  std::string config;
  std::vector<std::string> overrides;
  LoaderBenchmarkOptions options;
  std::string json;
};

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

int benchmark_command(const BenchmarkArguments& arguments) {
  if (!arguments.loader) throw UserError("benchmark: say what is measured; known: --loader");
  const RunConfig config = RunConfig::load(arguments.config, arguments.overrides);
  const Device device(config.device);
  ProgressBar bar("benchmark");
  LoaderBenchmarkOptions options = arguments.options;
  options.progress = [&](std::int64_t done, std::int64_t total) { bar.show(done, total); };
  const LoaderBenchmark result = benchmark_loader(config, device, options);
  bar.clear();
  if (arguments.json != "-") std::fputs(as_table(result, device).c_str(), stdout);
  if (arguments.json == "-") std::fputs(as_json(result, device).c_str(), stdout);
  if (!arguments.json.empty() && arguments.json != "-") write_file(arguments.json, as_json(result, device));
  return 0;
}

}  // namespace

void add_benchmark(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<BenchmarkArguments>();
  CLI::App* command = app.add_subcommand("benchmark", "Measures how fast a configuration's images come");
  command->add_flag("--loader", arguments->loader,
                    "images a second and core, from files and cached; what a training step waits for them");
  command->add_option("--config", arguments->config, "configuration file (YAML)")->required();
  command
      ->add_option("--set", arguments->overrides,
                   "overrides a value of it: key.sub=value; may be given again")
      ->take_all();
  command->add_option("--images", arguments->options.images, "how many are read in a round")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--rounds", arguments->options.rounds, "their medians are reported")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--steps", arguments->options.steps,
                   "training steps to watch, without each epoch's first; 0: none")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command->add_option("--json", arguments->json,
                      "file for the figures as JSON; -: standard output, and nothing else there");
  command->callback([&action, arguments] { action = [arguments] { return benchmark_command(*arguments); }; });
}

}  // namespace portraitseg
