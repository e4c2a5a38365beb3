#pragma once

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// Pillow's ImageEnhance (checked against 9.4) on 8-bit images, bit for bit. Each function blends the image
/// with a degenerate one: factor 1 is the image, 0 the degenerate one, above 1 leads away from it; results
/// are truncated and clipped to 0..255. In and out: H x W, CV_8UC3, BGR; the input is left as it is.

/// Degenerate: the grey image.
cv::Mat enhance_color(const cv::Mat& image, double factor);

/// Degenerate: black.
cv::Mat enhance_brightness(const cv::Mat& image, double factor);

/// Degenerate: the mean grey level, rounded.
cv::Mat enhance_contrast(const cv::Mat& image, double factor);

/// Degenerate: smoothed by 3 x 3 (1 1 1, 1 5 1, 1 1 1) / 13, its border pixels copied from the image.
cv::Mat enhance_sharpness(const cv::Mat& image, double factor);

}  // namespace portraitseg
