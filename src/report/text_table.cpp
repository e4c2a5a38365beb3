#include "portraitseg/report/text_table.h"

#include <algorithm>
#include <cctype>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

namespace portraitseg {
namespace {

/// With the minus signs of numbers as LaTeX's; "-" alone, which stands for nothing, as a dash.
std::string tex_figure(const std::string& cell) {
  if (cell == "-") return "--";
  const std::string text = tex_text(cell);
  std::string tex;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool of_number = i + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0;
    const bool begins = i == 0 || text[i - 1] == ' ' || text[i - 1] == '[';
    tex += text[i] == '-' && of_number && begins ? "$-$" : std::string(1, text[i]);
  }
  return tex;
}

/// Where a row begins, LaTeX takes "[" and "*" for options of the line's end before it.
std::string tex_row_begin(const std::string& cell) {
  const std::size_t first = cell.find_first_not_of(' ');
  const bool option = first != std::string::npos && (cell[first] == '[' || cell[first] == '*');
  return option ? "{}" : "";
}

}  // namespace

std::string aligned_table(const std::vector<std::vector<std::string>>& rows, std::size_t left) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string gap = i == 0 ? "" : "  ";
      line += gap + (i < left ? fmt::format("{:<{}}", row[i], widths[i])
                              : fmt::format("{:>{}}", row[i], widths[i]));
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string markdown_table(const TextTable& table) {
  std::string text;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    text += "|";
    for (const auto& cell : table.rows[r]) text += " " + markdown_text(cell) + " |";
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (std::size_t c = 0; c < table.rows[r].size(); ++c) text += c < table.left ? "---|" : "---:|";
    text += "\n";
  }
  return text;
}

std::string tex_table(const TextTable& table) {
  const std::size_t columns = table.rows.front().size();
  std::string rows;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    rows += tex_row_begin(table.rows[r][0]);
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string& cell = table.rows[r][c];
      rows += (c == 0 ? "" : " & ") + (c < table.left ? tex_text(cell) : tex_figure(cell));
    }
    rows += r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n";
  }
  return "\\begin{table}\n\\centering\n\\caption{" + tex_text(table.title) + "}\n\\begin{tabular}{" +
         std::string(std::min(table.left, columns), 'l') +
         std::string(columns - std::min(table.left, columns), 'r') + "}\n\\toprule\n" + rows +
         "\\bottomrule\n\\end{tabular}\n\\end{table}\n";
}

}  // namespace portraitseg
