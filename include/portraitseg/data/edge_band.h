#pragma once

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// The label near the border of the foreground, kIgnore everywhere else.
///
/// Formula    band = dilate(y, k x k) - erode(y, k x k), y = 1 where the label is neither 0 nor kIgnore: all
///            foreground classes count as one. Inside the band each keeps its value.
/// Units      `kernel` in pixels; an odd kernel reaches (kernel - 1) / 2 to each side.
/// Ignore     kIgnore pixels count as background in y and stay kIgnore.
/// Empty      A mask all of one kind has no band; the image border is no edge.
/// Source     SINet Eq. 1; clovaai/ext_portrait_segmentation data/DataSet.py (CVDataset, PILDataset
///            Make_boundary): kernel 15 at full resolution, 5 in the encoder stage.
///
/// @param mask CV_8UC1, class index or kIgnore.
/// @throws std::invalid_argument for another type, no pixels, or kernel < 1.
cv::Mat edge_band(const cv::Mat& mask, int kernel);

}  // namespace portraitseg
