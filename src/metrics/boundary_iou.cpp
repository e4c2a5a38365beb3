#include "portraitseg/metrics/boundary_iou.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

namespace portraitseg {
namespace {

constexpr double kShareOfDiagonal = 0.02;

cv::Mat near_boundary(const cv::Mat& foreground, int distance) {
  const cv::Mat square = cv::Mat::ones(2 * distance + 1, 2 * distance + 1, CV_8UC1);
  cv::Mat interior;
  cv::erode(foreground, interior, square, {-1, -1}, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
  return foreground - interior;
}

}  // namespace

Overlap boundary_overlap(const cv::Mat& prediction, const cv::Mat& label) {
  const auto foregrounds = Foregrounds::of(prediction, label);
  const double diagonal = std::hypot(label.rows, label.cols);
  const int distance = std::max(1, static_cast<int>(std::nearbyint(kShareOfDiagonal * diagonal)));
  return Overlap::of(near_boundary(foregrounds.prediction, distance),
                     near_boundary(foregrounds.label, distance));
}

Metric boundary_iou_metric() {
  Metric metric;
  metric.columns = {"boundary_iou_2_both", "boundary_iou_2_either"};
  metric.measure = [](const MeasuredImage& image) {
    return boundary_overlap(image.prediction, image.label).columns();
  };
  metric.figures = {{"boundary_iou_2", "Boundary IoU, 2 % of the diagonal", Reduction::kMeanOverImages,
                     [](const auto& columns) { return 100 * Overlap::from(columns).iou(); }}};
  return metric;
}

}  // namespace portraitseg
