#include "portraitseg/metrics/boundary_f1.h"

#include "portraitseg/data/edge_band.h"

namespace portraitseg {

PixelCounts boundary_counts(const cv::Mat& prediction, const cv::Mat& label, int kernel) {
  check_masks(prediction, label);
  return PixelCounts::of(prediction, edge_band(label, kernel));
}

}  // namespace portraitseg
