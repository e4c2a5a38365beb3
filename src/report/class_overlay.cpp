#include "portraitseg/report/class_overlay.h"

#include <array>
#include <cstdint>

#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

/// BGR, by class index from 1; they repeat.
const std::array<cv::Vec3b, 18> kColors = {{{90, 200, 60},
                                            {230, 90, 30},
                                            {40, 40, 230},
                                            {40, 200, 230},
                                            {200, 60, 200},
                                            {200, 200, 60},
                                            {40, 130, 250},
                                            {190, 170, 255},
                                            {20, 90, 150},
                                            {130, 10, 90},
                                            {0, 120, 60},
                                            {255, 200, 160},
                                            {60, 20, 120},
                                            {150, 250, 190},
                                            {110, 110, 0},
                                            {160, 130, 180},
                                            {30, 60, 20},
                                            {170, 255, 255}}};
const cv::Vec3b kIgnoredColor(128, 128, 128);

/// Is a pixel beside this one of another class? The image's border is no edge.
bool on_outline(const cv::Mat& mask, int y, int x) {
  const auto label = mask.at<std::uint8_t>(y, x);
  const auto differs = [&](int other_y, int other_x) {
    const bool inside = other_y >= 0 && other_x >= 0 && other_y < mask.rows && other_x < mask.cols;
    return inside && mask.at<std::uint8_t>(other_y, other_x) != label;
  };
  return differs(y - 1, x) || differs(y + 1, x) || differs(y, x - 1) || differs(y, x + 1);
}

}  // namespace

cv::Vec3b class_color(std::uint8_t label) {
  return label == kIgnore ? kIgnoredColor : kColors[(label - 1U) % kColors.size()];
}

cv::Mat class_overlay(const cv::Mat& image, const cv::Mat& mask) {
  cv::Mat picture;
  image.convertTo(picture, CV_8U);
  if (picture.data == image.data) picture = image.clone();
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      const auto label = mask.at<std::uint8_t>(y, x);
      if (label == 0) continue;
      const cv::Vec3b tint = class_color(label);
      auto& pixel = picture.at<cv::Vec3b>(y, x);
      const bool outline = on_outline(mask, y, x);
      for (int c = 0; c < 3; ++c)
        pixel[c] = outline ? tint[c] : static_cast<std::uint8_t>((3 * pixel[c] + tint[c]) / 4);
    }
  }
  return picture;
}

}  // namespace portraitseg
