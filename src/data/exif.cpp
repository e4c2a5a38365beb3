#include "exif.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include <opencv2/core.hpp>

#include "bytes.h"

namespace portraitseg {

int exif_orientation(std::string_view tiff) {
  constexpr std::size_t kEntry = 12;
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3;
  const bool little = tiff.substr(0, 4) == std::string_view("II*\0", 4);
  if (!little && tiff.substr(0, 4) != std::string_view("MM\0*", 4)) return 1;
  const auto number = [&](std::size_t at, std::size_t count) {
    return at <= tiff.size() && count <= tiff.size() - at ? read_number(tiff.substr(at, count), little) : 0;
  };
  const std::size_t directory = number(4, 4);
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntry;
    if (number(entry, 2) != kOrientation || number(entry + 2, 2) != kShort) continue;
    const auto orientation = static_cast<int>(number(entry + 8, 2));
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

cv::Mat turned_upright(const cv::Mat& image, int orientation) {
  constexpr int kNoFlip = 2;
  // cv::flip's code by orientation: 0 upside down, 1 left to right, -1 both; from 5 on after a transposition.
  constexpr std::array<int, 9> kFlips = {kNoFlip, kNoFlip, 1, -1, 0, kNoFlip, 1, -1, 0};
  const int flip = kFlips.at(static_cast<std::size_t>(orientation));
  cv::Mat turned = orientation >= 5 ? cv::Mat(image.t()) : image;
  if (flip == kNoFlip) return turned;
  cv::Mat flipped;
  cv::flip(turned, flipped, flip);
  return flipped;
}

}  // namespace portraitseg
