#include "portraitseg/core/text.h"

#include <nlohmann/json.hpp>

namespace portraitseg {

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

bool is_utf8(const std::string& text) {
  try {
    nlohmann::json(text).dump();  // strict about it
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace portraitseg
