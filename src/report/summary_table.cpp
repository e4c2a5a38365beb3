#include "portraitseg/report/summary_table.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/models/models.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::array<std::string, 5>;

std::string grouped(std::int64_t number) {
  return fmt::format("{}", fmt::group_digits(number));
}

std::string millions(std::int64_t number) {
  return fmt::format("{:.2f} M", static_cast<double>(number) / 1e6);
}

std::string shape(const std::vector<std::int64_t>& sizes) {
  return fmt::format("{}", fmt::join(sizes, "x"));
}

}  // namespace

std::string summary_table(const std::string& model, const ModelSummary& summary) {
  std::vector<Row> rows = {{"layer", "operator", "output", "parameters", "multiply-adds"}};
  const auto number = [](std::int64_t value) { return value == 0 ? "" : grouped(value); };
  for (const auto& layer : summary.layers)
    rows.push_back({layer.key, layer.operator_name, shape(layer.output), number(layer.parameters),
                    number(layer.multiply_adds)});
  std::array<std::size_t, 5> widths = {};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());

  std::string text = fmt::format("{} at {}x{}\n\n", model, summary.size[0], summary.size[1]);
  for (const auto& row : rows) {
    const std::string line = fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}  {:>{}}", row[0], widths[0], row[1],
                                         widths[1], row[2], widths[2], row[3], widths[3], row[4], widths[4]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  text += "\n";
  for (const auto& [name, sizes] : summary.outputs) text += fmt::format("output {} {}\n", name, shape(sizes));
  return text + fmt::format("parameters {}; multiply-adds {} (clova counter {})\n",
                            grouped(summary.parameters), millions(summary.multiply_adds),
                            millions(summary.multiply_adds_clova));
}

std::string summary_json(const std::string& model, const ModelSummary& summary) {
  Json outputs = Json::object();
  for (const auto& [name, sizes] : summary.outputs) outputs[name] = sizes;
  Json layers = Json::array();
  for (const auto& layer : summary.layers) {
    layers.push_back({{"key", layer.key.empty() ? Json() : Json(layer.key)},
                      {"operator", layer.operator_name},
                      {"output", layer.output},
                      {"parameters", layer.parameters},
                      {"multiply_adds", layer.multiply_adds}});
  }
  const Json json = {{"model", model},
                     {"size", summary.size},
                     {"parameters", summary.parameters},
                     {"multiply_adds", summary.multiply_adds},
                     {"multiply_adds_clova", summary.multiply_adds_clova},
                     {"outputs", outputs},
                     {"layers", layers}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string zoo_table() {
  std::string text = "| name | what | parameters | multiply-adds | reference |\n|---|---|---|---|---|\n";
  for (const auto& name : models().names()) {
    const auto options = models().at(name)();
    const ModelCard card = options->card();
    const auto [height, width] = card.size;
    const ModelSummary summary = summarize(*options->build(), height, width);
    text +=
        fmt::format("| `{}` | {} | {} | {} @ {}x{} | {} |\n", name, card.what, grouped(summary.parameters),
                    millions(summary.multiply_adds), height, width, card.source);
  }
  return text;
}

}  // namespace portraitseg
