#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portraitseg {

/// The text as a cell of a CSV file: in double quotes, its own doubled, where it needs them (RFC 4180).
std::string csv_cell(const std::string& text);

/// A line of a CSV file, with its end: every text as csv_cell() has it.
std::string csv_line(const std::vector<std::string>& cells);

/// The text as it stands between HTML's tags or in an attribute in quotes.
std::string html_text(const std::string& text);

/// The text as LaTeX sets it, "<", ">" and "±" in mathematical mode.
std::string tex_text(const std::string& text);

/// The text as a cell of a Markdown table.
std::string markdown_text(const std::string& text);

/// RFC 4648, section 4.
std::string base64(std::string_view bytes);

bool is_utf8(const std::string& text);

/// The whole text as a number; none for any other text, "inf" and "nan" among them.
std::optional<double> finite_number(const std::string& text);

/// How many characters of `text` have to be changed, added or left out for `pattern` to fit it; 0: it fits.
/// In a pattern `*` stands for any characters, or none, and `?` for one.
std::size_t pattern_distance(const std::string& pattern, const std::string& text);

}  // namespace portraitseg
