#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// Numbers of pixels of each class against all the others; pixels labelled kIgnore are not counted. The counts of several
/// images add up to those of the set, in any order.
///
/// Source     mmsegmentation's intersect_and_union, by which EasyPortrait reports (mmseg/core/evaluation/metrics.py), and
///            clovaai/c3_sinet etc/IOUEval.py.
struct ClassCounts {
  std::vector<std::int64_t> tp;  ///< by class: label and prediction are it
  std::vector<std::int64_t> fp;  ///< the prediction is it, the label another class
  std::vector<std::int64_t> fn;  ///< the label is it, the prediction another class

  /// @throws std::invalid_argument as check_masks() does, and for a prediction or a label that is none of 0..classes-1
  ///         and, of the labels, not kIgnore.
  static ClassCounts of(const cv::Mat& prediction, const cv::Mat& label, std::int64_t classes);

  /// tp, fp, fn of class 0, then of class 1 ... as columns of a Metric, and back.
  std::vector<double> columns() const;
  static ClassCounts from(const std::vector<double>& columns);

  std::int64_t classes() const { return static_cast<std::int64_t>(tp.size()); }

  /// tp / (tp + fp + fn) of each class, 0..1; not a number for a class without a pixel in label and prediction.
  std::vector<double> iou() const;

  /// Mean over the classes that have a pixel in label or prediction; not a number if none has. mmseg's nanmean: where
  /// c3_sinet counts 0 for a class that nobody saw, and PixelCounts 1, it is left out here.
  double miou() const;

  /// Share of the pixels whose class is right, mmseg's aAcc; not a number without pixels.
  double accuracy() const;

  /// Without classes it becomes the other. @throws std::invalid_argument if both have some, but not as many.
  ClassCounts& operator+=(const ClassCounts& other);
};

/// For each class columns class3_tp, _fp, _fn and the figure class_iou_3, of more than ten classes class_iou_03; and miou and
/// pixel_accuracy. All of the pixels of the whole list, in percent.
Metric class_counts_metric(std::int64_t classes);

}  // namespace portraitseg
