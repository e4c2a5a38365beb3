#include "portraitseg/weights/zip.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "portraitseg/core/error.h"

#include "in_quotes.h"

namespace portraitseg {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50, kDirectorySignature = 0x02014b50,
                        kEndSignature = 0x06054b50, kEnd64Signature = 0x06064b50,
                        kLocator64Signature = 0x07064b50, kNeeds64 = 0xffffffff;
constexpr std::size_t kLocalSize = 30, kDirectorySize = 46, kEndSize = 22, kEnd64Size = 56,
                      kLocator64Size = 20;
constexpr std::uint16_t kEncrypted = 0x0001 | 0x0040 | 0x2000, kUtf8Names = 0x0800;
constexpr std::uint16_t kDosDate = 0x0021;  // 1980-01-01
constexpr std::size_t kAlignment = 64;

/// The little-endian number at `at`, which the caller has made sure is there.
template <class T>
T number(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return static_cast<T>(value);
}

void append(std::string& bytes, std::size_t size, std::uint64_t value) {
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
}

struct Directory {
  std::uint64_t offset = 0, size = 0, count = 0;
};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);  // the constructor adds the path
}

/// Where the central directory lies, from the end record, which ends the file but for a comment.
Directory find_directory(std::string_view bytes) {
  if (bytes.size() < kEndSize) fail("too short");
  std::size_t at = bytes.size() - kEndSize;
  const std::size_t first = at > 0xffff ? at - 0xffff : 0;
  while (number<std::uint32_t>(bytes, at) != kEndSignature ||
         number<std::uint16_t>(bytes, at + 20) != bytes.size() - at - kEndSize) {
    if (at-- == first) fail("no end record");
  }
  Directory directory = {number<std::uint32_t>(bytes, at + 16), number<std::uint32_t>(bytes, at + 12),
                         number<std::uint16_t>(bytes, at + 10)};
  std::uint64_t disks =
      number<std::uint32_t>(bytes, at + 4) | (directory.count ^ number<std::uint16_t>(bytes, at + 8));
  std::uint64_t limit = at;
  if (at >= kLocator64Size && number<std::uint32_t>(bytes, at - kLocator64Size) == kLocator64Signature) {
    const auto end = number<std::uint64_t>(bytes, at - kLocator64Size + 8);
    limit = at - kLocator64Size;
    if (limit < kEnd64Size || end > limit - kEnd64Size ||
        number<std::uint32_t>(bytes, end) != kEnd64Signature)
      fail("no zip64 end record");
    directory = {number<std::uint64_t>(bytes, end + 48), number<std::uint64_t>(bytes, end + 40),
                 number<std::uint64_t>(bytes, end + 32)};
    disks =
        number<std::uint64_t>(bytes, end + 16) | (directory.count ^ number<std::uint64_t>(bytes, end + 24));
    limit = end;
  }
  if (disks != 0) fail("split over several disks");
  if (directory.offset > limit || directory.size > limit - directory.offset)
    fail("the directory lies outside the file");
  return directory;
}

/// Puts the 64-bit numbers of the extra field (4.5.3) in the place of those that say kNeeds64.
void read_zip64(std::string_view extra, const std::array<std::uint64_t*, 3>& values) {
  while (extra.size() >= 4) {
    const auto id = number<std::uint16_t>(extra, 0), size = number<std::uint16_t>(extra, 2);
    std::string_view field = extra.substr(4, size);
    if (field.size() != size) fail("an extra field is cut off");
    extra.remove_prefix(4 + std::size_t{size});
    if (id != 0x0001) continue;
    for (std::uint64_t* value : values) {
      if (*value != kNeeds64) continue;
      if (field.size() < 8) fail("a zip64 field is cut off");
      *value = number<std::uint64_t>(field, 0);
      field.remove_prefix(8);
    }
    return;
  }
}

struct Range {
  std::uint64_t begin, end;  // of local header and data
};

/// Reads one entry of the directory and takes it off.
std::pair<ZipReader::Entry, Range> read_entry(std::string_view bytes, const Directory& directory,
                                              std::string_view& rest) {
  if (rest.size() < kDirectorySize || number<std::uint32_t>(rest, 0) != kDirectorySignature)
    fail("the directory is damaged");
  const std::size_t name_size = number<std::uint16_t>(rest, 28), extra_size = number<std::uint16_t>(rest, 30),
                    comment_size = number<std::uint16_t>(rest, 32);
  const std::size_t size = kDirectorySize + name_size + extra_size + comment_size;
  if (rest.size() < size) fail("the directory is cut off");
  ZipReader::Entry entry;
  entry.name = rest.substr(kDirectorySize, name_size);
  entry.crc = number<std::uint32_t>(rest, 16);
  std::uint64_t packed = number<std::uint32_t>(rest, 20), plain = number<std::uint32_t>(rest, 24),
                begin = number<std::uint32_t>(rest, 42);
  read_zip64(rest.substr(kDirectorySize + name_size, extra_size), {&plain, &packed, &begin});
  const std::string name = in_quotes(entry.name);
  if ((number<std::uint16_t>(rest, 8) & kEncrypted) != 0) fail("entry " + name + " is encrypted");
  entry.stored = number<std::uint16_t>(rest, 10) == 0;
  if (number<std::uint16_t>(rest, 34) != 0) fail("split over several disks");
  if (entry.stored && packed != plain) fail("entry " + name + " has two sizes");
  rest.remove_prefix(size);

  // The local header has a name and an extra field of its own length: PyTorch pads the data with it.
  if (begin > directory.offset || directory.offset - begin < kLocalSize ||
      number<std::uint32_t>(bytes, begin) != kLocalSignature)
    fail("entry " + name + " is not where the directory says");
  const std::uint64_t name_at = begin + kLocalSize,
                      local_name_size = number<std::uint16_t>(bytes, begin + 26),
                      data_at = name_at + local_name_size + number<std::uint16_t>(bytes, begin + 28);
  if (data_at > directory.offset || packed > directory.offset - data_at)
    fail("entry " + name + " lies outside the file");
  if (bytes.substr(name_at, local_name_size) != entry.name) fail("entry " + name + " has two names");
  entry.data = bytes.substr(data_at, packed);
  return {entry, {begin, data_at + packed}};
}

std::vector<ZipReader::Entry> read_entries(std::string_view bytes) {
  const Directory directory = find_directory(bytes);
  std::string_view rest = bytes.substr(directory.offset, directory.size);
  std::vector<ZipReader::Entry> entries;
  std::vector<Range> ranges;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    const auto [entry, range] = read_entry(bytes, directory, rest);
    entries.push_back(entry);
    ranges.push_back(range);
  }
  if (!rest.empty()) fail("the directory is longer than it says");
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin < ranges[i - 1].end) fail("two entries share bytes");
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].name == entries[i - 1].name) fail("two entries named " + in_quotes(entries[i].name));
  }
  return entries;
}

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit) table[i] = (table[i] >> 1) ^ ((table[i] & 1) != 0 ? 0xedb88320 : 0);
  }
  return table;
}

}  // namespace

std::uint32_t crc32(std::string_view bytes) {
  static constexpr auto kTable = crc_table();
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

ZipReader::ZipReader(std::string_view bytes, std::filesystem::path path) : path_(std::move(path)) {
  try {
    entries_ = read_entries(bytes);
  } catch (const std::runtime_error& error) {
    throw DataError(path_, std::string("no zip archive, or cut off: ") + error.what());
  }
}

const ZipReader::Entry* ZipReader::find(std::string_view name) const {
  const auto entry = std::lower_bound(entries_.begin(), entries_.end(), name,
                                      [](const Entry& e, std::string_view n) { return e.name < n; });
  return entry != entries_.end() && entry->name == name ? &*entry : nullptr;
}

std::string_view ZipReader::read(const Entry& entry) const {
  if (!entry.stored)
    throw DataError(path_,
                    "entry " + in_quotes(entry.name) + " is compressed; PyTorch stores tensors as they are");
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // random bytes never get past a checksum
  if (entry.crc != 0 && crc32(entry.data) != entry.crc)
    throw DataError(path_, "entry " + in_quotes(entry.name) + " is damaged: wrong CRC-32");
#endif
  return entry.data;
}

void ZipWriter::add(std::string_view name, std::string_view data) {
  constexpr std::uint64_t kLimit = 0xffffffff;
  const std::uint64_t begin = bytes_.size();
  std::size_t padding = (kAlignment - (begin + kLocalSize + name.size()) % kAlignment) % kAlignment;
  if (padding > 0 && padding < 4) padding += kAlignment;  // an extra field has a head of 4 bytes
  if (name.size() > 0xffff || count_ == 0xfffe || data.size() >= kLimit ||
      begin + kLocalSize + name.size() + padding + data.size() >= kLimit)
    throw std::length_error("a zip archive of this kind ends at 4 GiB and 65,534 entries");
  std::string shared;     // what local header and directory both say
  append(shared, 2, 10);  // version needed: 1.0
  append(shared, 2, kUtf8Names);
  append(shared, 2, 0);  // stored
  append(shared, 2, 0);  // midnight
  append(shared, 2, kDosDate);
  append(shared, 4, crc32(data));
  append(shared, 4, data.size());
  append(shared, 4, data.size());
  append(shared, 2, name.size());

  append(bytes_, 4, kLocalSignature);
  bytes_ += shared;
  append(bytes_, 2, padding);
  bytes_ += name;
  if (padding > 0) {
    bytes_ += "FB";  // PyTorch's name for its padding
    append(bytes_, 2, padding - 4);
    bytes_.append(padding - 4, 'Z');
  }
  bytes_ += data;

  append(directory_, 4, kDirectorySignature);
  append(directory_, 2, 10);  // version made by: 1.0, MS-DOS
  directory_ += shared;
  directory_.append(2 + 2 + 2 + 2 + 4, '\0');  // extra field, comment, disk, attributes
  append(directory_, 4, begin);
  directory_ += name;
  ++count_;
}

std::string ZipWriter::finish() && {
  const std::size_t directory_at = bytes_.size();
  if (directory_at + directory_.size() >= 0xffffffff)
    throw std::length_error("a zip archive of this kind ends at 4 GiB and 65,534 entries");
  bytes_ += directory_;
  append(bytes_, 4, kEndSignature);
  append(bytes_, 4, 0);  // disks
  append(bytes_, 2, count_);
  append(bytes_, 2, count_);
  append(bytes_, 4, directory_.size());
  append(bytes_, 4, directory_at);
  append(bytes_, 2, 0);  // comment
  return std::move(bytes_);
}

}  // namespace portraitseg
