#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace portraitseg::testing {

/// CRC-32C by long division, bit by bit, of the message as RFC 3720 B.4 describes it: nothing in common with the table that
/// the library uses.
inline std::uint32_t long_division_crc32c(const std::string& bytes) {
  std::uint32_t remainder = 0xffffffff;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {  // of each byte the lowest bit comes first
      const bool in = ((static_cast<unsigned char>(c) >> bit) & 1) != 0;
      const bool out = (remainder >> 31) != 0;
      remainder <<= 1;
      if (in != out) remainder ^= 0x1edc6f41;
    }
  }
  std::uint32_t reflected = 0;
  for (int bit = 0; bit < 32; ++bit) reflected |= ((remainder >> bit) & 1) << (31 - bit);
  return ~reflected;
}

/// An event file, taken apart without the library under test.
struct Events {
  struct Image {
    std::uint64_t height = 0, width = 0, colorspace = 0;
    std::string encoded;
  };
  struct Step {
    double wall_time = 0;
    std::map<std::string, float> scalars;
    std::map<std::string, Image> images;
  };
  std::string version;
  std::map<std::uint64_t, Step> steps;

  /// @throws std::runtime_error for every byte that is not as it should be, and for a tag that has two values at a step.
  static Events parse(const std::string& bytes) {
    Events events;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::string length = part(bytes, at, 8);
      require(unmasked(part(bytes, at + 8, 4)) == long_division_crc32c(length), "checksum of a length");
      const std::uint64_t size = number(length);
      const std::string data = part(bytes, at + 12, size);
      require(unmasked(part(bytes, at + 12 + size, 4)) == long_division_crc32c(data), "checksum of a record");
      events.add(data, at == 0);
      at += 16 + size;
    }
    return events;
  }

 private:
  struct Field {
    std::uint64_t number = 0, varint = 0;
    std::string bytes;  ///< of every other wire type
  };

  static void require(bool condition, const std::string& what) {
    if (!condition) throw std::runtime_error("event file: " + what);
  }

  static std::string part(const std::string& bytes, std::size_t at, std::size_t size) {
    require(at <= bytes.size() && size <= bytes.size() - at, "ends in the middle of a record");
    return bytes.substr(at, size);
  }

  static std::uint64_t number(const std::string& bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value * 256 + static_cast<unsigned char>(bytes[i]);
    return value;
  }

  static std::uint32_t unmasked(const std::string& stored) {
    const auto rotated = static_cast<std::uint32_t>(number(stored) - 0xa282ead8);
    return (rotated >> 17) | (rotated << 15);
  }

  static std::uint64_t varint(const std::string& bytes, std::size_t& at) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(part(bytes, at++, 1)[0]);
      value |= static_cast<std::uint64_t>(byte % 128) << shift;
      if (byte < 128) return value;
    }
  }

  static std::vector<Field> fields(const std::string& message) {
    std::vector<Field> all;
    for (std::size_t at = 0; at < message.size();) {
      const std::uint64_t key = varint(message, at);
      Field field;
      field.number = key / 8;
      if (key % 8 == 0) {
        field.varint = varint(message, at);
      } else {
        require(key % 8 == 1 || key % 8 == 2 || key % 8 == 5, "unknown wire type");
        const std::uint64_t size = key % 8 == 1 ? 8 : key % 8 == 5 ? 4 : varint(message, at);
        field.bytes = part(message, at, size);
        at += size;
      }
      all.push_back(field);
    }
    return all;
  }

  template <class Float>
  static Float real(const std::string& bytes) {
    require(bytes.size() == sizeof(Float), "size of a number");
    Float value = 0;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
  }

  void add(const std::string& event, bool first) {
    std::uint64_t step = 0;
    double wall_time = 0;
    std::vector<std::string> summaries;
    for (const Field& field : fields(event)) {
      if (field.number == 1) wall_time = real<double>(field.bytes);
      if (field.number == 2) step = field.varint;
      if (field.number == 3) version = field.bytes;
      if (field.number == 5) summaries.push_back(field.bytes);
    }
    require(first == summaries.empty(), "its version comes first, and once");
    for (const auto& summary : summaries) {
      steps[step].wall_time = wall_time;
      for (const Field& value : fields(summary)) {
        require(value.number == 1, "a summary holds values alone");
        add_value(steps[step], value.bytes);
      }
    }
  }

  static void add_value(Step& step, const std::string& value) {
    std::string tag;
    for (const Field& field : fields(value)) {
      if (field.number == 1) {
        tag = field.bytes;
      } else if (field.number == 2) {
        require(step.scalars.emplace(tag, real<float>(field.bytes)).second, "two values of " + tag);
      } else {
        require(field.number == 4, "a value is a number or an image");
        Image image;
        for (const Field& part : fields(field.bytes)) {
          if (part.number == 1) image.height = part.varint;
          if (part.number == 2) image.width = part.varint;
          if (part.number == 3) image.colorspace = part.varint;
          if (part.number == 4) image.encoded = part.bytes;
        }
        require(step.images.emplace(tag, image).second, "two images of " + tag);
      }
    }
  }
};

}  // namespace portraitseg::testing
