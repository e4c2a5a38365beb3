#include "portraitseg/data/edge_band.h"

#include <stdexcept>
#include <string>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/sample.h"

namespace portraitseg {

cv::Mat edge_band(const cv::Mat& mask, int kernel) {
  if (mask.type() != CV_8UC1 || mask.empty()) {
    throw std::invalid_argument("edge_band: the mask must be CV_8UC1 and not empty");
  }
  if (kernel < 1) throw std::invalid_argument("edge_band: kernel " + std::to_string(kernel) + " is below 1");

  const cv::Mat foreground = (mask != 0) & (mask != kIgnore);
  cv::Mat band;  // dilation minus erosion; OpenCV's default border adds no edge at the border of the image
  cv::morphologyEx(foreground, band, cv::MORPH_GRADIENT, cv::Mat::ones(kernel, kernel, CV_8UC1));

  cv::Mat target(mask.size(), CV_8UC1, cv::Scalar(kIgnore));
  mask.copyTo(target, band);  // a kIgnore pixel inside the band is copied as kIgnore
  return target;
}

}  // namespace portraitseg
