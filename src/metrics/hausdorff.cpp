#include "portraitseg/metrics/hausdorff.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>

#include "portraitseg/metrics/boundary_distance.h"
#include "portraitseg/metrics/foregrounds.h"

namespace portraitseg {
namespace {

/// @param squares at least one; loses its order
double percentile_95(std::vector<std::int64_t>& squares) {
  const double rank = 0.95 * static_cast<double>(squares.size() - 1);
  const auto below = squares.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(squares.begin(), below, squares.end());
  const double low = std::sqrt(*below);
  if (below + 1 == squares.end()) return low;
  const double high = std::sqrt(*std::min_element(below + 1, squares.end()));
  return low + (rank - std::floor(rank)) * (high - low);
}

}  // namespace

double hausdorff_95(const cv::Mat& prediction, const cv::Mat& label) {
  const auto foregrounds = Foregrounds::of(prediction, label);
  const cv::Mat predicted = boundary_of_foreground(foregrounds.prediction),
                labelled = boundary_of_foreground(foregrounds.label);
  auto squares = squared_distances(predicted, labelled);
  const auto others = squared_distances(labelled, predicted);
  squares.insert(squares.end(), others.begin(), others.end());
  if (!squares.empty()) return percentile_95(squares);
  const bool neither = cv::countNonZero(predicted) == 0 && cv::countNonZero(labelled) == 0;
  return neither ? 0 : std::hypot(label.rows, label.cols);
}

Metric hausdorff_95_metric() {
  Metric metric;
  metric.columns = {"hausdorff_95"};
  metric.measure = [](const MeasuredImage& image) -> std::vector<double> {
    return {hausdorff_95(image.prediction, image.label)};
  };
  metric.figures = {{"hausdorff_95", "Hausdorff distance, 95th percentile, px", Reduction::kMeanOverImages,
                     [](const auto& columns) { return columns[0]; }}};
  return metric;
}

}  // namespace portraitseg
