#pragma once

#include <filesystem>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// The image as cv::imread(path, IMREAD_COLOR) gives it: H x W, CV_8UC3, BGR; grey images are expanded, EXIF
/// rotation is applied. Truncated files, which OpenCV decodes in part without a word, are refused; damage inside a
/// complete JPEG shows only as libjpeg's warning.
/// @throws DataError for a file that is missing, empty, truncated or no image.
cv::Mat read_image(const std::filesystem::path& path);

/// The mask's values as they are stored: H x W, CV_8UC1.
///
/// 16-bit files keep their values if these fit 8 bits; 1-bit files give 0 and 255. Alpha is dropped and
/// colour becomes grey. A PNG with a palette gives its grey levels if all of its colours are grey, else the
/// palette's indices: the colours of an index mask are for the eye only.
/// @throws DataError as read_image, and for values above 255.
cv::Mat read_mask_values(const std::filesystem::path& path);

}  // namespace portraitseg
