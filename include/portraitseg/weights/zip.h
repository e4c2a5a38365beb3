#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace portraitseg {

/// CRC-32 as zip, gzip and PNG use it (reflected polynomial 0xEDB88320).
std::uint32_t crc32(std::string_view bytes);

/// A zip archive held in memory whose entries are stored uncompressed, as PyTorch writes them.
///
/// Source  PKWARE APPNOTE 6.3.9: end record 4.3.16, zip64 4.3.14, 4.3.15, 4.5.3, directory 4.3.12, local header 4.3.7.
/// Refused encrypted entries, several disks, two entries of one name, entries that lie outside the file or on
///         one another, and local headers that contradict the directory. Compressed entries are listed and not read:
///         TorchScript compresses its source code.
class ZipReader {
 public:
  struct Entry {
    std::string_view name;
    std::string_view data;
    std::uint32_t crc = 0;  ///< 0 also where none was computed: torch.serialization.set_crc32_options(False)
    bool stored = true;     ///< false: compressed
  };

  /// `bytes` must outlive the reader; `path` names the file in messages.
  /// @throws DataError for bytes that are no such archive.
  ZipReader(std::string_view bytes, std::filesystem::path path);

  const std::vector<Entry>& entries() const { return entries_; }  ///< sorted by name
  const Entry* find(std::string_view name) const;

  /// The entry's data. @throws DataError if they are compressed or do not have the archive's CRC-32.
  std::string_view read(const Entry& entry) const;

 private:
  std::filesystem::path path_;
  std::vector<Entry> entries_;
};

/// Writes such archives: the bytes follow from names and data alone (every date is 1980-01-01), and the data of each
/// entry begin at a multiple of 64 bytes, as PyTorch wants for mapping them.
class ZipWriter {
 public:
  /// @throws std::length_error at 4 GiB or beyond 65,534 entries, where zip64 would be needed.
  void add(std::string_view name, std::string_view data);

  /// The archive. @throws std::length_error as add().
  std::string finish() &&;

 private:
  std::string bytes_, directory_;
  std::uint16_t count_ = 0;
};

}  // namespace portraitseg
