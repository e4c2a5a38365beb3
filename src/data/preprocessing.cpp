#include "portraitseg/data/preprocessing.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <opencv2/imgproc.hpp>
#include <torch/types.h>

#include "portraitseg/data/mask_encoding.h"
#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

constexpr double kLetterboxGrey = 128;

const Names<Geometry> kGeometries = {
    {"squash", Geometry::kSquash}, {"letterbox", Geometry::kLetterbox}, {"keep", Geometry::kKeep}};
const Names<Interpolation> kInterpolations = {
    {"linear", Interpolation::kLinear}, {"cubic", Interpolation::kCubic}, {"area", Interpolation::kArea}};
const Names<LabelInterpolation> kLabelInterpolations = {{"nearest", LabelInterpolation::kNearest},
                                                        {"cubic", LabelInterpolation::kCubic}};
const Names<ChannelOrder> kChannelOrders = {{"bgr", ChannelOrder::kBgr}, {"rgb", ChannelOrder::kRgb}};

template <class Value>
std::string name_of(const Names<Value>& names, Value wanted) {
  for (const auto& [name, value] : names) {
    if (value == wanted) return name;
  }
  throw std::logic_error("a choice without a name");
}

int opencv_flag(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::kLinear:
      return cv::INTER_LINEAR;
    case Interpolation::kCubic:
      return cv::INTER_CUBIC;
    case Interpolation::kArea:
      return cv::INTER_AREA;
  }
  return cv::INTER_LINEAR;
}

/// The centred image inside its letterbox square; the odd pixel goes to the right or the bottom.
cv::Rect letterbox_rect(cv::Size image) {
  const int side = std::max(image.width, image.height);
  return {(side - image.width) / 2, (side - image.height) / 2, image.width, image.height};
}

cv::Mat letterbox(const cv::Mat& image, const cv::Scalar& border) {
  const cv::Rect inner = letterbox_rect(image.size());
  cv::Mat square(std::max(image.rows, image.cols), std::max(image.rows, image.cols), image.type(), border);
  image.copyTo(square(inner));
  return square;
}

/// Classes may claim the same pixel, the highest gets it; or none does, between three: the nearest mask's class then.
cv::Mat resize_each_class(const cv::Mat& mask, cv::Size target) {
  std::array<bool, 256> present{};
  mark_values(mask, present);
  const bool binary = std::count(present.begin() + 1, present.end(), true) < 2;
  cv::Mat resized = cv::Mat::zeros(target, CV_8UC1);  // what a single class does not claim is background
  if (!binary) cv::resize(mask, resized, target, 0, 0, cv::INTER_NEAREST);
  for (int value = 0; value < 256; ++value) {
    if (!present[static_cast<std::size_t>(value)]) continue;
    cv::Mat own;
    cv::resize((mask == value) / 255, own, target, 0, 0, cv::INTER_CUBIC);
    resized.setTo(value, own);
  }
  return resized;
}

}  // namespace

std::string geometry_name(Geometry geometry) {
  return name_of(kGeometries, geometry);
}

std::string interpolation_name(Interpolation interpolation) {
  return name_of(kInterpolations, interpolation);
}

void Preprocessing::fields(Fields& f) {
  f.choice("geometry", geometry, kGeometries, "how an image is brought to the input size");
  f("size", size, "height, width of the network's input", {1, 16384});
  f.choice("interpolation", interpolation, kInterpolations, "of the image");
  f.choice("channel_order", channel_order, kChannelOrders, "of the network's input, mean and std");
  f("mean", mean, "input = (pixel - mean) / std * scale, pixels in 0..255");
  f("std", std, "see mean");
  f("scale", scale, "see mean", {1e-9, 1e9});
  f.choice("label_interpolation", label_interpolation, kLabelInterpolations, "of the mask");
  f("label_smoothing", label_smoothing,
    "px, odd: a label's pixel takes the class of most in this square; 0: none", {0, 31});
  f("prior_channel", prior_channel, "a fourth channel: the mask of the frame before");
  f.check(label_smoothing == 0 || label_smoothing % 2 == 1, "label_smoothing", "must be odd, or 0");
  f.check(size.size() == 2, "size", "expected [height, width]");
  f.check(mean.size() == 3, "mean", "expected 3 numbers");
  f.check(std.size() == 3 && *std::min_element(std.begin(), std.end()) > 0, "std",
          "expected 3 positive numbers");
}

cv::Mat Preprocessing::place_image(const cv::Mat& image) const {
  const cv::Size target(static_cast<int>(size[1]), static_cast<int>(size[0]));
  cv::Mat placed;
  switch (geometry) {
    case Geometry::kSquash: {
      image.convertTo(placed, CV_32F);
      if (placed.size() != target) cv::resize(placed, placed, target, 0, 0, opencv_flag(interpolation));
      break;
    }
    case Geometry::kLetterbox: {
      cv::resize(letterbox(image, cv::Scalar::all(kLetterboxGrey)), placed, target, 0, 0,
                 opencv_flag(interpolation));
      placed.convertTo(placed, CV_32F);
      break;
    }
    case Geometry::kKeep:
      image.convertTo(placed, CV_32F);
      break;
  }
  return placed;
}

cv::Mat Preprocessing::place_mask(const cv::Mat& mask) const {
  if (geometry == Geometry::kKeep) return mask;
  const cv::Size target(static_cast<int>(size[1]), static_cast<int>(size[0]));
  const cv::Mat source = geometry == Geometry::kLetterbox ? letterbox(mask, cv::Scalar::all(0)) : mask;
  if (label_interpolation == LabelInterpolation::kCubic) return resize_each_class(source, target);
  cv::Mat placed;
  cv::resize(source, placed, target, 0, 0, cv::INTER_NEAREST);
  return placed;
}

torch::Tensor Preprocessing::normalise(const cv::Mat& placed, const cv::Mat& prior) const {
  const auto height = static_cast<std::int64_t>(placed.rows), width = static_cast<std::int64_t>(placed.cols);
  torch::Tensor input = torch::empty({channels(), height, width}, torch::kFloat32);
  float* const planes = input.data_ptr<float>();
  for (std::int64_t c = 0; c < 3; ++c) {
    const std::int64_t source = channel_order == ChannelOrder::kBgr ? c : 2 - c;
    const auto m = static_cast<float>(mean[static_cast<std::size_t>(c)]);
    const auto s = static_cast<float>(std[static_cast<std::size_t>(c)]);
    const auto factor = static_cast<float>(scale);
    for (std::int64_t y = 0; y < height; ++y) {
      const float* const pixels = placed.ptr<float>(static_cast<int>(y)) + source;
      float* const row = planes + (c * height + y) * width;
      for (std::int64_t x = 0; x < width; ++x) row[x] = (pixels[3 * x] - m) / s * factor;
    }
  }
  if (prior_channel) {
    float* const plane = planes + 3 * height * width;
    std::fill_n(plane, height * width, 0.0F);
    for (int y = 0; y < prior.rows; ++y) std::copy_n(prior.ptr<float>(y), width, plane + y * width);
  }
  return input;
}

torch::Tensor Preprocessing::restore_logits(const torch::Tensor& logits, cv::Size image_size) const {
  const auto batch = logits.unsqueeze(0);
  if (geometry != Geometry::kLetterbox) return resize_logits(batch, image_size.height, image_size.width)[0];
  const cv::Rect inner = letterbox_rect(image_size);
  const std::int64_t side = std::max(image_size.width, image_size.height);
  return resize_logits(batch, side, side)[0]
      .slice(1, inner.y, inner.y + inner.height)
      .slice(2, inner.x, inner.x + inner.width);
}

}  // namespace portraitseg
