#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <opencv2/core/mat.hpp>
#include <opencv2/imgcodecs.hpp>
#include <zlib.h>

namespace portraitseg::testing {

inline std::string base64(const std::string& bytes) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

inline std::string png(const cv::Mat& image) {
  std::vector<unsigned char> bytes;
  cv::imencode(".png", image, bytes);
  return {bytes.begin(), bytes.end()};
}

inline std::string deflated(const std::string& bytes) {
  std::string packed(compressBound(bytes.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
           bytes.size());
  return packed.substr(0, size);
}

/// The corners of a rectangle; both ends belong to it.
inline nlohmann::json rectangle(int x0, int y0, int x1, int y1) {
  return {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
}

inline nlohmann::json polygon(const nlohmann::json& exterior, const std::string& title = "person_poly",
                              const std::vector<nlohmann::json>& interior = {}) {
  return {{"classTitle", title},
          {"bitmap", nullptr},
          {"points", {{"exterior", exterior}, {"interior", interior}}}};
}

/// @param data base64 of a deflated PNG.
inline nlohmann::json bitmap(const std::string& data, int x, int y) {
  return {{"classTitle", "person_bmp"},
          {"points", {{"exterior", nlohmann::json::array()}, {"interior", nlohmann::json::array()}}},
          {"bitmap", {{"data", data}, {"origin", {x, y}}}}};
}

}  // namespace portraitseg::testing
