#include "portraitseg/core/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include <nlohmann/json.hpp>

namespace portraitseg {

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells) line += (&cell == &cells.front() ? "" : ",") + csv_cell(cell);
  return line + "\n";
}

std::string html_text(const std::string& text) {
  static const std::map<char, const char*> entities = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
  std::string html;
  for (const char c : text) {
    const auto entity = entities.find(c);
    html += entity == entities.end() ? std::string(1, c) : entity->second;
  }
  return html;
}

std::string tex_text(const std::string& text) {
  static const std::map<char, const char*> commands = {{'\\', "\\textbackslash{}"},
                                                       {'{', "\\{"},
                                                       {'}', "\\}"},
                                                       {'$', "\\$"},
                                                       {'&', "\\&"},
                                                       {'#', "\\#"},
                                                       {'%', "\\%"},
                                                       {'_', "\\_"},
                                                       {'~', "\\textasciitilde{}"},
                                                       {'^', "\\textasciicircum{}"},
                                                       {'<', "$<$"},
                                                       {'>', "$>$"},
                                                       {'\n', " "}};
  std::string tex;
  bool quoted = false;
  for (const char c : text) {
    const auto command = commands.find(c);
    if (c == '"') {
      tex += std::exchange(quoted, !quoted) ? "''" : "``";
    } else {
      tex += command == commands.end() ? std::string(1, c) : command->second;
    }
  }
  const std::string plus_minus = "\xC2\xB1";
  for (std::size_t at = tex.find(plus_minus); at != std::string::npos; at = tex.find(plus_minus, at))
    tex.replace(at, plus_minus.size(), "$\\pm$");
  return tex;
}

std::string markdown_text(const std::string& text) {
  const std::string special = "\\`*_{}[]<>|#";
  std::string markdown;
  for (const char c : text) {
    if (special.find(c) != std::string::npos) markdown += '\\';
    markdown += c == '\n' ? ' ' : c;
  }
  return markdown;
}

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

bool is_utf8(const std::string& text) {
  try {
    nlohmann::json(text).dump();  // strict about it
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::optional<double> finite_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
  return whole ? std::optional(value) : std::nullopt;
}

std::size_t pattern_distance(const std::string& pattern, const std::string& text) {
  std::vector<std::size_t> row(text.size() +
                               1);  // of what there is of the pattern so far to each start of the text
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (const char p : pattern) {
    const std::size_t skipped = p == '*' ? 0 : 1;
    std::size_t diagonal = std::exchange(row[0], row[0] + skipped);
    for (std::size_t j = 1; j <= text.size(); ++j) {
      const std::size_t change = diagonal + (p == '?' || p == text[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = p == '*' ? std::min(row[j], row[j - 1]) : std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[text.size()];
}

}  // namespace portraitseg
