#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/foregrounds.h"
#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// Deepixel's two boundary figures of one image: how the bands around the two boundaries agree. Symmetric.
///
/// Band       dilate(y, 15 x 15) - erode(y, 15 x 15): 7 px to each side. The border of the image is no edge. A band does not know
///            the sides: a mask and its inverse have the same, and both figures of them are 1.
/// biou       IoU of the two bands; not Cheng's Boundary IoU, for which boundary_overlap() is.
/// bf1        2PR / (P + R) of the bands; a pixel is matched if it is in the other band dilated twice by 3 x 3, that is, at most
///            2 px from it in each direction.
/// Units      Pixels; Deepixel measures at 256x256.
/// Ignore     kIgnore pixels are background in both masks, and the bands are cut there. Deepixel knows no such pixels.
/// Empty      As the source has it, 0 if one of the bands is empty or both are: an image without a person that is rightly left
///            empty counts 0.
/// Source     deepixel-inc/Upperbody-Evaluation compute_seg_metrics.py, compute_biou and compute_boundary_f1.
///
/// @throws std::invalid_argument as check_masks() does.
struct DeepixelBoundary {
  Overlap bands;
  BoundaryMatch match;

  static DeepixelBoundary of(const cv::Mat& prediction, const cv::Mat& label);

  double biou() const;  ///< 0..1
  double bf1() const;   ///< 0..1

  std::vector<double> columns() const;
  static DeepixelBoundary from(const std::vector<double>& columns);
};

/// Columns deepixel_15_both, _either, _predicted, _predicted_matched, _labelled and _labelled_matched; figures deepixel_biou_15
/// and deepixel_bf1_15 in percent.
Metric deepixel_boundary_metric();

}  // namespace portraitseg
