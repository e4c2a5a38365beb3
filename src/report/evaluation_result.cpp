#include "portraitseg/report/evaluation_result.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <nlohmann/json.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/text.h"

#include "data/csv_table.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kRounding = 1e-6;  // percent, of the ten digits in per_image.csv
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
const std::string kAttribute = "attribute.";

Json read_json(const fs::path& path) {
  try {
    return Json::parse(read_file(path));
  } catch (const Json::exception& error) {
    throw DataError(path, std::string("is no JSON: ") + error.what());
  }
}

std::string text_of(const fs::path& path, const Json& result, const char* key) {
  const auto found = result.find(key);
  if (found == result.end() || !found->is_string())
    throw DataError(path, "'" + std::string(key) + "' of a result is missing or no text");
  return found->get<std::string>();
}

std::string text_or_none(const Json& result, const char* key) {
  const auto found = result.find(key);
  return found == result.end() || !found->is_string() ? "" : found->get<std::string>();
}

/// The list "results", of objects.
Json results_of(const fs::path& folder) {
  const fs::path path = folder / "metrics.json";
  if (!fs::exists(path)) throw DataError(folder, why_no_result(folder));
  const Json json = read_json(path);
  const auto results = json.is_object() ? json.find("results") : json.end();
  if (!json.is_object() || results == json.end() || !results->is_array() || results->empty())
    throw DataError(path, "holds no results");
  for (const auto& result : *results) {
    if (!result.is_object()) throw DataError(path, "a result is no object");
  }
  return *results;
}

/// The protocol's entry of "results".
Json result_of(const fs::path& folder, const std::string& protocol) {
  const fs::path path = folder / "metrics.json";
  std::string known;
  std::vector<Json> fitting;
  for (const auto& result : results_of(folder)) {
    const std::string name = text_of(path, result, "protocol");
    known += (known.empty() ? "" : ", ") + name;
    if (protocol.empty() || name == protocol) fitting.push_back(result);
  }
  if (fitting.empty()) throw DataError(path, "no result by the protocol " + protocol + "; it has: " + known);
  if (fitting.size() > 1)
    throw DataError(path, "holds several results: " + known + "; name one by --protocol");
  return fitting.front();
}

std::vector<std::pair<std::string, double>> figures_of(const fs::path& path, const Json& result) {
  const auto metrics = result.find("metrics");
  if (metrics == result.end() || !metrics->is_object())
    throw DataError(path, "'metrics' of a result is missing");
  std::vector<std::pair<std::string, double>> figures;
  for (const auto& [name, value] : metrics->items()) {
    if (!value.is_number() && !value.is_null()) {
      throw DataError(
          path, "figure '" + name + "' is no number: was it written by an older version? Evaluate again");
    }
    figures.emplace_back(name, value.is_null() ? kNone : value.get<double>());
  }
  return figures;
}

std::string place(const CsvTable& table, std::size_t row) {
  return "line " + std::to_string(table.line(row)) + ": ";
}

double number_of(const fs::path& path, const CsvTable& table, std::size_t row, std::size_t column) {
  const std::string& cell = table.rows()[row][column];
  if (cell.empty()) return kNone;
  const auto number = finite_number(cell);
  if (!number) {
    throw DataError(
        path, place(table, row) + "'" + cell + "' in column '" + table.header()[column] + "' is no number");
  }
  return *number;
}

/// The rows in the order of their ids. @throws DataError if one has none or occurs twice.
std::vector<std::size_t> rows_by_id(const fs::path& path, const CsvTable& table) {
  const std::size_t id = table.column("id");
  const auto& rows = table.rows();
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rows[a][id] < rows[b][id]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::string& name = rows[order[i]][id];
    if (name.empty()) throw DataError(path, place(table, order[i]) + "the id is empty");
    if (i > 0 && rows[order[i - 1]][id] == name)
      throw DataError(path, place(table, order[i]) + "the image '" + name + "' occurs a second time");
  }
  return order;
}

/// That every row is of the result that metrics.json speaks of.
void check_origin(const fs::path& path, const CsvTable& table, const EvaluationResult& result) {
  for (const auto& [name, expected] :
       {std::pair<std::string, std::string>("protocol_hash", result.protocol_hash),
        std::pair<std::string, std::string>("list_sha256", result.list_sha256)}) {
    const std::size_t column = table.column(name);
    for (std::size_t row = 0; row < table.rows().size(); ++row) {
      const std::string& found = table.rows()[row][column];
      if (found != expected) {
        throw DataError(path, place(table, row) + name + " is '" + found + "', in metrics.json '" + expected +
                                  "': the files are of different evaluations");
      }
    }
  }
}

void read_images(const fs::path& path, EvaluationResult& result) {
  const CsvTable table(path);
  if (table.rows().empty()) throw DataError(path, "holds no image");
  check_origin(path, table, result);
  const std::vector<std::size_t> order = rows_by_id(path, table);
  const std::vector<std::string> texts = {"id", "protocol", "protocol_hash", "list", "list_sha256"};
  for (const std::size_t row : order) result.ids.push_back(table.rows()[row][table.column("id")]);
  for (std::size_t column = 0; column < table.header().size(); ++column) {
    const std::string& name = table.header()[column];
    if (std::find(texts.begin(), texts.end(), name) != texts.end()) continue;
    if (name.rfind(kAttribute, 0) == 0) {
      auto& values = result.attributes[name.substr(kAttribute.size())];
      for (const std::size_t row : order) values.push_back(table.rows()[row][column]);
      continue;
    }
    auto& values = result.numbers[name];
    if (!values.empty()) throw DataError(path, "two columns are called '" + name + "'");
    for (const std::size_t row : order) values.push_back(number_of(path, table, row, column));
  }
}

/// Whether the value is that of the whole list.
bool is_mean(const std::vector<double>& values, double stated) {
  double sum = 0, count = 0;
  for (const double value : values) {
    sum += std::isnan(value) ? 0 : value;
    count += std::isnan(value) ? 0 : 1;
  }
  return std::abs(sum / count - stated) < kRounding;
}

template <class Value>
void choose(std::map<std::string, std::vector<Value>>& columns, const std::vector<std::size_t>& rows) {
  for (auto& [unused, values] : columns) {
    std::vector<Value> chosen;
    for (const std::size_t row : rows) chosen.push_back(values[row]);
    values = chosen;
  }
}

}  // namespace

EvaluationResult EvaluationResult::of_images(const std::vector<std::string>& chosen) const {
  std::vector<std::size_t> rows;
  for (const auto& id : chosen) {
    const auto found = std::lower_bound(ids.begin(), ids.end(), id);
    rows.push_back(static_cast<std::size_t>(found - ids.begin()));
  }
  EvaluationResult result = *this;
  result.ids = chosen;
  choose(result.numbers, rows);
  choose(result.attributes, rows);
  return result;
}

EvaluationResult read_evaluation(const fs::path& folder, const std::string& protocol) {
  const fs::path path = folder / "metrics.json";
  const Json json = result_of(folder, protocol);
  EvaluationResult result;
  result.folder = folder;
  result.protocol = text_of(path, json, "protocol");
  result.protocol_hash = text_of(path, json, "protocol_hash");
  result.list = text_of(path, json, "list");
  result.list_sha256 = text_of(path, json, "list_sha256");
  result.network = text_or_none(json, "network");
  result.weights = text_or_none(json, "weights");
  result.weights_sha256 = text_or_none(json, "weights_sha256");
  result.figures = figures_of(path, json);
  const Json rules = json.value("protocol_rules", Json::object());
  if (rules.contains("empty_union") && rules["empty_union"].is_number())
    result.empty_union = rules["empty_union"].get<double>();
  result.batch_means = rules.contains("means_over") && rules["means_over"] != "images";
  const fs::path table = folder / result.protocol / "per_image.csv";
  read_images(table, result);
  const auto n = json.find("n");
  if (n == json.end() || !n->is_number_integer() || n->get<std::int64_t>() < 0)
    throw DataError(path, "'n' of a result is missing or no whole number");
  if (n->get<std::size_t>() != result.ids.size()) {
    throw DataError(table, "holds " + std::to_string(result.ids.size()) + " images, metrics.json says " +
                               std::to_string(n->get<std::size_t>()));
  }
  for (const auto& [name, value] : result.figures) {
    const auto own = result.numbers.find(name);
    if (own != result.numbers.end() && is_mean(own->second, value)) result.means.insert(name);
  }
  return result;
}

std::vector<fs::path> results_below(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  const fs::recursive_directory_iterator all(folder, fs::directory_options::skip_permission_denied, error);
  for (auto entry = begin(all); entry != end(all); entry.increment(error)) {
    if (entry.depth() > 1 || entry->path().filename() == kPartialEvaluation)
      entry.disable_recursion_pending();
    if (entry->path().filename() == "metrics.json" && entry.depth() > 0)
      found.push_back(entry->path().parent_path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string why_no_result(const fs::path& folder) {
  std::string names;
  for (const fs::path& result : results_below(folder)) names += (names.empty() ? "" : ", ") + result.string();
  return names.empty() ? "holds no metrics.json: it is no folder that `evaluate --output` wrote"
                       : "is no result, but holds some; name those: " + names;
}

std::vector<std::string> evaluated_protocols(const fs::path& folder) {
  const fs::path path = folder / "metrics.json";
  std::vector<std::string> names;
  for (const auto& result : results_of(folder)) names.push_back(text_of(path, result, "protocol"));
  return names;
}

std::map<std::string, std::string> read_attribute(const fs::path& path, const std::string& name) {
  const CsvTable table(path);
  rows_by_id(path, table);
  const std::size_t id = table.column("id"), column = table.column(name);
  std::map<std::string, std::string> values;
  for (const auto& row : table.rows()) values[row[id]] = row[column];
  return values;
}

}  // namespace portraitseg
