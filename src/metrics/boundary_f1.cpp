#include "portraitseg/metrics/boundary_f1.h"

#include <string>

#include "portraitseg/data/edge_band.h"

namespace portraitseg {

PixelCounts boundary_counts(const cv::Mat& prediction, const cv::Mat& label, int kernel) {
  check_masks(prediction, label);
  return PixelCounts::of(prediction, edge_band(label, kernel));
}

Metric boundary_f1_metric(const std::vector<int>& kernels) {
  Metric metric;
  metric.measure = [kernels](const MeasuredImage& image) {
    std::vector<double> columns;
    for (const int kernel : kernels) {
      const auto counts = boundary_counts(image.prediction, image.label, kernel).columns();
      columns.insert(columns.end(), counts.begin(), counts.end());
    }
    return columns;
  };
  for (const int kernel : kernels) {
    const std::string width = std::to_string(kernel);
    const std::size_t first = metric.columns.size();
    for (const char* count : {"tp", "fp", "fn", "tn"}) metric.columns.push_back("band" + width + "_" + count);
    metric.figures.push_back({"boundary_f1_" + width, "boundary F1, band " + width + " px",
                              Reduction::kMeanOverImages, [first](const std::vector<double>& columns) {
                                return 100 * PixelCounts::from(columns, first).f1();
                              }});
    if (kernel != kernels.back()) continue;
    metric.figures.push_back({"band_iou_" + width, "foreground IoU, band " + width + " px",
                              Reduction::kMeanOverImages, [first](const std::vector<double>& columns) {
                                return 100 * PixelCounts::from(columns, first).iou_foreground();
                              }});
  }
  return metric;
}

}  // namespace portraitseg
