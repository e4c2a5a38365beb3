#include "portraitseg/metrics/calibration.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/probability.h"

namespace portraitseg {
namespace {

constexpr auto kLastBin = static_cast<std::int32_t>(Calibration::kBins - 1);

/// Of a confidence in steps. Only the first and the last step lie on an end of a bin.
std::size_t bin_of(std::int32_t confidence) {
  const std::int32_t bin = (kLastBin + 1) * std::max(confidence, 0) / kProbabilitySteps;
  return static_cast<std::size_t>(std::min(bin, kLastBin));
}

}  // namespace

Calibration Calibration::of(const MeasuredImage& image) {
  check_probability(image);
  Calibration bins;
  std::array<std::int64_t, kBins> steps = {};
  bool valid = true;
  for (int y = 0; y < image.label.rows; ++y) {
    const auto* p = image.probability.ptr<float>(y);
    const auto* predicted = image.prediction.ptr<std::uint8_t>(y);
    const auto* l = image.label.ptr<std::uint8_t>(y);
    for (int x = 0; x < image.label.cols; ++x) {
      if (l[x] == kIgnore) continue;
      const std::int32_t probability = probability_steps(p[x]);
      valid &= probability >= 0;
      const std::int32_t confidence = predicted[x] == 1 ? probability : kProbabilitySteps - probability;
      const std::size_t bin = bin_of(confidence);
      ++bins.n[bin];
      bins.right[bin] += (predicted[x] == 1) == (l[x] == 1);
      steps[bin] += confidence;
    }
  }
  for (std::size_t m = 0; m < kBins; ++m)
    bins.confidence[m] = static_cast<double>(steps[m]) / kProbabilitySteps;
  if (!valid) bins.confidence[0] = std::numeric_limits<double>::quiet_NaN();
  return bins;
}

double Calibration::ece() const {
  double gaps = 0, pixels = 0;
  for (std::size_t m = 0; m < kBins; ++m) {
    gaps += std::abs(static_cast<double>(right[m]) - confidence[m]);
    pixels += static_cast<double>(n[m]);
  }
  return gaps / pixels;
}

Metric calibration_metric() {
  Metric metric;
  metric.uses_probability = true;
  for (const char* part : {"n", "right", "confidence"}) {
    for (std::size_t m = 1; m <= Calibration::kBins; ++m)
      metric.columns.push_back("calibration_" + std::string(part) + "_" + std::to_string(m));
  }
  metric.measure = [](const MeasuredImage& image) {
    const auto bins = Calibration::of(image);
    std::vector<double> columns(bins.n.begin(), bins.n.end());
    columns.insert(columns.end(), bins.right.begin(), bins.right.end());
    columns.insert(columns.end(), bins.confidence.begin(), bins.confidence.end());
    return columns;
  };
  metric.figures = {{"ece", "expected calibration error, 15 bins", Reduction::kWholeSet,
                     [](const std::vector<double>& columns) {
                       Calibration bins;
                       for (std::size_t m = 0; m < Calibration::kBins; ++m) {
                         bins.n[m] = static_cast<std::int64_t>(columns.at(m));
                         bins.right[m] = static_cast<std::int64_t>(columns.at(Calibration::kBins + m));
                         bins.confidence[m] = columns.at(2 * Calibration::kBins + m);
                       }
                       return 100 * bins.ece();
                     }}};
  return metric;
}

}  // namespace portraitseg
