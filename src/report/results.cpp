#include "portraitseg/report/results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

/// A column of a table: one evaluation.
struct Column {
  std::string head;
  const ResultSummary* result;
};

/// "" if every figure has a value.
std::string undefined(const std::vector<FigureValue>& figures) {
  std::vector<std::string> names;
  for (const auto& figure : figures) {
    if (std::isnan(figure.value)) names.push_back(figure.name);
  }
  return names.empty() ? "" : fmt::format(", undefined: {}", fmt::join(names, ", "));
}

/// Of all columns, each once: protocols may differ in what they measure.
std::vector<std::string> titles_of(const std::vector<Column>& columns) {
  std::vector<std::string> titles;
  for (const auto& column : columns) {
    for (const auto& figure : column.result->figures) {
      if (std::find(titles.begin(), titles.end(), figure.title) == titles.end())
        titles.push_back(figure.title);
    }
  }
  return titles;
}

std::string cell(const Column& column, const std::string& title) {
  const auto& figures = column.result->figures;
  const auto found = std::find_if(figures.begin(), figures.end(),
                                  [&](const FigureValue& figure) { return figure.title == title; });
  const bool none = found == figures.end() || std::isnan(found->value);
  return none ? "-" : fmt::format("{:.3f}", found->value);
}

std::string footnote(const Column& column) {
  const ResultSummary& result = *column.result;
  std::string text = fmt::format("{} (protocol {:.8}): n = {} of {} (sha256 {:.8})", result.protocol,
                                 result.protocol_hash, result.images, result.list, result.list_sha256);
  text += fmt::format(", network input {}", fmt::join(result.network_size, "x"));
  text += undefined(result.figures);
  if (result.skipped > 0) text += fmt::format(", {} skipped", result.skipped);
  return text + "\n";
}

std::string table(const std::string& corner, const std::vector<Column>& columns) {
  const std::vector<std::string> titles = titles_of(columns);
  std::size_t widest = 34;
  for (const auto& title : titles) widest = std::max(widest, title.size());
  std::string text = fmt::format("{:<{}}", corner, widest + 2);
  const auto width = [](const Column& column) { return std::max<std::size_t>(12, column.head.size() + 2); };
  for (const auto& column : columns) text += fmt::format("{:>{}}", column.head, width(column));
  text += "\n";
  for (const auto& title : titles) {
    text += fmt::format("{:<{}}", title, widest + 2);
    for (const auto& column : columns) text += fmt::format("{:>{}}", cell(column, title), width(column));
    text += "\n";
  }
  return text;
}

bool same_measure(const ResultSummary& a, const ResultSummary& b) {
  return a.protocol == b.protocol && a.list == b.list && a.list_sha256 == b.list_sha256;
}

}  // namespace

std::string results_json(const std::vector<Evaluation>& evaluations) {
  Json results = Json::array();
  for (const auto& evaluation : evaluations) {
    Json metrics = Json::object();
    for (const auto& [name, title, value] : evaluation.figures())
      metrics[name] = value;  // null if it is not a number
    results.push_back({{"network", evaluation.network.model},
                       {"weights", evaluation.network.weights},
                       {"weights_sha256", evaluation.network.weights_sha256},
                       {"config_sha256", evaluation.network.config_sha256},
                       {"protocol", evaluation.protocol.name},
                       {"protocol_hash", evaluation.protocol.hash()},
                       {"protocol_rules", Json::parse(evaluation.protocol.description())},
                       {"figure", evaluation.protocol.figure},
                       {"list", evaluation.list_name},
                       {"list_sha256", evaluation.list_sha256},
                       {"n", evaluation.images.size()},
                       {"network_size", evaluation.network_size},
                       {"skipped", evaluation.skipped},
                       {"metrics", metrics}});
  }
  return Json{{"results", results}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<ResultSummary> summaries_of(const std::vector<Evaluation>& evaluations) {
  std::vector<ResultSummary> summaries;
  for (const Evaluation& evaluation : evaluations) {
    summaries.push_back({evaluation.protocol.name, evaluation.protocol.hash(), evaluation.list_name,
                         evaluation.list_sha256, evaluation.images.size(), evaluation.skipped.size(),
                         evaluation.network_size, evaluation.figures()});
  }
  return summaries;
}

std::vector<ResultSummary> stored_summaries(const std::string& json, const std::vector<Evaluation>& planned) {
  const Json results = Json::parse(json).at("results");
  std::vector<ResultSummary> summaries = summaries_of(planned);
  for (ResultSummary& summary : summaries) {
    const auto stored = std::find_if(results.begin(), results.end(), [&](const Json& result) {
      return result.at("protocol") == summary.protocol;
    });
    stored->at("list").get_to(summary.list);
    stored->at("n").get_to(summary.images);
    stored->at("network_size").get_to(summary.network_size);
    summary.skipped = stored->at("skipped").size();
    for (FigureValue& figure : summary.figures) {
      const Json& value = stored->at("metrics").at(figure.name);
      figure.value = value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
    }
  }
  return summaries;
}

std::string results_table(const std::vector<ResultSummary>& results, const std::vector<std::string>& names) {
  std::string text;
  std::vector<bool> shown(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (shown[i]) continue;
    std::vector<Column> columns;
    for (std::size_t k = i; k < results.size(); ++k) {
      if (!same_measure(results[i], results[k])) continue;
      shown[k] = true;
      columns.push_back({names.at(k), &results[k]});
    }
    text += (text.empty() ? "" : "\n") + table("percent", columns);
    for (const Column& column : columns) text += column.head + ": " + footnote(column);
  }
  return text;
}

std::string results_table(const std::vector<ResultSummary>& results) {
  std::vector<Column> columns;
  for (const ResultSummary& result : results) columns.push_back({result.protocol, &result});
  std::string text = table("percent", columns);
  for (const Column& column : columns) text += footnote(column);
  return text;
}

}  // namespace portraitseg
