#pragma once

#include <filesystem>
#include <string_view>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// A JPEG's pixels as cv::imread gives them, H x W, CV_8UC3 BGR or CV_8UC1, not yet turned. libjpeg-turbo is called
/// without OpenCV between, which takes almost twice as long and passes over damaged data.
struct JpegImage {
  cv::Mat pixels;
  int orientation = 1;  ///< EXIF's
};

/// CMYK has no profile applied and, as in every reader, inks that are stored inverted, as Adobe's programs write them.
/// @throws DataError for a truncated or damaged file and as check_image_size().
JpegImage read_jpeg(std::string_view bytes, const std::filesystem::path& path);

}  // namespace portraitseg
