#pragma once

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// The target of PortraitNet's boundary head: 1 on the outlines of the foreground, 0 elsewhere.
///
/// Formula    Foreground is what is neither 0 nor kIgnore: all classes count as one. All its outlines, those of holes
///            and islands too (cv::RETR_TREE), are drawn with a line of `thickness` pixels.
/// Border     A foreground that touches the image border has an outline there, as in the reference.
/// Ignore     kIgnore pixels are kIgnore in the target, and so is every pixel that would be another one if they were
///            foreground rather than background: where the outline runs through them is not known.
/// Source     Zhang et al. 2019, "PortraitNet", Sec. 3.2; dong-x16/PortraitNet data/data_aug.py draws 4 pixels.
///
/// @param label CV_8UC1, class index or kIgnore.
/// @throws std::invalid_argument for another type, no pixels, or thickness < 1.
cv::Mat contour(const cv::Mat& label, int thickness = 4);

}  // namespace portraitseg
