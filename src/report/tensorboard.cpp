#include "portraitseg/report/tensorboard.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFrame = 16;  // length 8, its checksum 4, the data's checksum 4

template <class Number>
void add_little_endian(std::string& bytes, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) bytes.push_back(static_cast<char>(number >> (8 * i)));
}

template <class Number>
Number little_endian(std::string_view bytes) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    number |= static_cast<Number>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return number;
}

/// TFRecord's checksum: rotated and shifted, so that a checksum over bytes that hold checksums is none of them.
std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

std::string framed(const std::string& data) {
  std::string bytes;
  add_little_endian(bytes, static_cast<std::uint64_t>(data.size()));
  add_little_endian(bytes, masked_crc(bytes));
  bytes += data;
  add_little_endian(bytes, masked_crc(data));
  return bytes;
}

/// The record at the beginning of `bytes`; nothing if it is not whole.
std::optional<std::string_view> first_record(std::string_view bytes) {
  if (bytes.size() < kFrame) return std::nullopt;
  if (little_endian<std::uint32_t>(bytes.substr(8)) != masked_crc(bytes.substr(0, 8))) return std::nullopt;
  const auto size = little_endian<std::uint64_t>(bytes);
  if (size > bytes.size() - kFrame) return std::nullopt;
  const std::string_view data = bytes.substr(12, size);
  if (little_endian<std::uint32_t>(bytes.substr(12 + size)) != masked_crc(data)) return std::nullopt;
  return data;
}

/// A message of Protocol Buffers, field by field in the order of the numbers.
class Message {
 public:
  Message& varint(int field, std::uint64_t value) {
    key(field, 0);
    add_varint(value);
    return *this;
  }
  Message& float64(int field, double value) {
    key(field, 1);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    add_little_endian(bytes_, bits);
    return *this;
  }
  Message& float32(int field, double value) {
    key(field, 5);
    const auto narrow = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &narrow, sizeof(bits));
    add_little_endian(bytes_, bits);
    return *this;
  }
  Message& text(int field, std::string_view value) {
    key(field, 2);
    add_varint(value.size());
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, int wire_type) { add_varint(static_cast<std::uint64_t>(field << 3 | wire_type)); }
  void add_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

// Field numbers of event.proto and summary.proto.
enum EventField { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5 };
enum SummaryField { kValue = 1 };
enum ValueField { kTag = 1, kSimpleValue = 2, kImage = 4 };
enum ImageField { kHeight = 1, kWidth = 2, kColorspace = 3, kEncoded = 4 };
constexpr std::uint64_t kRgb = 3;

/// The step of a record that event_record() made; nothing if it is of another kind.
std::optional<std::int64_t> step_of(std::string_view data) {
  constexpr std::size_t kAt = 1 + sizeof(double);  // behind wall_time
  if (data.size() <= kAt || data[kAt] != (kStep << 3)) return std::nullopt;
  std::uint64_t step = 0;
  std::size_t at = kAt + 1;
  for (int shift = 0; at < data.size() && shift < 64; shift += 7, ++at) {
    const auto byte = static_cast<unsigned char>(data[at]);
    step |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return static_cast<std::int64_t>(step);
  }
  return std::nullopt;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
      entries[i] = crc;
    }
    return entries;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::string event_record(const Event& event) {
  Message summary;
  for (const auto& [tag, value] : event.scalars)
    summary.text(kValue, Message().text(kTag, tag).float32(kSimpleValue, value).bytes());
  for (const auto& [tag, height, width, png] : event.images) {
    Message image;
    image.varint(kHeight, static_cast<std::uint64_t>(height))
        .varint(kWidth, static_cast<std::uint64_t>(width));
    image.varint(kColorspace, kRgb).text(kEncoded, png);
    summary.text(kValue, Message().text(kTag, tag).text(kImage, image.bytes()).bytes());
  }
  Message message;
  message.float64(kWallTime, event.wall_time).varint(kStep, static_cast<std::uint64_t>(event.step));
  return framed(message.text(kSummary, summary.bytes()).bytes());
}

std::string event_file_version(double wall_time) {
  return framed(Message().float64(kWallTime, wall_time).text(kFileVersion, "brain.Event:2").bytes());
}

std::int64_t EventFile::cut_behind(std::int64_t last_step, double wall_time) {
  const std::string bytes = fs::is_regular_file(path_) ? read_file(path_) : "";
  const auto version = first_record(bytes);
  if (!version) {
    // Before its first record is whole, a file of ours is shorter than that.
    const std::string start = event_file_version(wall_time);
    if (bytes.size() >= start.size()) throw DataError(path_, "is no event file, or is damaged; move it away");
    write_file(path_, start);
    return 0;
  }
  std::size_t end = version->size() + kFrame;
  std::int64_t last = 0;
  while (const auto record = first_record(std::string_view(bytes).substr(end))) {
    const auto step = step_of(*record);
    if (step && *step > last_step) break;
    last = std::max(last, step.value_or(0));
    end += record->size() + kFrame;
  }
  std::error_code error;
  if (end < bytes.size()) fs::resize_file(path_, end, error);  // in place: TensorBoard keeps it open
  if (error) throw DataError(path_, "cannot shorten: " + error.message());
  return last;
}

void EventFile::append(const Event& event) {
  append_file(path_, event_record(event));
}

}  // namespace portraitseg
