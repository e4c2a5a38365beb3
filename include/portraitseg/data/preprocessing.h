#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>
#include <torch/types.h>

#include "portraitseg/core/config.h"

namespace portraitseg {

enum class Geometry {
  kSquash,  ///< resize to `size`, whatever the aspect ratio (clova); resampled in floating point
  kLetterbox,  ///< centre in a square of grey 128, then resize (PortraitNet); resampled in 8 bit, as its code does
  kKeep,       ///< as it is
};
std::string geometry_name(Geometry geometry);  ///< as it is written in a configuration

enum class Interpolation { kLinear, kCubic, kArea };
std::string interpolation_name(Interpolation interpolation);  ///< the same

/// kCubic: each class, and kIgnore, for itself as an 8-bit image of 0 and 1 (PortraitNet).
enum class LabelInterpolation { kNearest, kCubic };
enum class ChannelOrder { kBgr, kRgb };

/// How an image becomes a network's input: geometry, then value = (pixel - mean) / std * scale with pixels in 0..255.
/// A value that travels in every config and checkpoint, so that inference never asks for it again.
struct Preprocessing {
  Geometry geometry = Geometry::kSquash;
  std::vector<std::int64_t> size = {224, 224};  ///< height, width of the network's input
  Interpolation interpolation = Interpolation::kLinear;
  ChannelOrder channel_order = ChannelOrder::kBgr;
  std::vector<double> mean = {0, 0, 0};  ///< in channel order, 0..255
  std::vector<double> std = {1, 1, 1};   ///< in channel order, 0..255
  double scale = 1.0 / 255;
  LabelInterpolation label_interpolation = LabelInterpolation::kNearest;
  std::int64_t label_smoothing = 0;  ///< px, odd: the kernel of smooth_label(); 0: labels stay as they are
  bool prior_channel = false;        ///< a fourth channel: the mask of the frame before, in 0..1

  void fields(Fields& f);

  /// Brings an 8-bit BGR image to the network's geometry: CV_32FC3, BGR, 0..255.
  cv::Mat place_image(const cv::Mat& image) const;

  /// Brings a mask to the network's geometry; letterbox bars are background (0). It is not smoothed.
  cv::Mat place_mask(const cv::Mat& mask) const;

  std::int64_t channels() const { return prior_channel ? 4 : 3; }

  /// Normalises a placed image: CV_32FC3 BGR -> [channels(), H, W] float32 in `channel_order`.
  /// @param prior H x W, CV_32FC1 in 0..1; empty: none is known, the channel is zero. Only with prior_channel.
  torch::Tensor normalise(const cv::Mat& placed, const cv::Mat& prior = {}) const;

  /// Brings logits [C, h, w] of a placed image back to the image's own size: [C, H, W], bilinear.
  torch::Tensor restore_logits(const torch::Tensor& logits, cv::Size image_size) const;
};

}  // namespace portraitseg
