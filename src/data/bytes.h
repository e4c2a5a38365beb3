#pragma once

#include <cstdint>
#include <string_view>

namespace portraitseg {

inline bool starts_with(std::string_view bytes, std::string_view start) {
  return bytes.substr(0, start.size()) == start;
}

/// An unsigned number of up to four bytes.
inline std::uint32_t read_number(std::string_view bytes, bool little_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[little_endian ? bytes.size() - 1 - i : i]);
  }
  return value;
}

}  // namespace portraitseg
