#include "portraitseg/data/smooth_label.h"

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/mask_encoding.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

cv::Mat smooth_label(const cv::Mat& label, int kernel) {
  if (label.type() != CV_8UC1 || label.empty()) {
    throw std::invalid_argument("smooth_label: the label must be CV_8UC1 and not empty");
  }
  if (kernel < 0 || (kernel > 0 && kernel % 2 == 0)) {
    throw std::invalid_argument("smooth_label: kernel " + std::to_string(kernel) + " is not odd");
  }
  if (kernel < 2) return label.clone();

  std::array<bool, 256> present{};
  mark_values(label, present);
  cv::Mat smoothed = label.clone();
  cv::Mat most = cv::Mat::zeros(label.size(), CV_16UC1);
  for (int value = 0; value < kIgnore; ++value) {
    if (!present[static_cast<std::size_t>(value)]) continue;
    cv::Mat votes;
    cv::boxFilter((label == value) / 255, votes, CV_16U, {kernel, kernel}, {-1, -1}, false);
    smoothed.setTo(value, votes > most);
    cv::max(most, votes, most);
  }
  if (present[kIgnore]) smoothed.setTo(kIgnore, label == kIgnore);
  return smoothed;
}

}  // namespace portraitseg
