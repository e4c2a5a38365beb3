#include "portraitseg/metrics/wiou31.h"

#include <cstdint>
#include <cstdlib>

#include <opencv2/imgproc.hpp>

namespace portraitseg {
namespace {

constexpr int kKernel = 31;
constexpr int kArea = kKernel * kKernel;

}  // namespace

Overlap weighted_overlap_31(const cv::Mat& prediction, const cv::Mat& label) {
  const auto foregrounds = Foregrounds::of(prediction, label);
  cv::Mat around;  // foreground pixels in the window
  cv::boxFilter(foregrounds.label, around, CV_32S, {kKernel, kKernel}, {-1, -1}, false, cv::BORDER_CONSTANT);

  Overlap overlap;
  for (int y = 0; y < label.rows; ++y) {
    const auto* p = foregrounds.prediction.ptr<std::uint8_t>(y);
    const auto* g = foregrounds.label.ptr<std::uint8_t>(y);
    const auto* window = around.ptr<std::int32_t>(y);
    std::int32_t both = 0,
                 either = 0;  // of one row: a weight is at most 6 * 961, and a row has less than 2^18 pixels
    for (int x = 0; x < label.cols; ++x) {
      const std::int32_t weight = kArea + 5 * std::abs(window[x] - (g[x] != 0 ? kArea : 0));
      both += (p[x] & g[x]) != 0 ? weight : 0;
      either += (p[x] | g[x]) != 0 ? weight : 0;
    }
    overlap.both += both;
    overlap.either += either;
  }
  return overlap;
}

Metric wiou31_metric() {
  Metric metric;
  metric.columns = {"wiou31_both", "wiou31_either"};
  metric.measure = [](const MeasuredImage& image) {
    return weighted_overlap_31(image.prediction, image.label).columns();
  };
  metric.figures = {{"wiou31", "boundary-weighted IoU (F3Net), window 31 px", Reduction::kMeanOverImages,
                     [](const auto& columns) { return 100 * Overlap::from(columns).iou(); }}};
  return metric;
}

}  // namespace portraitseg
