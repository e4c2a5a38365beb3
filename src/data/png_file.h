#pragma once

#include <filesystem>
#include <string_view>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// What of a PNG is wanted.
enum class PngPixels {
  kImage,    ///< 8 bits, colours of a palette, no alpha: CV_8UC1 or CV_8UC3 (BGR)
  kStored,   ///< 8 or 16 bits, colours of a palette: 1 channel, 3 (BGR) or, with any transparency, 4 (BGRA)
  kIndices,  ///< as kStored, but a palette's indices, or its levels if they are grey
};

struct PngImage {
  cv::Mat pixels;
  int orientation = 1;  ///< EXIF's; the pixels are not yet turned
};

/// Levels of 1, 2 and 4 bits are stretched to 0..255, as PNG wants them (chapter 13.12); indices are not.
/// @throws DataError for a truncated or damaged file and as check_image_size().
PngImage read_png(std::string_view bytes, PngPixels wanted, const std::filesystem::path& path);

}  // namespace portraitseg
