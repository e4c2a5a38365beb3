#include "portraitseg/data/loader.h"

#include <cstring>

#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/training_view.h"

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

EpochLoader::Example EpochLoader::make(std::int64_t index) const {
  Sample sample;
  try {
    sample = dataset_.get(index);
  } catch (const DataError& error) {
    if (options_.on_error == OnError::kFail) throw;
    Example example;
    example.error = error.what();
    return example;
  }
  const Preprocessing& preprocessing = options_.preprocessing;
  const Augmented view =
      training_view(sample, {options_.seed, epoch_, index}, preprocessing, options_.augment);
  Example example;
  example.image = preprocessing.normalise(view.image, view.prior);
  if (options_.deformed) example.deformed = preprocessing.normalise(view.deformed, view.prior);
  for (const auto& target : options_.targets)
    example.targets[target] = to_tensor(make_target(target, view.mask, options_.edge_kernel));
  return example;
}

std::optional<Batch> EpochLoader::next() {
  if (position_ == dataset_.size()) return std::nullopt;
  Batch batch;
  std::vector<torch::Tensor> images, deformed;
  std::map<Target, std::vector<torch::Tensor>> targets;
  const std::int64_t end = std::min(position_ + options_.batch_size, dataset_.size());
  for (; position_ < end; ++position_) {
    Example example = *examples_.next();
    if (!example.error.empty()) {
      batch.skipped.push_back(example.error);
      continue;
    }
    images.push_back(example.image);
    if (options_.deformed) deformed.push_back(example.deformed);
    for (auto& [target, made] : example.targets) targets[target].push_back(made);
  }
  batch.image = images.empty() ? torch::empty({0}) : stack(images);
  if (!deformed.empty()) batch.deformed = stack(deformed);
  for (auto& [target, list] : targets) batch.targets[target] = stack(list);
  return batch;
}

torch::Tensor EpochLoader::stack(const std::vector<torch::Tensor>& tensors) const {
  std::vector<std::int64_t> shape = tensors.front().sizes().vec();
  shape.insert(shape.begin(), static_cast<std::int64_t>(tensors.size()));
  torch::Tensor result = torch::empty(shape, tensors.front().options().pinned_memory(options_.pinned));
  return torch::stack_out(result, tensors);
}

}  // namespace portraitseg
