#pragma once

#include <string>

namespace portraitseg {

/// The text as a cell of a CSV file: in double quotes, its own doubled, where it needs them (RFC 4180).
std::string csv_cell(const std::string& text);

bool is_utf8(const std::string& text);

}  // namespace portraitseg
