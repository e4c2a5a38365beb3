#include "portraitseg/data/photometric.h"

#include <array>
#include <cstdint>

#include <opencv2/core.hpp>

namespace portraitseg {
namespace {

/// degenerate + factor * (image - degenerate) for bytes, in single precision as Pillow computes it. The
/// products come from a table: a compiler that fuses multiplication and addition would round differently.
class Blend {
 public:
  explicit Blend(double factor) {
    for (int i = 0; i < 511; ++i) steps_[i] = static_cast<float>(factor) * static_cast<float>(i - 255);
  }

  std::uint8_t operator()(int degenerate, int image) const {
    const float value = static_cast<float>(degenerate) + steps_[image - degenerate + 255];
    if (value <= 0.0F) return 0;
    return value >= 255.0F ? 255 : static_cast<std::uint8_t>(value);
  }

 private:
  std::array<float, 511> steps_;
};

/// ITU-R 601-2 luma in 16-bit fixed point.
int grey_level(const std::uint8_t* bgr) {
  return (19595 * bgr[2] + 38470 * bgr[1] + 7471 * bgr[0] + 0x8000) >> 16;
}

/// The image blended with one level everywhere.
cv::Mat blend_with_level(const cv::Mat& image, int level, double factor) {
  const Blend blend(factor);
  cv::Mat table(1, 256, CV_8U);
  for (int value = 0; value < 256; ++value) table.at<std::uint8_t>(value) = blend(level, value);
  cv::Mat result;
  cv::LUT(image, table, result);
  return result;
}

}  // namespace

cv::Mat enhance_color(const cv::Mat& image, double factor) {
  CV_Assert(image.type() == CV_8UC3);
  const Blend blend(factor);
  cv::Mat result(image.size(), CV_8UC3);
  for (int y = 0; y < image.rows; ++y) {
    const auto* in = image.ptr<std::uint8_t>(y);
    auto* out = result.ptr<std::uint8_t>(y);
    for (int x = 0; x < 3 * image.cols; x += 3) {
      const int grey = grey_level(in + x);
      for (int c = x; c < x + 3; ++c) out[c] = blend(grey, in[c]);
    }
  }
  return result;
}

cv::Mat enhance_brightness(const cv::Mat& image, double factor) {
  CV_Assert(image.type() == CV_8UC3);
  return blend_with_level(image, 0, factor);
}

cv::Mat enhance_contrast(const cv::Mat& image, double factor) {
  CV_Assert(image.type() == CV_8UC3 && !image.empty());
  std::int64_t sum = 0;
  for (int y = 0; y < image.rows; ++y) {
    const auto* in = image.ptr<std::uint8_t>(y);
    for (int x = 0; x < 3 * image.cols; x += 3) sum += grey_level(in + x);
  }
  const auto count = static_cast<std::int64_t>(image.total());
  return blend_with_level(image, static_cast<int>((2 * sum + count) / (2 * count)), factor);
}

cv::Mat enhance_sharpness(const cv::Mat& image, double factor) {
  CV_Assert(image.type() == CV_8UC3);
  const Blend blend(factor);
  cv::Mat result = image.clone();
  for (int y = 1; y + 1 < image.rows; ++y) {
    const auto* above = image.ptr<std::uint8_t>(y - 1);
    const auto* in = image.ptr<std::uint8_t>(y);
    const auto* below = image.ptr<std::uint8_t>(y + 1);
    auto* out = result.ptr<std::uint8_t>(y);
    for (int x = 3; x < 3 * (image.cols - 1); ++x) {
      const int sum = above[x - 3] + above[x] + above[x + 3] + in[x - 3] + 5 * in[x] + in[x + 3] +
                      below[x - 3] + below[x] + below[x + 3];
      // sum / 13 rounded. 13 is odd, so there are no ties, and Pillow's float sum rounds to the same integer.
      out[x] = blend((2 * sum + 13) / 26, in[x]);
    }
  }
  return result;
}

}  // namespace portraitseg
