#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// Label of pixels that count neither in a loss nor in a metric.
constexpr std::uint8_t kIgnore = 255;

/// Pairs of classes that change places when an image is flipped: left eye and right eye ...
using MirroredClasses = std::vector<std::pair<std::uint8_t, std::uint8_t>>;

/// One image with its mask, as every data set delivers it and before any preprocessing.
/// Sizes are (height, width) everywhere in this project; tensors are NCHW.
struct Sample {
  std::string id;                                 ///< unique within its data set, e.g. "00002"
  cv::Mat image;                                  ///< H x W, CV_8UC3, BGR
  cv::Mat mask;                                   ///< H x W, CV_8UC1, class index or kIgnore
  std::map<std::string, std::string> attributes;  ///< the data set's metadata: user_id, brightness ...
  int channels = 3;                               ///< of the image's file; 1: it is stored grey
  int orientation = 1;  ///< EXIF's, of the image's file, 1..8; the image is upright already
  MirroredClasses mirrored_classes = {};
};

}  // namespace portraitseg
