#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

/// A message is one line, whatever bytes a file's name or content put into it.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

std::string Place::text() const {
  if (line <= 0) return source;
  return source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

ConfigError::ConfigError(const Place& place, const std::string& message)
    : UserError(place.source.empty() ? message : place.text() + ": " + message) {}

DataError::DataError(const std::filesystem::path& path, const std::string& message)
    : UserError(one_line(path.string() + ": " + message)) {}

}  // namespace portraitseg
