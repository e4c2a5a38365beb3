#include "portraitseg/data/distortion.h"

#include <algorithm>

#include <opencv2/imgproc.hpp>

namespace portraitseg {
namespace {

constexpr double kProbability = 0.5;  // of each step; the reference has no option for it
constexpr int kHues = 180;            // of OpenCV's 8-bit HSV

void read_factors(Fields& f, const char* name, std::vector<double>& factors, const char* doc) {
  f(name, factors, doc, {0, 10});
  f.check(factors.size() == 2 && factors[0] <= factors[1], name, "expected [low, high]");
}

/// The value that each byte becomes: value * factor + offset in single precision, clipped and truncated.
cv::Mat linear_table(double factor, double offset) {
  cv::Mat table(1, 256, CV_8UC1);
  for (int value = 0; value < 256; ++value) {
    const float changed = static_cast<float>(value) * static_cast<float>(factor) + static_cast<float>(offset);
    table.at<std::uint8_t>(value) = static_cast<std::uint8_t>(std::clamp(changed, 0.0F, 255.0F));
  }
  return table;
}

cv::Mat hue_table(int change) {
  cv::Mat table(1, 256, CV_8UC1);
  for (int value = 0; value < 256; ++value) {
    table.at<std::uint8_t>(value) = static_cast<std::uint8_t>(((value + change) % kHues + kHues) % kHues);
  }
  return table;
}

cv::Mat look_up(const cv::Mat& image, const cv::Mat& table) {
  cv::Mat result;
  cv::LUT(image, table, result);
  return result;
}

/// Changes one channel of the image in HSV: 0 hue, 1 saturation.
cv::Mat look_up_in_hsv(const cv::Mat& image, int channel, const cv::Mat& table) {
  cv::Mat hsv, plane, result;
  cv::cvtColor(image, hsv, cv::COLOR_BGR2HSV);
  cv::extractChannel(hsv, plane, channel);
  cv::insertChannel(look_up(plane, table), hsv, channel);
  cv::cvtColor(hsv, result, cv::COLOR_HSV2BGR);
  return result;
}

}  // namespace

void DistortionOptions::fields(Fields& f) {
  f("enabled", enabled, "each step is then applied with probability 0.5");
  f("brightness", brightness, "largest change to either side, grey levels", {0, 255});
  read_factors(f, "contrast", contrast, "smallest and largest factor of all pixels");
  read_factors(f, "saturation", saturation, "smallest and largest factor of the saturation");
  f("hue", hue, "largest change to either side, half degrees", {0, 90});
}

DistortionDraws draw_distortion(const DistortionOptions& options, Random& random) {
  const auto draw = [&](auto draw_value) {  // the value is drawn even if it is not applied
    const bool applied = random.uniform() >= 1 - kProbability;
    const auto value = draw_value();
    return applied && options.enabled ? std::make_optional(value) : std::nullopt;
  };
  DistortionDraws draws;
  draws.brightness = draw([&] { return random.uniform(-options.brightness, options.brightness); });
  draws.contrast_first = random.uniform() >= 0.5;
  draws.contrast = draw([&] { return random.uniform(options.contrast.at(0), options.contrast.at(1)); });
  draws.saturation = draw([&] { return random.uniform(options.saturation.at(0), options.saturation.at(1)); });
  draws.hue = draw([&] {
    return static_cast<int>(random.integer(-options.hue, std::max(-options.hue, options.hue - 1)));
  });
  return draws;
}

cv::Mat distort(const cv::Mat& image, const DistortionDraws& draws) {
  CV_Assert(image.type() == CV_8UC3 && !image.empty());
  cv::Mat result = image;
  const auto change_contrast = [&] {
    if (draws.contrast) result = look_up(result, linear_table(*draws.contrast, 0));
  };
  if (draws.brightness) result = look_up(result, linear_table(1, *draws.brightness));
  if (draws.contrast_first) change_contrast();
  if (draws.saturation) result = look_up_in_hsv(result, 1, linear_table(*draws.saturation, 0));
  if (draws.hue) result = look_up_in_hsv(result, 0, hue_table(*draws.hue));
  if (!draws.contrast_first) change_contrast();
  return result;
}

}  // namespace portraitseg
