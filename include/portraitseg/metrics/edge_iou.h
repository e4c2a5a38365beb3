#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// PortraitNet's edge IoU of one image, for each sigma; the paper's is the mean over images at 224x224.
///
/// Formula    sum(w(x), x in PD and GT) / sum(w(x), x in PD or GT), with w(x) = exp(-d(x)^2 / (2 sigma^2)) on
///            the label's foreground and 0 on its background. Read literally: a false positive costs nothing,
///            so this is a recall; weighted_iou() is the symmetric variant.
/// Boundary   Label foreground with a 4-neighbour that is background, kIgnore or outside the image (Fig. 8
///            shows the image border counting); d is the exact Euclidean distance to it.
/// Units      sigma in pixels, the paper's are 3, 5, 10, 20, 40, 80; result 0..1.
/// Empty      1 if the label has no foreground.
/// Source     Zhang et al. 2019, "PortraitNet", Eq. 11 and 12; no reference code was published.
///
/// @throws std::invalid_argument as check_masks() does, and unless every sigma > 0.
std::vector<double> edge_iou(const cv::Mat& prediction, const cv::Mat& label,
                             const std::vector<double>& sigmas);

/// For each sigma the column and figure edge_iou_3: in percent, the mean over images.
Metric edge_iou_metric(const std::vector<double>& sigmas = {3, 5, 10, 20, 40, 80});

}  // namespace portraitseg
