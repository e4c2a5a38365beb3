#pragma once

#include <string>
#include <string_view>

namespace portraitseg {

/// A name from a file, fit for a one-line message: in quotes, cut at 120 bytes, control bytes as \xNN.
inline std::string in_quotes(std::string_view name) {
  constexpr std::size_t kShown = 120;
  std::string text = "'";
  for (const char c : name.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      text += std::string("\\x") + "0123456789abcdef"[byte >> 4] + "0123456789abcdef"[byte & 15];
    } else {
      text += c;
    }
  }
  return text + (name.size() > kShown ? "...'" : "'");
}

}  // namespace portraitseg
