#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// IoU of the foregrounds of one image, each pixel weighted by its nearness to the label's boundary, for each
/// sigma: the symmetric variant of edge_iou(), where a false positive costs as much as a false negative.
///
/// Formula    sum(w(x), x in PD and GT) / sum(w(x), x in PD or GT), w(x) = exp(-d(x)^2 / (2 sigma^2)).
/// Boundary   Label pixels of either side with a 4-neighbour on the other side, the image border is none;
///            kIgnore bounds like background but is not counted. d is the exact Euclidean distance to it.
/// Units      sigma in pixels; result 0..1. A set's figure is the mean over images.
/// Empty      1 if the label has no boundary, that is, only foreground or none.
/// Source     Ours; not to be compared with a paper's figures.
///
/// @throws std::invalid_argument as check_masks() does, and unless every sigma > 0.
std::vector<double> weighted_iou(const cv::Mat& prediction, const cv::Mat& label,
                                 const std::vector<double>& sigmas);

/// For each sigma the column and figure weighted_iou_3: in percent, the mean over images.
Metric weighted_iou_metric(const std::vector<double>& sigmas = {3, 5, 10});

}  // namespace portraitseg
