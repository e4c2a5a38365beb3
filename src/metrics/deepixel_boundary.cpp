#include "portraitseg/metrics/deepixel_boundary.h"

#include <string>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

constexpr int kKernel = 15;
constexpr int kTolerance = 2;

cv::Mat square(int size) {
  return cv::Mat::ones(size, size, CV_8UC1);
}

cv::Mat band(const cv::Mat& foreground, const cv::Mat& counted) {
  cv::Mat band;  // OpenCV's default border makes no edge at the border of the image
  cv::morphologyEx(foreground, band, cv::MORPH_GRADIENT, square(kKernel));
  return band & counted;
}

std::int64_t count_near(const cv::Mat& region, const cv::Mat& other) {
  cv::Mat dilated;
  cv::dilate(other, dilated, square(2 * kTolerance + 1));
  return cv::countNonZero(region & dilated);
}

}  // namespace

DeepixelBoundary DeepixelBoundary::of(const cv::Mat& prediction, const cv::Mat& label) {
  const auto foregrounds = Foregrounds::of(prediction, label);
  const cv::Mat counted = label != kIgnore;
  const cv::Mat predicted = band(foregrounds.prediction, counted),
                labelled = band(foregrounds.label, counted);

  DeepixelBoundary boundary;
  boundary.bands = Overlap::of(predicted, labelled);
  boundary.match.predicted = cv::countNonZero(predicted);
  boundary.match.predicted_matched = count_near(predicted, labelled);
  boundary.match.labelled = cv::countNonZero(labelled);
  boundary.match.labelled_matched = count_near(labelled, predicted);
  return boundary;
}

double DeepixelBoundary::biou() const {
  return bands.either == 0 ? 0.0 : bands.iou();
}

double DeepixelBoundary::bf1() const {
  return match.f1(0);
}

std::vector<double> DeepixelBoundary::columns() const {
  std::vector<double> columns = bands.columns();
  for (const double count : match.columns()) columns.push_back(count);
  return columns;
}

DeepixelBoundary DeepixelBoundary::from(const std::vector<double>& columns) {
  return {Overlap::from(columns), BoundaryMatch::from(columns, 2)};
}

Metric deepixel_boundary_metric() {
  Metric metric;
  for (const char* count :
       {"both", "either", "predicted", "predicted_matched", "labelled", "labelled_matched"})
    metric.columns.push_back(std::string("deepixel_15_") + count);
  metric.measure = [](const MeasuredImage& image) {
    return DeepixelBoundary::of(image.prediction, image.label).columns();
  };
  metric.figures = {{"deepixel_biou_15", "BIoU (Deepixel), bands of 15 px", Reduction::kMeanOverImages,
                     [](const auto& columns) { return 100 * DeepixelBoundary::from(columns).biou(); }},
                    {"deepixel_bf1_15", "boundary F1 (Deepixel), bands of 15 px, tolerance 2 px",
                     Reduction::kMeanOverImages,
                     [](const auto& columns) { return 100 * DeepixelBoundary::from(columns).bf1(); }}};
  return metric;
}

}  // namespace portraitseg
