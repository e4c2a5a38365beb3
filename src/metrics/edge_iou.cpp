#include "portraitseg/metrics/edge_iou.h"

#include "portraitseg/metrics/boundary_distance.h"
#include "portraitseg/metrics/pixel_counts.h"

#include "by_sigma.h"

namespace portraitseg {

std::vector<double> edge_iou(const cv::Mat& prediction, const cv::Mat& label,
                             const std::vector<double>& sigmas) {
  check_masks(prediction, label);
  OverlapByDistance overlap;  // stays empty, and the IoU 1, for a label without foreground
  const cv::Mat distance = squared_distance(boundary_of_foreground(label));
  if (!distance.empty()) {
    // Eq. 12: the weight is 0 on the label's background, which is the same as predicting nothing there.
    const cv::Mat weighted_prediction = prediction & (label == 1);
    overlap = OverlapByDistance::of(weighted_prediction, label, distance);
  }

  std::vector<double> result;
  for (const double sigma : sigmas) result.push_back(overlap.weighted_iou(sigma));
  return result;
}

Metric edge_iou_metric(const std::vector<double>& sigmas) {
  return metric_by_sigma("edge_iou", "edge IoU", sigmas, edge_iou);
}

}  // namespace portraitseg
