#include "portraitseg/metrics/trimap_iou.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/boundary_distance.h"

namespace portraitseg {
namespace {

void check_widths(const std::vector<int>& widths) {
  int last = 0;
  for (const int width : widths) {
    if (width <= last)
      throw std::invalid_argument("trimap widths must ascend from 1, but " + std::to_string(width) +
                                  " follows " + std::to_string(last));
    last = width;
  }
}

/// For each squared distance within the widest band, which band is the first to hold it.
std::vector<std::size_t> first_bands(const std::vector<int>& widths) {
  std::vector<std::size_t> first;
  for (std::size_t i = 0; i < widths.size(); ++i)
    first.resize(static_cast<std::size_t>(widths[i]) * static_cast<std::size_t>(widths[i]), i);
  return first;
}

}  // namespace

std::vector<PixelCounts> trimap_counts(const cv::Mat& prediction, const cv::Mat& label,
                                       const std::vector<int>& widths) {
  check_masks(prediction, label);
  check_widths(widths);
  std::vector<PixelCounts> counts(widths.size());
  const cv::Mat distance = squared_distance(boundary_of_both_sides(label));
  if (distance.empty()) return counts;

  const auto first = first_bands(widths);
  for (int y = 0; y < label.rows; ++y) {
    const auto* p = prediction.ptr<std::uint8_t>(y);
    const auto* l = label.ptr<std::uint8_t>(y);
    const auto* d2 = distance.ptr<std::int32_t>(y);
    for (int x = 0; x < label.cols; ++x) {
      if (static_cast<std::size_t>(d2[x]) >= first.size() || l[x] == kIgnore) continue;
      PixelCounts& ring = counts[first[static_cast<std::size_t>(d2[x])]];
      ++(l[x] == 1 ? (p[x] == 1 ? ring.tp : ring.fn) : (p[x] == 1 ? ring.fp : ring.tn));
    }
  }
  for (std::size_t i = 1; i < counts.size(); ++i) counts[i] += counts[i - 1];
  return counts;
}

Metric trimap_iou_metric(const std::vector<int>& widths) {
  check_widths(widths);
  Metric metric;
  metric.measure = [widths](const MeasuredImage& image) {
    std::vector<double> columns;
    for (const PixelCounts& counts : trimap_counts(image.prediction, image.label, widths)) {
      const auto one = counts.columns();
      columns.insert(columns.end(), one.begin(), one.end());
    }
    return columns;
  };
  for (const int width : widths) {
    const std::string text = std::to_string(width);
    const std::size_t first = metric.columns.size();
    for (const char* count : {"tp", "fp", "fn", "tn"})
      metric.columns.push_back("trimap_" + text + "_" + count);
    metric.figures.push_back(
        {"trimap_iou_" + text, "trimap IoU, " + text + " px to each side of the boundary",
         Reduction::kMeanOverImages, [first](const std::vector<double>& columns) {
           const auto counts = PixelCounts::from(columns, first);
           const bool has_band = counts.tp + counts.fn > 0;
           return has_band ? 100 * counts.iou_foreground() : std::numeric_limits<double>::quiet_NaN();
         }});
  }
  return metric;
}

}  // namespace portraitseg
