#pragma once

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// The 95th percentile of the distances between the boundaries of the two foregrounds of one image. Symmetric; 0 is best.
///
/// Formula    The Euclidean distance from each pixel of either boundary to the nearest of the other one, all in one list; of it
///            the value at rank 0.95 (n - 1), counted from 0 and interpolated linearly, as numpy.percentile does.
/// Boundary   Foreground pixels with a 4-neighbour that is background or outside the image: boundary_of_foreground().
/// Units      Pixels of the size that is measured at; figures at two sizes are not comparable.
/// Ignore     kIgnore pixels are background in both masks.
/// Empty      0 if neither has a foreground. If one of them has none, the length of the image's diagonal, which no distance
///            reaches (BraTS's rule): a person who is missed, or seen where there is none, must not drop out of the mean.
/// Source     Huttenlocher et al. 1993 for the distance; MedPy's hd95 for the percentile of the joined list. MONAI takes the
///            larger of the two one-sided percentiles instead.
///
/// @throws std::invalid_argument as check_masks() does.
double hausdorff_95(const cv::Mat& prediction, const cv::Mat& label);

/// Column and figure hausdorff_95, in pixels.
Metric hausdorff_95_metric();

}  // namespace portraitseg
