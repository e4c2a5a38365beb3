#pragma once

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/foregrounds.h"
#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// Boundary IoU of one image: the IoU of what each foreground has near its own boundary. Symmetric.
///
/// Formula    |Gd and Pd| / |Gd or Pd|; Gd is the label's foreground minus its erosion by a square of 2d + 1 px, Pd the same of
///            the prediction. Beyond the border of the image is background: a foreground that the image cuts off has a boundary
///            there.
/// Width      d = 2 % of the image's diagonal, rounded to whole pixels (half to even), at least 1: 20 px at 800x600, 6 at 224x224.
/// Ignore     kIgnore pixels are background in both masks.
/// Empty      1 if neither has a foreground; 0 if one of them has none.
/// Source     Cheng et al. 2021, "Boundary IoU" (arXiv 2103.16562); bowenc0221/boundary-iou-api, mask_to_boundary.
///
/// @throws std::invalid_argument as check_masks() does.
Overlap boundary_overlap(const cv::Mat& prediction, const cv::Mat& label);

/// Columns boundary_iou_2_both and _either, figure boundary_iou_2 in percent.
Metric boundary_iou_metric();

}  // namespace portraitseg
