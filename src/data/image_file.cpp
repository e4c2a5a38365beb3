#include "portraitseg/data/image_file.h"

#include <cstdint>
#include <string_view>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "bytes.h"
#include "exif.h"
#include "image_size.h"
#include "jpeg_file.h"
#include "png_file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kJpegStart = "\xff\xd8";
constexpr std::string_view kPngStart = "\x89PNG\r\n\x1a\n";
constexpr std::size_t kLargestFile = std::size_t{1} << 30;  // no image has more

cv::Mat decode_by_opencv(const std::string& bytes, int flags, const fs::path& path) {
  check_header(bytes, path);
  const cv::Mat input(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  cv::Mat image;
  try {
    image = cv::imdecode(input, flags);
  } catch (const cv::Exception& e) {
    throw DataError(path, "cannot be decoded: " + e.err);
  }
  if (image.empty()) throw DataError(path, "a damaged image, or one of a kind that cannot be decoded");
  return image;
}

struct Decoded {
  cv::Mat pixels;  ///< upright
  int orientation;
};

Decoded decode(const std::string& bytes, PngPixels wanted, const fs::path& path) {
  if (bytes.empty()) throw DataError(path, "the file is empty");
  if (starts_with(bytes, kJpegStart)) {
    const auto [pixels, orientation] = read_jpeg(bytes, path);
    return {turned_upright(pixels, orientation), orientation};
  }
  if (starts_with(bytes, kPngStart)) {
    const auto [pixels, orientation] = read_png(bytes, wanted, path);
    return {turned_upright(pixels, orientation), orientation};
  }
  const int flags = wanted == PngPixels::kImage ? cv::IMREAD_ANYCOLOR : cv::IMREAD_UNCHANGED;
  return {decode_by_opencv(bytes, flags, path), 1};
}

bool is_constant(const cv::Mat& channel) {
  double smallest = 0, largest = 0;
  cv::minMaxLoc(channel, &smallest, &largest);
  return smallest == largest;
}

/// The one channel of a mask that is stored with three or four. @throws DataError for colours.
cv::Mat grey_of(const cv::Mat& mask, const fs::path& path) {
  std::vector<cv::Mat> channels;
  cv::split(mask, channels);
  if (channels.size() < 3 || cv::norm(channels[0], channels[1], cv::NORM_INF) > 0 ||
      cv::norm(channels[0], channels[2], cv::NORM_INF) > 0) {
    throw DataError(path, "a mask in colours; expected one channel with the values themselves");
  }
  if (channels.size() == 4 && cv::countNonZero(channels[0]) == 0 && !is_constant(channels[3]))
    throw DataError(path,
                    "a mask that is black but for its alpha channel; expected the values in the pixels");
  return channels[0];
}

}  // namespace

StoredImage read_stored_image(const fs::path& path) {
  const auto [pixels, orientation] = decode(read_file(path, kLargestFile), PngPixels::kImage, path);
  StoredImage image{pixels, pixels.channels(), orientation};
  if (image.channels == 1) cv::cvtColor(pixels, image.bgr, cv::COLOR_GRAY2BGR);
  return image;
}

cv::Mat read_image(const fs::path& path) {
  return read_stored_image(path).bgr;
}

cv::Mat read_mask_values(const fs::path& path) {
  cv::Mat mask = decode(read_file(path, kLargestFile), PngPixels::kIndices, path).pixels;
  if (mask.depth() != CV_8U && mask.depth() != CV_16U)
    throw DataError(path, "a mask has 8 or 16 bits a pixel");
  if (mask.channels() > 1) mask = grey_of(mask, path);
  if (mask.depth() == CV_8U) return mask;
  double largest = 0;
  cv::minMaxLoc(mask, nullptr, &largest);
  if (largest > 255) {
    throw DataError(path, "mask value " + std::to_string(static_cast<int>(largest)) + " is above 255");
  }
  mask.convertTo(mask, CV_8U);
  return mask;
}

cv::Mat read_alpha(const fs::path& path) {
  const cv::Mat image = decode(read_file(path, kLargestFile), PngPixels::kStored, path).pixels;
  if (image.type() != CV_8UC4)
    throw DataError(path, "no alpha channel of 8 bits; it has " + std::to_string(image.channels()) +
                              " channels of " + std::to_string(8 * image.elemSize1()) + " bits");
  cv::Mat alpha;
  cv::extractChannel(image, alpha, 3);
  return alpha;
}

cv::Mat decode_image(const std::string& bytes, const fs::path& path) {
  return decode(bytes, PngPixels::kStored, path).pixels;
}

}  // namespace portraitseg
