#include "portraitseg/data/image_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kJpegStart = "\xff\xd8";
constexpr std::string_view kPngStart = "\x89PNG\r\n\x1a\n";

bool starts_with(std::string_view bytes, std::string_view start) {
  return bytes.substr(0, start.size()) == start;
}

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

/// CRC-32 of the PNG specification, annex D.
std::uint32_t crc32(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t n = 0; n < 256; ++n) {
      t[n] = n;
      for (int bit = 0; bit < 8; ++bit) t[n] = (t[n] >> 1) ^ ((t[n] & 1) != 0 ? 0xedb88320U : 0);
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffffU;
  for (const char byte : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

/// libjpeg fills what is missing with grey and goes on, so the end has to be looked for (ITU-T T.81, annex
/// B): a marker is 0xff and a code; outside the entropy-coded data a segment follows whose length is known,
/// which steps over thumbnails; inside that data 0xff00 stands for 0xff and the restart markers d0..d7 have
/// no segment.
void check_jpeg(std::string_view bytes, const fs::path& path) {
  constexpr unsigned char kEndOfImage = 0xd9, kStartOfScan = 0xda;
  bool scanned = false;
  std::size_t at = kJpegStart.size();
  while ((at = bytes.find('\xff', at)) != std::string_view::npos && at + 1 < bytes.size()) {
    const auto code = static_cast<unsigned char>(bytes[at + 1]);
    if (code == kEndOfImage && scanned) return;
    if (code == kEndOfImage) throw DataError(path, "JPEG without image data");
    if (code == 0xff) {  // fill byte
      at += 1;
    } else if (code <= 0x01 || (code >= 0xd0 && code <= 0xd8)) {
      at += 2;
    } else {
      if (at + 4 > bytes.size()) break;
      scanned = scanned || code == kStartOfScan;
      at += 2 + big_endian(bytes.substr(at + 2, 2));
    }
  }
  throw DataError(path, "truncated JPEG: it ends before the end-of-image marker");
}

std::string png_chunk(std::string_view type, std::string_view data) {
  const std::string body = std::string(type).append(data);
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(crc32(body));
}

bool is_grey_palette(std::string_view palette) {
  for (std::size_t i = 0; i + 2 < palette.size(); i += 3) {
    if (palette[i] != palette[i + 1] || palette[i] != palette[i + 2]) return false;
  }
  return true;
}

/// A palette that decodes every index to itself.
std::string index_palette() {
  std::string palette;
  for (int i = 0; i < 256; ++i) palette.append(3, static_cast<char>(i));
  return palette;
}

enum class Palette { kColors, kIndices };

/// The PNG with all chunks checked, so that libpng finds nothing to complain about on stderr. Colour profiles
/// are left out: OpenCV does not use them, and libpng warns about many that are common.
std::string checked_png(std::string_view bytes, Palette palette, const fs::path& path) {
  std::string result(kPngStart);
  int bit_depth = 8;
  for (std::size_t at = kPngStart.size(); at + 12 <= bytes.size();) {
    const std::size_t length = big_endian(bytes.substr(at, 4));
    if (length > bytes.size() - at - 12) break;
    const std::string_view type = bytes.substr(at + 4, 4), data = bytes.substr(at + 8, length);
    if (crc32(bytes.substr(at + 4, 4 + length)) != big_endian(bytes.substr(at + 8 + length, 4))) {
      throw DataError(path, "corrupt PNG: wrong checksum at byte " + std::to_string(at));
    }
    if (type == "IHDR" && length == 13)
      bit_depth = std::min(8, static_cast<int>(static_cast<unsigned char>(data[8])));
    if (type == "PLTE" && palette == Palette::kIndices && !is_grey_palette(data)) {
      result += png_chunk(type, index_palette().substr(0, std::size_t{3} << bit_depth));
    } else if (type != "iCCP") {
      result += bytes.substr(at, 12 + length);
    }
    if (type == "IEND") return result;
    at += 12 + length;
  }
  throw DataError(path, "truncated PNG: it ends before its last chunk");
}

cv::Mat decode(std::string bytes, int flags, Palette palette, const fs::path& path) {
  if (bytes.empty()) throw DataError(path, "the file is empty");
  if (starts_with(bytes, kJpegStart)) check_jpeg(bytes, path);
  if (starts_with(bytes, kPngStart)) bytes = checked_png(bytes, palette, path);
  cv::Mat image;
  try {
    image = cv::imdecode(cv::Mat(1, static_cast<int>(bytes.size()), CV_8U, bytes.data()), flags);
  } catch (const cv::Exception& e) {
    throw DataError(path, "cannot be decoded: " + e.err);
  }
  if (image.empty()) throw DataError(path, "not an image that can be decoded, or a damaged one");
  return image;
}

cv::Mat to_8_bits(cv::Mat mask, const fs::path& path) {
  if (mask.channels() == 3) cv::cvtColor(mask, mask, cv::COLOR_BGR2GRAY);
  if (mask.channels() == 4) cv::cvtColor(mask, mask, cv::COLOR_BGRA2GRAY);
  double largest = 0;
  cv::minMaxLoc(mask, nullptr, &largest);
  if (largest > 255) {
    throw DataError(path, "mask value " + std::to_string(static_cast<int>(largest)) + " is above 255");
  }
  mask.convertTo(mask, CV_8U);
  return mask;
}

cv::Mat read_stored_mask(const fs::path& path) {
  cv::Mat mask = decode(read_file(path), cv::IMREAD_UNCHANGED, Palette::kIndices, path);
  if (mask.depth() != CV_8U && mask.depth() != CV_16U)
    throw DataError(path, "a mask has 8 or 16 bits a pixel");
  return mask;
}

}  // namespace

cv::Mat read_image(const fs::path& path) {
  return decode(read_file(path), cv::IMREAD_COLOR, Palette::kColors, path);
}

cv::Mat read_mask_values(const fs::path& path) {
  return to_8_bits(read_stored_mask(path), path);
}

cv::Mat read_grey_values(const fs::path& path) {
  cv::Mat mask = read_stored_mask(path);
  if (mask.channels() >= 3) {
    std::vector<cv::Mat> channels;
    cv::split(mask, channels);
    if (cv::norm(channels[0], channels[1], cv::NORM_INF) > 0 ||
        cv::norm(channels[0], channels[2], cv::NORM_INF) > 0) {
      throw DataError(path, "a mask in colours; expected one channel with the values themselves");
    }
    mask = channels[0];
  }
  return to_8_bits(mask, path);
}

cv::Mat read_alpha(const fs::path& path) {
  const cv::Mat image = decode(read_file(path), cv::IMREAD_UNCHANGED, Palette::kColors, path);
  if (image.type() != CV_8UC4)
    throw DataError(path, "no alpha channel of 8 bits; it has " + std::to_string(image.channels()) +
                              " channels of " + std::to_string(8 * image.elemSize1()) + " bits");
  cv::Mat alpha;
  cv::extractChannel(image, alpha, 3);
  return alpha;
}

cv::Mat decode_image(std::string bytes, const fs::path& path) {
  return decode(std::move(bytes), cv::IMREAD_UNCHANGED, Palette::kColors, path);
}

}  // namespace portraitseg
