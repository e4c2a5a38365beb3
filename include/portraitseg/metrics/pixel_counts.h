#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// Numbers of pixels by label and prediction. Class 1 is the foreground, every other class is background, and
/// pixels labelled kIgnore are not counted. The counts of several images add up to those of the set.
struct PixelCounts {
  std::int64_t tp = 0;  ///< label 1, prediction 1
  std::int64_t fp = 0;  ///< label not 1, prediction 1
  std::int64_t fn = 0;  ///< label 1, prediction not 1
  std::int64_t tn = 0;  ///< label not 1, prediction not 1

  /// @throws std::invalid_argument as check_masks() does.
  static PixelCounts of(const cv::Mat& prediction, const cv::Mat& label);

  /// tp, fp, fn, tn as columns of a Metric, and back. @param first the column of tp
  std::vector<double> columns() const;
  static PixelCounts from(const std::vector<double>& columns, std::size_t first = 0);

  /// tp / (tp + fp + fn), 0..1; 1 if the union is empty. clova's iou_binary, PortraitNet's calcIOU.
  double iou_foreground() const;

  /// tn / (tn + fp + fn), 0..1; 1 if the union is empty.
  double iou_background() const;

  /// Mean of the two.
  double miou() const;

  /// 2PR / (P + R), 0..1, with P = tp / (tp + fp) and R = tp / (tp + fn); a quotient without pixels is 1, and
  /// F1 is 0 if P + R is. clovaai/ext_portrait_segmentation, etc/lovasz_losses.py, calcF1.
  double f1() const;

  /// 2tp / (2tp + fp + fn), 0..1; 1 if both foregrounds are empty. The same number as f1(), rounded differently.
  double dice() const;

  /// (tp + tn) / (tp + fp + fn + tn), 0..1; not a number if no pixel counts.
  double accuracy() const;

  PixelCounts& operator+=(const PixelCounts& other);
};

/// Columns tp, fp, fn, tn. Figures iou_foreground, iou_background, miou_per_image and dice, means over images; and miou,
/// iou_foreground_set, iou_background_set and pixel_accuracy of the pixels of the whole list.
/// @param empty_union what an IoU is whose union is empty, 0..1: 1 at clova and PortraitNet, 0 at Deepixel
Metric pixel_counts_metric(double empty_union = 1);

/// What every metric asks of its two masks.
/// @throws std::invalid_argument unless both are CV_8UC1, of the same size and not empty; names the sizes.
void check_masks(const cv::Mat& prediction, const cv::Mat& label);

}  // namespace portraitseg
