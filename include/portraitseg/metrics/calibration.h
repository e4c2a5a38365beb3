#pragma once

#include <array>
#include <cstdint>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// How sure the network is of its decisions, and how often it is right: the pixels in 15 bins of their confidence.
///
/// Confidence The probability of the decided class: p where the prediction is 1, 1 - p elsewhere, p that of the portrait; rounded
///            to 2^-24. Decided at p > 0.5 it is at least 0.5 and fills the upper 8 bins; post-processing can put it below.
/// Bins       Equally wide: bin m of 1..15 holds (m - 1) / 15 < confidence <= m / 15, the first one 0 too.
/// ECE        sum over the bins |right - sum of confidence| / n: the expected calibration error, 0..1, 0 is best.
/// Right      Prediction and label are both class 1 or both another one.
/// Ignore     kIgnore pixels are left out.
/// Empty      Not a number if no pixel counts.
/// Invalid    The first bin's confidence, and with it the ECE, is not a number if a probability that counts is none; beyond 0..1
///            it is 0 or 1.
/// Source     Guo et al. 2017, "On Calibration of Modern Neural Networks", M = 15.
struct Calibration {
  static constexpr std::size_t kBins = 15;

  std::array<std::int64_t, kBins> n = {};
  std::array<std::int64_t, kBins> right = {};
  std::array<double, kBins> confidence = {};  ///< summed over the bin's pixels

  /// @throws std::invalid_argument as check_probability() does.
  static Calibration of(const MeasuredImage& image);

  double ece() const;
};

/// Columns calibration_n_M, calibration_right_M and calibration_confidence_M of the bins 1 to 15, as they stand here; figure ece
/// in percent, of the whole set: a mean over images would be another and larger number.
Metric calibration_metric();

}  // namespace portraitseg
