#include "portraitseg/metrics/mae.h"

#include <limits>
#include <vector>

#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/probability.h"

namespace portraitseg {

AbsoluteError AbsoluteError::of(const MeasuredImage& image) {
  check_probability(image);
  std::int64_t steps = 0, n = 0;
  bool valid = true;
  for (int y = 0; y < image.label.rows; ++y) {
    const auto* p = image.probability.ptr<float>(y);
    const auto* l = image.label.ptr<std::uint8_t>(y);
    for (int x = 0; x < image.label.cols; ++x) {
      const std::int32_t probability = probability_steps(p[x]);
      const bool counts = l[x] != kIgnore;
      const std::int32_t error = l[x] == 1 ? kProbabilitySteps - probability : probability;
      steps += counts ? error : 0;
      n += counts;
      valid &= probability >= 0 || !counts;
    }
  }
  const double sum = static_cast<double>(steps) / kProbabilitySteps;
  return {valid ? sum : std::numeric_limits<double>::quiet_NaN(), n};
}

Metric mae_metric() {
  Metric metric;
  metric.uses_probability = true;
  metric.columns = {"mae_sum", "mae_n"};
  metric.measure = [](const MeasuredImage& image) -> std::vector<double> {
    const auto error = AbsoluteError::of(image);
    return {error.sum, static_cast<double>(error.n)};
  };
  metric.figures = {{"mae", "mean absolute error of the probability", Reduction::kMeanOverImages,
                     [](const auto& columns) { return 100 * columns[0] / columns[1]; }}};
  return metric;
}

}  // namespace portraitseg
