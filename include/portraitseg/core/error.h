#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace portraitseg {

/// Something the user can put right: a wrong config, unreadable data, a full disk.
/// The command prints what() as one line and ends with exit code 2; every other exception is our fault (exit code 1).
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where a configuration value was written. `source` is a file name or "--set key=value".
struct Place {
  std::string source;
  int line = 0;    ///< from 1; 0 when the source has no lines
  int column = 0;  ///< from 1

  std::string text() const;  ///< "file:line:column", or the source alone
};

/// A mistake in a configuration: "file:line:column: message".
class ConfigError : public UserError {
 public:
  ConfigError(const Place& place, const std::string& message);
};

/// A data or weights file that is missing, unreadable or not what it should be: "path: message", in one line: control
/// characters become "?".
class DataError : public UserError {
 public:
  DataError(const std::filesystem::path& path, const std::string& message);
};

}  // namespace portraitseg
