#include "portraitseg/data/photometric.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include <opencv2/core.hpp>

namespace portraitseg {
namespace {

// The loops below run over rows, and the compiler makes vector instructions of them: their pointers are __restrict,
// as bytes may alias everything.

/// out = degenerate + factor * (image - degenerate), truncated and clipped, in single precision as Pillow computes it.
/// The file is compiled without contraction: fused multiplication and addition would round differently.
void blend(const std::uint8_t* __restrict degenerate, const std::uint8_t* __restrict image, float factor,
           std::uint8_t* __restrict out, int count) {
  for (int i = 0; i < count; ++i) {
    const float value =
        static_cast<float>(degenerate[i]) + factor * static_cast<float>(image[i] - degenerate[i]);
    out[i] = static_cast<std::uint8_t>(static_cast<int>(std::min(std::max(value, 0.0F), 255.0F)));
  }
}

/// ITU-R 601-2 luma in 16-bit fixed point.
int grey_level(const std::uint8_t* bgr) {
  return (19595 * bgr[2] + 38470 * bgr[1] + 7471 * bgr[0] + 0x8000) >> 16;
}

/// The grey level of each pixel of a row, three times.
void grey_row(const std::uint8_t* __restrict bgr, std::uint8_t* __restrict grey, int pixels) {
  for (int x = 0; x < 3 * pixels; x += 3) {
    const auto level = static_cast<std::uint8_t>(grey_level(bgr + x));
    grey[x] = grey[x + 1] = grey[x + 2] = level;
  }
}

/// The image blended with one level everywhere.
cv::Mat blend_with_level(const cv::Mat& image, int level, double factor) {
  std::array<std::uint8_t, 256> levels{}, values{};
  levels.fill(static_cast<std::uint8_t>(level));
  std::iota(values.begin(), values.end(), std::uint8_t{0});
  cv::Mat table(1, 256, CV_8U), result;
  blend(levels.data(), values.data(), static_cast<float>(factor), table.ptr(), 256);
  cv::LUT(image, table, result);
  return result;
}

/// sums = above + here + below
void add_rows(const std::uint8_t* __restrict above, const std::uint8_t* __restrict here,
              const std::uint8_t* __restrict below, std::uint16_t* __restrict sums, int count) {
  for (int i = 0; i < count; ++i) sums[i] = static_cast<std::uint16_t>(above[i] + here[i] + below[i]);
}

/// (3 x 3 neighbours + 4 times the pixel itself) / 13, rounded, but for the first and last pixel of the row. 13 is odd, so
/// there are no ties, and Pillow's float sum rounds to the same integer.
/// @param columns sums of three rows   @param count 3 times the pixels
void smooth_row(const std::uint16_t* __restrict columns, const std::uint8_t* __restrict here,
                std::uint8_t* __restrict smooth, int count) {
  for (int i = 3; i < count - 3; ++i) {
    const auto sum = static_cast<std::uint16_t>(columns[i - 3] + columns[i] + columns[i + 3] + 4 * here[i]);
    smooth[i] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(2 * sum + 13) / 26);
  }
}

}  // namespace

cv::Mat enhance_color(const cv::Mat& image, double factor) {
  CV_Assert(image.type() == CV_8UC3);
  cv::Mat result(image.size(), CV_8UC3);
  std::vector<std::uint8_t> grey(3 * static_cast<std::size_t>(image.cols));
  for (int y = 0; y < image.rows; ++y) {
    grey_row(image.ptr(y), grey.data(), image.cols);
    blend(grey.data(), image.ptr(y), static_cast<float>(factor), result.ptr(y), 3 * image.cols);
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
  cv::Mat result = image.clone();
  const int count = 3 * image.cols;
  if (image.cols < 3) return result;
  std::vector<std::uint16_t> columns(static_cast<std::size_t>(count));
  std::vector<std::uint8_t> smooth(static_cast<std::size_t>(count));
  for (int y = 1; y + 1 < image.rows; ++y) {
    add_rows(image.ptr(y - 1), image.ptr(y), image.ptr(y + 1), columns.data(), count);
    smooth_row(columns.data(), image.ptr(y), smooth.data(), count);
    blend(smooth.data() + 3, image.ptr(y) + 3, static_cast<float>(factor), result.ptr(y) + 3, count - 6);
  }
  return result;
}

}  // namespace portraitseg
