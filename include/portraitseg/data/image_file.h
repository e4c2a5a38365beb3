#pragma once

#include <filesystem>
#include <string>

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

/// As read_mask_values(), for masks whose values are class indices or grey levels with a meaning of their own: a mask in
/// colours is refused, since its grey levels mean nothing.
cv::Mat read_grey_values(const std::filesystem::path& path);

/// The alpha channel as it is stored: H x W, CV_8UC1.
/// @throws DataError as read_image, and for a file without 8-bit alpha.
cv::Mat read_alpha(const std::filesystem::path& path);

/// An image that lies in memory, all of its channels as they are stored. @param path names it in messages.
/// @throws DataError as read_image.
cv::Mat decode_image(std::string bytes, const std::filesystem::path& path);

}  // namespace portraitseg
