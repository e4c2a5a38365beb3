#include <algorithm>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/text.h"

#include "report/evaluation_sections.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

struct CardRow {
  std::string key;
  std::vector<std::string> values;  ///< by result, "" where one has none
};

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array() &&
      std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_number(); })) {
    std::string sizes;
    for (const Json& number : value) sizes += (sizes.empty() ? "" : " x ") + number.dump();
    return sizes;
  }
  if (value.is_array() && value.empty()) return "none";
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The result's entry of metrics.json.
Json entry_of(const EvaluationResult& result) {
  const std::filesystem::path path = result.folder / "metrics.json";
  try {
    const Json json = Json::parse(read_file(path));
    for (const Json& entry : json.at("results")) {
      if (entry.at("protocol") == result.protocol) return entry;
    }
  } catch (const Json::exception& error) {
    throw DataError(path, std::string("is broken: ") + error.what());
  }
  throw DataError(path, "no longer has the protocol " + result.protocol);
}

void set(std::vector<CardRow>& rows, const std::string& key, std::size_t result, std::size_t results,
         const Json& value) {
  auto row = std::find_if(rows.begin(), rows.end(), [&](const CardRow& r) { return r.key == key; });
  if (row == rows.end()) row = rows.insert(rows.end(), {key, std::vector<std::string>(results)});
  row->values[result] = text_of(value);
}

/// All but the figures, a protocol's rules one by one.
std::vector<CardRow> rows_of(const std::vector<EvaluationResult>& results) {
  std::vector<CardRow> rows;
  for (std::size_t r = 0; r < results.size(); ++r) {
    const Json entry = entry_of(results[r]);
    for (const auto& [key, value] : entry.items()) {
      if (key == "metrics") continue;
      if (key != "protocol_rules" || !value.is_object()) {
        set(rows, key, r, results.size(), value);
        continue;
      }
      for (const auto& [rule, setting] : value.items())
        set(rows, "rule: " + rule, r, results.size(), setting);
    }
  }
  return rows;
}

}  // namespace

std::string protocol_section(const EvaluationPage& page) {
  const std::size_t count = page.results.size();
  std::string head = "<tr><th scope=\"col\"></th>", rows;
  for (const std::string& name : page.names) head += "<th scope=\"col\">" + html_text(name) + "</th>";
  for (const auto& [key, values] : rows_of(page.results)) {
    rows += "<tr><th scope=\"row\">" + html_text(key) + "</th>";
    const bool same =
        std::all_of(values.begin(), values.end(), [&](const auto& v) { return v == values[0]; });
    for (std::size_t r = 0; r < (same ? 1 : count); ++r)
      rows +=
          fmt::format("<td class=\"card\"{}>{}</td>",
                      same && count > 1 ? fmt::format(" colspan=\"{}\"", count) : "", html_text(values[r]));
    rows += "</tr>\n";
  }
  return "<h2>Protocol card</h2>\n<p class=\"quiet\">What another paper has to state for its figures to be "
         "comparable "
         "with these.</p>\n<div class=\"scroll\"><table>\n" +
         head + "</tr>\n" + rows + "</table></div>\n";
}

}  // namespace portraitseg
