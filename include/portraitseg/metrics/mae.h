#pragma once

#include <cstdint>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// Mean absolute error of one image: how far the probability of the portrait is from the label's 0 or 1.
///
/// Formula    sum |p - g| / n over the pixels that count, g = 1 where the label is 1; each term is rounded to 2^-24.
/// Units      0..1, the figure in percent.
/// Ignore     kIgnore pixels are left out.
/// Empty      Nothing special without a foreground; not a number if no pixel counts.
/// Invalid    The sum is not a number if a probability that counts is none; beyond 0..1 it is 0 or 1.
/// Source     Perazzi et al. 2012, "Saliency Filters"; usual in salient object detection and matting.
struct AbsoluteError {
  double sum = 0;
  std::int64_t n = 0;

  /// @throws std::invalid_argument as check_probability() does.
  static AbsoluteError of(const MeasuredImage& image);

  double mean() const { return sum / static_cast<double>(n); }
};

/// Columns mae_sum and mae_n, figure mae in percent.
Metric mae_metric();

}  // namespace portraitseg
