#pragma once

#include <cmath>
#include <cstdint>

#include "portraitseg/metrics/metric.h"

namespace portraitseg {

/// Metrics of probabilities count in whole steps of 2^-24, the step of a float below 1: sums over any number of images are then
/// exact, whatever their order.
constexpr std::int32_t kProbabilitySteps = 1 << 24;

/// The nearest step, 0..kProbabilitySteps, also for what rounding has put beyond 0..1; -1 if it is not a number.
inline std::int32_t probability_steps(float probability) {
  const float inside = probability > 0 ? (probability < 1 ? probability : 1) : 0;
  const auto steps = static_cast<std::int32_t>(static_cast<double>(inside) * kProbabilitySteps + 0.5);
  return std::isnan(probability) ? -1 : steps;
}

/// @throws std::invalid_argument as check_masks() does, and unless the probability is CV_32FC1 of the label's size.
void check_probability(const MeasuredImage& image);

}  // namespace portraitseg
