#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace portraitseg {

/// A table with a header line. Fields are separated by commas, tabs or semicolons, whichever the header has most of; a field
/// in double quotes may hold separators, line ends and, doubled, quotes. A byte-order mark and CRLF are accepted.
class CsvTable {
 public:
  /// @throws DataError for an unreadable or empty file, bytes of value 0, an open quote, a row with more or fewer fields than the header.
  explicit CsvTable(const std::filesystem::path& path);

  const std::vector<std::string>& header() const { return header_; }
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace portraitseg
