#include "portraitseg/metrics/weighted_iou.h"

#include "portraitseg/metrics/boundary_distance.h"
#include "portraitseg/metrics/pixel_counts.h"

#include "by_sigma.h"

namespace portraitseg {

std::vector<double> weighted_iou(const cv::Mat& prediction, const cv::Mat& label,
                                 const std::vector<double>& sigmas) {
  check_masks(prediction, label);
  OverlapByDistance overlap;  // stays empty, and the IoU 1, for a label without boundary
  const cv::Mat distance = squared_distance(boundary_of_both_sides(label));
  if (!distance.empty()) overlap = OverlapByDistance::of(prediction, label, distance);

  std::vector<double> result;
  for (const double sigma : sigmas) result.push_back(overlap.weighted_iou(sigma));
  return result;
}

Metric weighted_iou_metric(const std::vector<double>& sigmas) {
  return metric_by_sigma("weighted_iou", "weighted IoU", sigmas, weighted_iou);
}

}  // namespace portraitseg
