#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/models/torchvision_mobilenet_v2.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

#include "commands.h"
#include "options.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

struct WeightsArguments {
  std::string first, second;  // IN and OUT, or A and B
  std::string from;           // whose keys IN has
  std::string config;
  std::vector<std::string> overrides;
  std::string json;
};

std::string shape_text(const torch::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes().vec(), ", "));
}

/// The table, or in its place JSON to where the user wants it.
void print(const std::string& table, const Json& json, const std::string& target) {
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (target == "-") {
    std::fputs(text.c_str(), stdout);
    return;
  }
  std::fputs(table.c_str(), stdout);
  if (!target.empty()) write_file(target, text);
}

int convert_from_torchvision(const WeightsArguments& arguments) {
  const auto encoder = portraitnet_encoder_from_torchvision(read_weights(arguments.first), arguments.first);
  write_weights(arguments.second, encoder.weights);
  std::printf("%s: %zu tensors of PortraitNet's encoder, for model.init_from\n", arguments.second.c_str(),
              encoder.weights.tensors.size());
  if (!encoder.left_out.empty())
    std::printf("left out: %s\n", fmt::format("{}", fmt::join(encoder.left_out, ", ")).c_str());
  return 0;
}

int convert(const WeightsArguments& arguments) {
  const std::filesystem::path in = trained_weights(arguments.first);
  refuse_to_overwrite(in, arguments.second);
  if (!arguments.from.empty()) return convert_from_torchvision(arguments);
  TensorFile file = plain_weights(read_weights(in));
  if (!arguments.config.empty()) {
    const RunConfig config = RunConfig::load(arguments.config, arguments.overrides);
    load_state_dict(*config.model.options->build(), file, in);  // or it is not theirs
    store_config(file, config);
  } else if (!arguments.overrides.empty()) {
    throw UserError("--set changes the configuration of --config, and none is given");
  }
  write_weights(arguments.second, file);
  std::printf("%s: %zu tensors, %s\n", arguments.second.c_str(), file.tensors.size(),
              stored_config(file).empty() ? "no configuration (--config adds one)" : "with configuration");
  return 0;
}

/// What of a stored configuration concerns whoever wants to use the weights.
struct Usage {
  ModelConfig model;
  Preprocessing preprocessing;

  void fields(Fields& f) {
    f.group("model", model, "");
    f.group("preprocessing", preprocessing, "");
  }
};

std::string usage_text(const TensorFile& file, const std::string& path) {
  if (stored_config(file).empty()) return "no configuration\n";
  try {
    const RunConfig config = read_stored_config(file, path);
    Usage usage{config.model, config.preprocessing};
    return ConfigWriter::yaml(usage);
  } catch (const UserError& error) {  // of a network that a program of its own has registered, for one
    return std::string("a configuration that cannot be read: ") + error.what() + "\n";
  }
}

int show(const WeightsArguments& arguments) {
  const std::filesystem::path in = trained_weights(arguments.first);
  refuse_to_overwrite(in, arguments.json);
  const TensorFile file = read_weights(in);
  std::size_t width = 0;
  std::int64_t values = 0, bytes = 0;
  Json tensors = Json::array();
  for (const auto& [key, tensor] : file.tensors) {
    width = std::max(width, key.size());
    values += tensor.numel();
    bytes += static_cast<std::int64_t>(tensor.nbytes());
    tensors.push_back(
        {{"key", key}, {"type", dtype_name(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}});
  }
  std::string table;
  for (const auto& [key, tensor] : file.tensors) {
    table +=
        fmt::format("{:<{}}  {:<8}  {}\n", key, width, dtype_name(tensor.scalar_type()), shape_text(tensor));
  }
  table += fmt::format("{} tensors, {} values, {} bytes\n", file.tensors.size(), values, bytes);
  table += usage_text(file, in.string());
  print(table, {{"tensors", tensors}, {"values", values}, {"bytes", bytes}, {"metadata", file.metadata}},
        arguments.json);
  return 0;
}

/// "" if the bits are the same.
std::string difference(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return shape_text(a) + " and " + shape_text(b);
  if (a.scalar_type() != b.scalar_type())
    return dtype_name(a.scalar_type()) + " and " + dtype_name(b.scalar_type());
  const auto plain_a = a.contiguous(), plain_b = b.contiguous();
  if (a.numel() == 0 || std::memcmp(plain_a.data_ptr(), plain_b.data_ptr(), plain_a.nbytes()) == 0) return "";
  const auto distance = (plain_a.to(torch::kFloat64) - plain_b.to(torch::kFloat64)).abs().max();
  return fmt::format("values differ by up to {:.6g}", distance.item<double>());
}

int diff(const WeightsArguments& arguments) {
  const std::filesystem::path first = trained_weights(arguments.first),
                              second = trained_weights(arguments.second);
  refuse_to_overwrite(first, arguments.json);
  refuse_to_overwrite(second, arguments.json);
  const TensorFile a = read_weights(first), b = read_weights(second);
  std::map<std::string, torch::Tensor> others(b.tensors.begin(), b.tensors.end());
  Json only_in_a = Json::array(), only_in_b = Json::array(), different = Json::object();
  std::size_t equal = 0;
  std::string table;
  for (const auto& [key, tensor] : a.tensors) {
    const auto other = others.find(key);
    if (other == others.end()) {
      only_in_a.push_back(key);
      table += fmt::format("{}: only in {}\n", key, arguments.first);
      continue;
    }
    const std::string text = difference(tensor, other->second);
    others.erase(other);
    if (text.empty()) {
      ++equal;
    } else {
      different[key] = text;
      table += fmt::format("{}: {}\n", key, text);
    }
  }
  for (const auto& [key, tensor] : others) {
    only_in_b.push_back(key);
    table += fmt::format("{}: only in {}\n", key, arguments.second);
  }
  Json metadata = Json::array();
  for (const auto& one : {a.metadata, b.metadata}) {
    for (const auto& [key, value] : one) {
      const auto equal_in = [&, k = key, v = value](const TensorFile& file) {
        const auto found = file.metadata.find(k);
        return found != file.metadata.end() && found->second == v;
      };
      if ((!equal_in(a) || !equal_in(b)) &&
          std::find(metadata.begin(), metadata.end(), key) == metadata.end())
        metadata.push_back(key);
    }
  }
  for (const auto& key : metadata) table += fmt::format("{}: metadata differ\n", key.get<std::string>());
  const bool same_tensors = only_in_a.empty() && only_in_b.empty() && different.empty();
  const bool identical = same_tensors && metadata.empty();
  table += fmt::format(
      "{}: {} tensors equal bit for bit, {} different, {} only in the first, {} only in the second\n",
      identical      ? "identical"
      : same_tensors ? "identical but for metadata"
                     : "different",
      equal, different.size(), only_in_a.size(), only_in_b.size());
  print(table,
        {{"identical", identical},
         {"equal", equal},
         {"different", different},
         {"only_in_first", only_in_a},
         {"only_in_second", only_in_b},
         {"metadata", metadata}},
        arguments.json);
  return 0;
}

}  // namespace

void add_weights(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("weights", "Converts, shows and compares weights files");
  command->require_subcommand(1);
  auto arguments = std::make_shared<WeightsArguments>();

  CLI::App* convert_command = command->add_subcommand(
      "convert", "Writes weights as .safetensors or as .pth; what belongs to a training is left out");
  convert_command
      ->add_option("in", arguments->first, ".safetensors, .pth, a checkpoint or a run folder (its best)")
      ->required();
  convert_command
      ->add_option("out", arguments->second, "its extension says the format: .safetensors, .pth, .pt")
      ->required();
  auto* config = convert_command->add_option(
      "--config", arguments->config, "configuration that the file shall carry: evaluate then needs none");
  auto* overrides = add_set_option(*convert_command, arguments->overrides, "of it");
  convert_command
      ->add_option("--from", arguments->from,
                   "network that IN is of; its keys and its input become those of PortraitNet's encoder")
      ->check(CLI::IsMember({"torchvision_mobilenet_v2"}))
      ->excludes(config)
      ->excludes(overrides);
  convert_command->callback([&action, arguments] { action = [arguments] { return convert(*arguments); }; });

  CLI::App* show_command =
      command->add_subcommand("show", "Lists keys, types and shapes, and what the file carries");
  show_command->add_option("file", arguments->first, "weights file or run folder")->required();
  show_command->callback([&action, arguments] { action = [arguments] { return show(*arguments); }; });

  CLI::App* diff_command =
      command->add_subcommand("diff", "Says in which keys, shapes, types and values two files differ");
  diff_command->add_option("a", arguments->first, "weights file or run folder")->required();
  diff_command->add_option("b", arguments->second, "another one")->required();
  diff_command->callback([&action, arguments] { action = [arguments] { return diff(*arguments); }; });

  for (CLI::App* verb : {show_command, diff_command}) {
    add_json_option(*verb, arguments->json, "the same");
  }
}

}  // namespace portraitseg
