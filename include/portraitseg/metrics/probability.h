#pragma once

#include <cstdint>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// Metrics of probabilities count in whole steps of 2^-24, the step of a float below 1: sums over any number of images are then
/// exact, whatever their order.
constexpr std::int32_t kProbabilitySteps = 1 << 24;

/// The nearest step, 0..kProbabilitySteps; -1 if it is not a number in 0..1.
inline std::int32_t probability_steps(float probability) {
  const bool valid = probability >= 0 && probability <= 1;
  return valid ? static_cast<std::int32_t>(static_cast<double>(probability) * kProbabilitySteps + 0.5) : -1;
}

/// @throws std::invalid_argument as check_masks() does, and unless the probability is CV_32FC1 of the label's size.
void check_probability(const MeasuredImage& image);

}  // namespace portraitseg
