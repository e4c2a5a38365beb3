#pragma once

#include <filesystem>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// Writes the image as a whole or not at all: as JPEG if the path ends so, else as PNG, without loss.
/// @param image CV_8UC1, CV_8UC3 in BGR, or CV_8UC4 in BGRA, which JPEG does not keep
/// @param jpeg_quality 1..100
/// @throws DataError if the file cannot be written.
void write_image(const std::filesystem::path& path, const cv::Mat& image, int jpeg_quality = 95);

}  // namespace portraitseg
