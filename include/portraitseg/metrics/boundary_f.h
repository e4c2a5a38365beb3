#pragma once

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/foregrounds.h"
#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// The boundary measure F of DAVIS of one image: how well two 1 px contours match. Symmetric.
///
/// Formula    F = 2PR / (P + R); P is the share of the prediction's contour within the tolerance of the label's, R that of the
///            label's within the tolerance of the prediction's. Each pixel is matched on its own (dilation by a disc); two may
///            match the same one, unlike in BSDS.
/// Contour    Pixels that differ from their right, lower or lower right neighbour inside the image: 1 px wide, half a pixel
///            towards the origin, and none at the border of the image. It does not know the sides: a mask and its inverse have
///            the same.
/// Width      Euclidean distance of at most 0.8 % of the image's diagonal, rounded up to whole pixels: 8 px at 800x600, 3 at 224x224.
/// Ignore     kIgnore pixels are background in both masks, as DAVIS's void pixels.
/// Empty      1 if neither mask has a contour; 0 if one of them has none.
/// Source     Perazzi et al. 2016, "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation";
///            davisvideochallenge/davis2017-evaluation, davis2017/metrics.py, f_measure and _seg2bmap.
///
/// @throws std::invalid_argument as check_masks() does.
BoundaryMatch match_contours(const cv::Mat& prediction, const cv::Mat& label);

/// Columns boundary_f_0.8_predicted, _predicted_matched, _labelled and _labelled_matched, figure boundary_f_0.8 in percent.
Metric boundary_f_metric();

}  // namespace portraitseg
