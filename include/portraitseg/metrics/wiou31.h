#pragma once

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/foregrounds.h"
#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// IoU of the foregrounds of one image with the pixel weights of F3Net's structure loss.
///
/// Formula    sum(w p g) / sum(w (p + g - p g)), w = 1 + 5 |mean31(g) - g|, g and p the hard masks; mean31 is the mean over the
///            31 x 31 px around a pixel, beyond the border of the image 0. The loss has soft masks and adds 1 to both sums.
/// Units      31 px at the size that is measured at. The sums are of 961 w, whole numbers.
/// Ignore     kIgnore is background in g's mean and is not counted.
/// Empty      1 if neither has a foreground; 0 if one of them has none.
/// Source     Wei et al. 2020, "F3Net" (pixel position aware loss); structure_loss of PraNet, Fan et al. 2020.
///
/// @throws std::invalid_argument as check_masks() does.
Overlap weighted_overlap_31(const cv::Mat& prediction, const cv::Mat& label);

/// Columns wiou31_both and wiou31_either, figure wiou31 in percent.
Metric wiou31_metric();

}  // namespace portraitseg
