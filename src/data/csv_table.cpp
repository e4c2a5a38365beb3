#include "csv_table.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

char separator_of(std::string_view header) {
  const auto count = [&](char c) { return std::count(header.begin(), header.end(), c); };
  char best = ',';
  for (const char c : {'\t', ';'}) {
    if (count(c) > count(best)) best = c;
  }
  return best;
}

}  // namespace

CsvTable::CsvTable(const std::filesystem::path& path) : path_(path) {
  std::string text = read_file(path);
  if (text.compare(0, 3, "\xef\xbb\xbf") == 0) text.erase(0, 3);
  if (text.find('\0') != std::string::npos)
    throw DataError(path, "holds bytes of value 0: no text, or one in UTF-16; expected UTF-8");
  const char separator = separator_of(std::string_view(text).substr(0, text.find('\n')));
  std::size_t line = 1, row_line = 1;
  std::vector<std::string> row;
  std::string field;
  bool quoted = false;
  const auto end_row = [&] {
    row.push_back(std::exchange(field, {}));
    if (row.size() > 1 || !row[0].empty()) {  // not an empty line
      if (header_.empty()) {
        header_ = row;
      } else if (row.size() != header_.size()) {
        throw DataError(path, "line " + std::to_string(row_line) + " has " + std::to_string(row.size()) +
                                  " fields, the header " + std::to_string(header_.size()));
      } else {
        rows_.push_back(row);
        lines_.push_back(row_line);
      }
    }
    row.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"' && field.empty()) {
      quoted = true;
    } else if (c == separator) {
      row.push_back(std::exchange(field, {}));
    } else if (c == '\n') {
      end_row();
      row_line = line;
    } else if (c != '\r') {
      field += c;
    }
  }
  if (quoted)
    throw DataError(path, "a quote that opens at line " + std::to_string(row_line) + " is never closed");
  end_row();
  if (header_.empty()) throw DataError(path, "the table is empty");
}

std::size_t CsvTable::column(const std::string& name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found != header_.end()) return static_cast<std::size_t>(found - header_.begin());
  std::string known;
  for (const auto& title : header_) known += (known.empty() ? "" : ", ") + title;
  throw DataError(path_, "no column '" + name + "'; it has: " + known);
}

}  // namespace portraitseg
