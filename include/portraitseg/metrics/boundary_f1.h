#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/metric.h"
#include "portraitseg/metrics/pixel_counts.h"

namespace portraitseg {

/// Pixel counts near the border of the label's foreground: those of edge_band(label, kernel).
/// The boundary F1 of clova is their f1(), averaged over images.
///
/// Units      `kernel` in pixels; clova takes 15 at full resolution, 5 in the encoder stage. F1 is 0..1, as
///            in the paper; clova's code prints it times 100.
/// Empty      No band: all counts are 0 and F1 is 1, whatever was predicted.
/// Source     SINet (arXiv 1911.09099); clovaai/ext_portrait_segmentation etc/help_function.py, val_edge. The
///            band is the label's alone, so this is not the boundary F of DAVIS or BSDS.
///
/// @throws std::invalid_argument as check_masks() and edge_band() do.
PixelCounts boundary_counts(const cv::Mat& prediction, const cv::Mat& label, int kernel);

/// For each kernel columns band15_tp, _fp, _fn, _tn and the figure boundary_f1_15; and band_iou_15, the foreground IoU inside
/// the widest band: SINet's and ExtremeC3Net's training optimises it. Means over images, in percent.
Metric boundary_f1_metric(const std::vector<int>& kernels = {5, 15});

}  // namespace portraitseg
