#include "portraitseg/data/contour.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

cv::Mat outlines(const cv::Mat& foreground, int thickness) {
  std::vector<std::vector<cv::Point>> found;
  cv::findContours(foreground, found, cv::RETR_TREE, cv::CHAIN_APPROX_SIMPLE);
  cv::Mat drawn = cv::Mat::zeros(foreground.size(), CV_8UC1);
  cv::drawContours(drawn, found, -1, cv::Scalar(1), thickness);
  return drawn;
}

}  // namespace

cv::Mat contour(const cv::Mat& label, int thickness) {
  if (label.type() != CV_8UC1 || label.empty()) {
    throw std::invalid_argument("contour: the label must be CV_8UC1 and not empty");
  }
  if (thickness < 1) {
    throw std::invalid_argument("contour: thickness " + std::to_string(thickness) + " is below 1");
  }
  const cv::Mat ignored = label == kIgnore;
  const cv::Mat foreground = (label != 0) & ~ignored;
  cv::Mat target = outlines(foreground, thickness);
  if (cv::countNonZero(ignored) == 0) return target;
  const cv::Mat other = outlines(foreground | ignored, thickness);
  target.setTo(kIgnore, ignored | (target != other));
  return target;
}

}  // namespace portraitseg
