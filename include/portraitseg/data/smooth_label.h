#pragma once

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// Every pixel becomes the class of most pixels in the square around it; of classes with equally many, the lowest.
///
/// Units      `kernel` in pixels, odd; it reaches (kernel - 1) / 2 to each side. 0 and 1 change nothing.
/// Ignore     kIgnore pixels have no vote and stay kIgnore.
/// Border     Beyond the image border its pixels are mirrored (cv::BORDER_REFLECT_101), as cv::blur does.
/// Source     dong-x16/PortraitNet data/datasets_portraitseg.py blurs 0/1 labels by 5 x 5 and takes what rounds to 1:
///            the same as this majority. The paper does not mention it.
///
/// @param label CV_8UC1, class index or kIgnore; it is left as it is.
/// @throws std::invalid_argument for another type, no pixels, or a kernel that is negative or even.
cv::Mat smooth_label(const cv::Mat& label, int kernel);

}  // namespace portraitseg
