#include "portraitseg/core/error.h"

namespace portraitseg {

std::string Place::text() const {
  if (line <= 0) return source;
  return source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

ConfigError::ConfigError(const Place& place, const std::string& message)
    : UserError(place.source.empty() ? message : place.text() + ": " + message) {}

DataError::DataError(const std::filesystem::path& path, const std::string& message)
    : UserError(path.string() + ": " + message) {}

}  // namespace portraitseg
