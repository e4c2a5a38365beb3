#include "portraitseg/data/targets.h"

#include <stdexcept>
#include <tuple>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/contour.h"
#include "portraitseg/data/edge_band.h"

namespace portraitseg {

const std::vector<std::string>& target_names() {
  static const std::vector<std::string> names = {"label", "edge_band", "contour"};
  return names;
}

bool operator<(const Target& a, const Target& b) {
  return std::tie(a.name, a.stride, a.edge_kernel) < std::tie(b.name, b.stride, b.edge_kernel);
}

cv::Mat label_at_stride(const cv::Mat& label, int stride) {
  if (stride == 1) return label;
  cv::Mat smaller;
  cv::resize(label, smaller, {label.cols / stride, label.rows / stride}, 0, 0, cv::INTER_NEAREST);
  return smaller;
}

cv::Mat make_target(const Target& target, const cv::Mat& label, std::int64_t edge_kernel) {
  const cv::Mat own = label_at_stride(label, static_cast<int>(target.stride));
  const std::int64_t kernel = target.edge_kernel > 0 ? target.edge_kernel : edge_kernel;
  if (target.name == "label") return own;
  if (target.name == "edge_band") return edge_band(own, static_cast<int>(kernel));
  if (target.name == "contour") return contour(own);
  throw std::logic_error("no target named " + target.name);
}

}  // namespace portraitseg
