#include "portraitseg/core/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

[[noreturn]] void fail(const fs::path& path, const std::string& action) {
  throw DataError(path, "cannot " + action + ": " + std::strerror(errno));
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

constexpr std::size_t kLongestLine = 1 << 16;

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::uint32_t rotate_right(std::uint32_t value, int count) {
  return (value >> count) | (value << (32 - count));
}

constexpr std::array<std::uint32_t, 64> kSha256Rounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void sha256_block(std::array<std::uint32_t, 8>& hash, const unsigned char* block) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    w[i] = (std::uint32_t{block[4 * i]} << 24) | (std::uint32_t{block[4 * i + 1]} << 16) |
           (std::uint32_t{block[4 * i + 2]} << 8) | std::uint32_t{block[4 * i + 3]};
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const auto s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const auto s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = hash;
  for (std::size_t i = 0; i < 64; ++i) {
    const auto s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
    const auto t1 = h + s1 + ((e & f) ^ (~e & g)) + kSha256Rounds[i] + w[i];
    const auto s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
    const auto t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1;
    d = c, c = b, b = a, a = t1 + t2;
  }
  const std::array<std::uint32_t, 8> step = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) hash[i] += step[i];
}

}  // namespace

std::string read_file(const fs::path& path, std::size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail(path, "open");
  constexpr std::size_t kStep = 1 << 16;
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) fail(path, "read");
  if (S_ISREG(status.st_mode) && static_cast<std::size_t>(status.st_size) > limit)
    throw DataError(path, "has " + std::to_string(status.st_size) + " bytes; more than " +
                              std::to_string(limit) + " are not read");
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) throw DataError(path, "is a device, not a file");
  std::string bytes(S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) + 1 : kStep, '\0');
  for (std::size_t end = 0;;) {
    const ssize_t count = ::read(file.get(), bytes.data() + end, bytes.size() - end);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "read");
    end += static_cast<std::size_t>(count);
    if (count == 0) bytes.resize(end);
    if (count == 0) return bytes;
    if (end == bytes.size()) bytes.resize(2 * end);  // a pipe, or a file that grows
  }
}

std::vector<std::string> read_lines(const fs::path& path) {
  std::string bytes = read_file(path);
  if (bytes.compare(0, 3, "\xef\xbb\xbf") == 0) bytes.erase(0, 3);  // a byte-order mark
  if (bytes.find('\0') != std::string::npos)
    throw DataError(path, "holds bytes of value 0: no text, or one in UTF-16; expected UTF-8");
  std::vector<std::string> lines;
  for (std::size_t start = 0, number = 1; start < bytes.size(); ++number) {
    const std::size_t end = std::min(bytes.find_first_of("\r\n", start), bytes.size());
    if (end - start > kLongestLine)
      throw DataError(path, "line " + std::to_string(number) + " has " + std::to_string(end - start) +
                                " bytes; more than " + std::to_string(kLongestLine) +
                                " are no list of files");
    const std::string line = trimmed(bytes.substr(start, end - start));
    if (!line.empty()) lines.push_back(line);
    start = end + (bytes.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return lines;
}

fs::path temporary_name(const fs::path& path) {
  return path.string() + ".tmp";  // one name: what a killed run leaves is written over
}

fs::path behind_link(const fs::path& path) {
  std::error_code unknown;
  return fs::is_symlink(path, unknown) ? fs::weakly_canonical(path) : path;
}

void write_file(const fs::path& given, std::string_view bytes) {
  std::error_code unknown;
  const fs::path path = behind_link(given);
  if (fs::exists(path, unknown) &&
      !fs::is_regular_file(path, unknown)) {  // a device or pipe has no content to replace
    const Descriptor stream(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (stream.get() < 0) fail(path, "open");
    return write_all(stream.get(), bytes, path);
  }
  const fs::path temporary = temporary_name(path);
  try {
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.get() < 0) fail(path, "create");
    write_all(file.get(), bytes, path);
    if (file.close() != 0) fail(path, "write");
    replace_file(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void replace_file(const fs::path& temporary, const fs::path& path) {
  const Descriptor file(::open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) fail(path, "write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "replace");
  // The rename itself must survive a power cut, hence the folder is synced too.
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

void append_file(const fs::path& path, std::string_view bytes) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file.get() < 0) fail(path, "open");
  struct stat before = {};
  if (::fstat(file.get(), &before) != 0) fail(path, "write");
  try {
    write_all(file.get(), bytes, path);
    if (S_ISREG(before.st_mode) && ::fsync(file.get()) != 0) fail(path, "write");
  } catch (...) {
    [[maybe_unused]] const int on_a_device = ::ftruncate(file.get(), before.st_size);
    throw;
  }
  if (file.close() != 0) fail(path, "write");
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw DataError(path, "cannot make the folder: " + error.message());
}

std::string entry_besides(const fs::path& folder, const std::set<std::string>& names) {
  std::set<std::string> others;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (names.count(name) == 0) others.insert(name);
  }
  return others.empty() ? "" : *others.begin();
}

std::string sha256(std::string_view bytes) {
  std::array<std::uint32_t, 8> hash = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string padded(bytes);
  padded.push_back('\x80');
  while (padded.size() % 64 != 56) padded.push_back('\0');
  const std::uint64_t bits = static_cast<std::uint64_t>(bytes.size()) * 8;
  for (int shift = 56; shift >= 0; shift -= 8) padded.push_back(static_cast<char>(bits >> shift));
  for (std::size_t at = 0; at < padded.size(); at += 64) {
    sha256_block(hash, reinterpret_cast<const unsigned char*>(padded.data()) + at);
  }
  std::string hex;
  for (const std::uint32_t word : hash) {
    for (int shift = 28; shift >= 0; shift -= 4) hex.push_back("0123456789abcdef"[(word >> shift) & 0xf]);
  }
  return hex;
}

}  // namespace portraitseg
