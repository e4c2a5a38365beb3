#pragma once

#include <cstdint>

#include <opencv2/core/mat.hpp>
#include <opencv2/core/matx.hpp>

namespace portraitseg {

/// BGR of a class but 0, or of kIgnore; behind the 18th they repeat.
cv::Vec3b class_color(std::uint8_t label);

/// The image with every class but 0 tinted and outlined: class 1 green, others in other colours, kIgnore grey.
/// @param image CV_8UC3 or CV_32FC3, BGR, 0..255  @param mask CV_8UC1, class index or kIgnore  @return CV_8UC3
cv::Mat class_overlay(const cv::Mat& image, const cv::Mat& mask);

}  // namespace portraitseg
