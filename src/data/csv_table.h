#pragma once

#include <cstddef>
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

  /// Where the row begins in the file, from 1.
  std::size_t line(std::size_t row) const { return lines_[row]; }

  /// Its place in the header. @throws DataError if there is none, listing those that there are.
  std::size_t column(const std::string& name) const;

 private:
  std::filesystem::path path_;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> lines_;
};

}  // namespace portraitseg
