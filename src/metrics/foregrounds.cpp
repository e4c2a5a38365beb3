#include "portraitseg/metrics/foregrounds.h"

#include <opencv2/core.hpp>

#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/pixel_counts.h"

namespace portraitseg {
namespace {

std::vector<double> as_columns(const std::vector<std::int64_t>& counts) {
  return {counts.begin(), counts.end()};
}

/// Counts are whole numbers, and a double holds them exactly.
std::int64_t count(const std::vector<double>& columns, std::size_t index) {
  return static_cast<std::int64_t>(columns.at(index));
}

}  // namespace

Foregrounds Foregrounds::of(const cv::Mat& prediction, const cv::Mat& label) {
  check_masks(prediction, label);
  return {(prediction == 1) & (label != kIgnore) & 1, (label == 1) & 1};
}

Overlap Overlap::of(const cv::Mat& a, const cv::Mat& b) {
  return {cv::countNonZero(a & b), cv::countNonZero(a | b)};
}

double Overlap::iou() const {
  return either == 0 ? 1.0 : static_cast<double>(both) / static_cast<double>(either);
}

std::vector<double> Overlap::columns() const {
  return as_columns({both, either});
}

Overlap Overlap::from(const std::vector<double>& columns) {
  return {count(columns, 0), count(columns, 1)};
}

double BoundaryMatch::f1(double without) const {
  if (predicted == 0 && labelled == 0) return without;
  if (predicted_matched == 0 || labelled_matched == 0) return 0;
  const double precision = static_cast<double>(predicted_matched) / static_cast<double>(predicted);
  const double recall = static_cast<double>(labelled_matched) / static_cast<double>(labelled);
  return 2 * precision * recall / (precision + recall);
}

std::vector<double> BoundaryMatch::columns() const {
  return as_columns({predicted, predicted_matched, labelled, labelled_matched});
}

BoundaryMatch BoundaryMatch::from(const std::vector<double>& columns, std::size_t first) {
  return {count(columns, first), count(columns, first + 1), count(columns, first + 2),
          count(columns, first + 3)};
}

}  // namespace portraitseg
