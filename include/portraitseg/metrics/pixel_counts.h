#pragma once

#include <cstdint>

#include <opencv2/core/mat.hpp>

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

/// What every metric asks of its two masks.
/// @throws std::invalid_argument unless both are CV_8UC1, of the same size and not empty; names the sizes.
void check_masks(const cv::Mat& prediction, const cv::Mat& label);

}  // namespace portraitseg
