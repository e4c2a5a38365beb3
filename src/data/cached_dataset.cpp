#include "portraitseg/data/cached_dataset.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <opencv2/imgproc.hpp>

namespace portraitseg {
namespace {

constexpr std::int64_t kMebibyte = 1 << 20;

std::int64_t bytes_of(const cv::Mat& mat) {
  return static_cast<std::int64_t>(mat.total() * mat.elemSize());
}

Sample shrunk(Sample sample, std::int64_t max_side) {
  const std::int64_t side = std::max(sample.image.rows, sample.image.cols);
  if (max_side == 0 || side <= max_side) return sample;
  const double factor = static_cast<double>(max_side) / static_cast<double>(side);
  const cv::Size size(std::max(1, static_cast<int>(std::lround(factor * sample.image.cols))),
                      std::max(1, static_cast<int>(std::lround(factor * sample.image.rows))));
  cv::resize(sample.image, sample.image, size, 0, 0, cv::INTER_AREA);
  cv::resize(sample.mask, sample.mask, size, 0, 0, cv::INTER_NEAREST);
  return sample;
}

}  // namespace

void CacheOptions::fields(Fields& f) {
  f("mib", mib, "memory for decoded images, MiB; 0: none", {0, 1e9});
  f("max_side", max_side, "px; an image with a longer side is shrunk to it when it is read; 0: none is",
    {0, 65536});
}

CachedDataset::CachedDataset(std::unique_ptr<Dataset> dataset, const CacheOptions& options)
    : dataset_(std::move(dataset)), options_(options), samples_(static_cast<std::size_t>(dataset_->size())) {
  list = dataset_->list;
  list_sha256 = dataset_->list_sha256;
  skipped = dataset_->skipped;
}

Sample CachedDataset::get(std::int64_t index) const {
  if (auto sample = kept(index)) return *std::move(sample);
  Sample sample = shrunk(dataset_->get(index), options_.max_side);
  keep(index, sample);
  return sample;
}

std::int64_t CachedDataset::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

std::int64_t CachedDataset::images() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::count_if(samples_.begin(), samples_.end(),
                       [](const auto& sample) { return sample.has_value(); });
}

std::optional<Sample> CachedDataset::kept(std::int64_t index) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return samples_[static_cast<std::size_t>(index)];
}

void CachedDataset::keep(std::int64_t index, const Sample& sample) const {
  const std::int64_t bytes = bytes_of(sample.image) + bytes_of(sample.mask);
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& place = samples_[static_cast<std::size_t>(index)];
  if (place.has_value() || bytes_ + bytes > options_.mib * kMebibyte) return;
  place = sample;
  bytes_ += bytes;
}

}  // namespace portraitseg
