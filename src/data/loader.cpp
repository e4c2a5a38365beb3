#include "portraitseg/data/loader.h"

#include <cstring>

#include <opencv2/imgproc.hpp>
#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/edge_band.h"

namespace portraitseg {
namespace {

std::vector<std::int64_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch) {
  Random random(seed, Purpose::kShuffle, {static_cast<std::uint64_t>(epoch)});
  return permutation(size, random);
}

torch::Tensor to_tensor(const cv::Mat& mask) {
  torch::Tensor tensor = torch::empty({mask.rows, mask.cols}, torch::kUInt8);
  for (int y = 0; y < mask.rows; ++y) {
    std::memcpy(tensor.data_ptr<std::uint8_t>() + std::int64_t{y} * mask.cols, mask.ptr(y),
                static_cast<std::size_t>(mask.cols));
  }
  return tensor;
}

}  // namespace

EpochLoader::EpochLoader(const Dataset& dataset, const LoaderOptions& options, std::int64_t epoch,
                         std::int64_t first_batch)
    : dataset_(dataset),
      options_(options),
      epoch_(epoch),
      order_(epoch_order(dataset.size(), options.seed, epoch)),
      position_(std::min(first_batch * options.batch_size, dataset.size())),
      examples_(dataset.size() - position_, options.workers, 2 * options.batch_size,
                [this, first = position_](std::int64_t i) {
                  return make(order_[static_cast<std::size_t>(first + i)]);
                }) {}

std::int64_t EpochLoader::batches(const Dataset& dataset, std::int64_t batch_size) {
  return (dataset.size() + batch_size - 1) / batch_size;
}

EpochLoader::Example EpochLoader::make(std::int64_t sample_index) const {
  Sample sample;
  try {
    sample = dataset_.get(sample_index);
  } catch (const DataError& error) {
    if (options_.on_error == OnError::kFail) throw;
    return {{}, {}, error.what()};
  }
  if (!options_.augment.affine.enabled) {  // the geometry of inference then
    options_.preprocessing.place_image(sample.image).convertTo(sample.image, CV_8U);
    sample.mask = options_.preprocessing.place_mask(sample.mask);
  }
  Random random(options_.seed, Purpose::kAugment,
                {static_cast<std::uint64_t>(epoch_), static_cast<std::uint64_t>(sample_index)});
  const cv::Size size(static_cast<int>(options_.preprocessing.size[1]),
                      static_cast<int>(options_.preprocessing.size[0]));
  const Augmented augmented = augment(sample, size, options_.augment, random);
  cv::Mat label = augmented.mask;
  if (options_.stride > 1) {
    const auto stride = static_cast<int>(options_.stride);
    cv::resize(augmented.mask, label, {size.width / stride, size.height / stride}, 0, 0, cv::INTER_NEAREST);
  }
  // The band is that of the label at its own size, as clova's data/DataSet.py computes it.
  return {options_.preprocessing.normalise(augmented.image),
          {{"label", to_tensor(label)},
           {"edge_band", to_tensor(edge_band(label, static_cast<int>(options_.edge_kernel)))}},
          ""};
}

std::optional<Batch> EpochLoader::next() {
  if (position_ == dataset_.size()) return std::nullopt;
  Batch batch;
  std::vector<torch::Tensor> images;
  std::map<std::string, std::vector<torch::Tensor>> targets;
  const std::int64_t end = std::min(position_ + options_.batch_size, dataset_.size());
  for (; position_ < end; ++position_) {
    Example example = *examples_.next();
    if (!example.error.empty()) {
      batch.skipped.push_back(example.error);
      continue;
    }
    images.push_back(example.image);
    for (auto& [name, target] : example.targets) targets[name].push_back(target);
  }
  batch.image = images.empty() ? torch::empty({0}) : torch::stack(images);
  for (auto& [name, list] : targets) batch.targets[name] = torch::stack(list);
  return batch;
}

}  // namespace portraitseg
