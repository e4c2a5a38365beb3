#pragma once

#include <string_view>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// The orientation 1..8 that EXIF data say (Exif 2.32, 4.6.4, tag 0x0112), 1 = as it should be shown, also where they say
/// nothing or nonsense. @param tiff from the byte-order mark on.
int exif_orientation(std::string_view tiff);

/// The image as it should be shown.
cv::Mat turned_upright(const cv::Mat& image, int orientation);

}  // namespace portraitseg
