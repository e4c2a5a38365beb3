#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/metric.h"
#include "portraitseg/metrics/pixel_counts.h"

namespace portraitseg {

/// Pixel counts of one image near the label's boundary, for each width; the trimap IoU is their iou_foreground().
///
/// Band       Pixels less than `width` px (Euclidean) from the nearest one of boundary_of_both_sides(label): the band reaches
///            `width` px to each side of the boundary, and the border of the image is no boundary.
/// Units      Pixels of the size that is measured at. Papers also give the whole band's width, which is twice this one.
/// Ignore     kIgnore bounds like background but is not counted.
/// Empty      A label without boundary (only foreground or none) has no band and no count: the figure is not a number, and the
///            image is left out of the mean. A band has foreground, so that its IoU is always defined.
/// Source     Kohli et al. 2009, "Robust Higher Order Potentials" (share of wrong pixels in the band); Kraehenbuehl and Koltun
///            2011, "Fully Connected CRFs" (IoU in the band).
///
/// @param widths ascending, each at least 1
/// @throws std::invalid_argument as check_masks() does, and for other widths.
std::vector<PixelCounts> trimap_counts(const cv::Mat& prediction, const cv::Mat& label,
                                       const std::vector<int>& widths);

/// Columns trimap_W_tp, _fp, _fn and _tn for each width W, figures trimap_iou_W in percent.
Metric trimap_iou_metric(const std::vector<int>& widths = {3, 5, 10, 20, 40});

}  // namespace portraitseg
