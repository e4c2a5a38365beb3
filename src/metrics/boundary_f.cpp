#include "portraitseg/metrics/boundary_f.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "portraitseg/metrics/boundary_distance.h"

namespace portraitseg {
namespace {

constexpr double kShareOfDiagonal = 0.008;
constexpr double kWithoutContour = 1;

cv::Mat contour(const cv::Mat& foreground) {
  cv::Mat contour;  // OpenCV's default border makes no edge at the border of the image
  cv::morphologyEx(foreground, contour, cv::MORPH_GRADIENT, cv::Mat::ones(2, 2, CV_8UC1), {0, 0});
  return contour;
}

std::int64_t count_within(const std::vector<std::int64_t>& squared_distances, std::int64_t tolerance) {
  return std::count_if(squared_distances.begin(), squared_distances.end(),
                       [&](std::int64_t squared) { return squared <= tolerance * tolerance; });
}

}  // namespace

BoundaryMatch match_contours(const cv::Mat& prediction, const cv::Mat& label) {
  const auto foregrounds = Foregrounds::of(prediction, label);
  const cv::Mat predicted = contour(foregrounds.prediction), labelled = contour(foregrounds.label);
  const auto tolerance =
      static_cast<std::int64_t>(std::ceil(kShareOfDiagonal * std::hypot(label.rows, label.cols)));

  BoundaryMatch match;
  match.predicted = cv::countNonZero(predicted);
  match.predicted_matched = count_within(squared_distances(predicted, labelled), tolerance);
  match.labelled = cv::countNonZero(labelled);
  match.labelled_matched = count_within(squared_distances(labelled, predicted), tolerance);
  return match;
}

Metric boundary_f_metric() {
  Metric metric;
  metric.columns = {"boundary_f_0.8_predicted", "boundary_f_0.8_predicted_matched", "boundary_f_0.8_labelled",
                    "boundary_f_0.8_labelled_matched"};
  metric.measure = [](const MeasuredImage& image) {
    return match_contours(image.prediction, image.label).columns();
  };
  metric.figures = {
      {"boundary_f_0.8", "boundary F (DAVIS), 0.8 % of the diagonal", Reduction::kMeanOverImages,
       [](const auto& columns) { return 100 * BoundaryMatch::from(columns).f1(kWithoutContour); }}};
  return metric;
}

}  // namespace portraitseg
