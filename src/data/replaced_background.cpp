#include "portraitseg/data/replaced_background.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <opencv2/imgproc.hpp>

#include "portraitseg/core/file.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/composite.h"

namespace portraitseg {
namespace {

constexpr double kFeatherSide = 800;  ///< px; BackgroundOptions::feather is meant at this size

/// A part of the photo with the aspect ratio of `size`, as large as can be, at a random place; brought to `size`.
cv::Mat cover_at_random(const cv::Mat& photo, cv::Size size, Random& random) {
  const cv::Size part = covering_part(photo.size(), size);
  const auto x = static_cast<int>(random.integer(0, photo.cols - part.width));
  const auto y = static_cast<int>(random.integer(0, photo.rows - part.height));
  return resize_part(photo, {cv::Point(x, y), part}, size);
}

std::uint64_t key_of(const std::string& id) {
  return std::stoull(sha256(id).substr(0, 16), nullptr, 16);
}

}  // namespace

cv::Mat compose(const cv::Mat& image, const cv::Mat& mask, const cv::Mat& background, double sigma) {
  cv::Mat alpha;
  cv::Mat(mask != 0).convertTo(alpha, CV_32F, 1.0 / 255);
  if (sigma > 0) {
    const int kernel = 2 * static_cast<int>(std::ceil(3 * sigma)) + 1;
    cv::GaussianBlur(alpha, alpha, {kernel, kernel}, sigma, sigma, cv::BORDER_REPLICATE);
  }
  alpha.setTo(1, mask == kIgnore);
  return blend(image, background, alpha);
}

ReplacedBackground::ReplacedBackground(std::shared_ptr<const Dataset> portraits,
                                       std::shared_ptr<const Dataset> backgrounds,
                                       const BackgroundOptions& options)
    : portraits_(std::move(portraits)), backgrounds_(std::move(backgrounds)), options_(options) {
  list = portraits_->list;
  skipped = portraits_->skipped;
  list_sha256 = sha256(portraits_->list_sha256 + "\n" + backgrounds_->list_sha256 + "\n" +
                       std::to_string(options_.per_image) + " " + std::to_string(options_.seed) + " " +
                       std::to_string(options_.feather) + "\n");
}

Sample ReplacedBackground::get(std::int64_t index) const {
  Sample sample = portraits_->get(index / options_.per_image);
  const auto number = static_cast<std::uint64_t>(index % options_.per_image);
  Random random(options_.seed, Purpose::kCompose, {key_of(sample.id), number});
  const Sample photo = backgrounds_->get(random.integer(0, backgrounds_->size() - 1));
  const cv::Mat background = cover_at_random(photo.image, sample.image.size(), random);
  const double sigma = options_.feather * std::max(sample.image.rows, sample.image.cols) / kFeatherSide;
  sample.image = compose(sample.image, sample.mask, background, sigma);
  sample.channels = 3;
  sample.attributes["source"] = sample.id;
  sample.attributes["background"] = photo.id;
  sample.id = id(index);
  return sample;
}

std::string ReplacedBackground::id(std::int64_t index) const {
  return portraits_->id(index / options_.per_image) + "_background" +
         std::to_string(index % options_.per_image + 1);
}

}  // namespace portraitseg
