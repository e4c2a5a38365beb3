#include "portraitseg/data/targets.h"

#include <stdexcept>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/contour.h"
#include "portraitseg/data/edge_band.h"

namespace portraitseg {

const std::vector<std::string>& target_names() {
  static const std::vector<std::string> names = {"label", "edge_band", "contour"};
  return names;
}

cv::Mat label_at_stride(const cv::Mat& label, int stride) {
  if (stride == 1) return label;
  cv::Mat smaller;
  cv::resize(label, smaller, {label.cols / stride, label.rows / stride}, 0, 0, cv::INTER_NEAREST);
  return smaller;
}

cv::Mat make_target(const std::string& name, const cv::Mat& label, std::int64_t edge_kernel) {
  if (name == "label") return label;
  if (name == "edge_band") return edge_band(label, static_cast<int>(edge_kernel));
  if (name == "contour") return contour(label);
  throw std::logic_error("no target named " + name);
}

}  // namespace portraitseg
