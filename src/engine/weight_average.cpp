#include "portraitseg/engine/weight_average.h"

#include <algorithm>
#include <utility>

#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

std::string prefix() {
  return std::string(kTrainingPrefix) + "ema.";
}

constexpr const char* kUpdates = "updates";

}  // namespace

WeightAverage::WeightAverage(SegmentationModel& model, std::shared_ptr<SegmentationModel> average,
                             double decay)
    : average_(std::move(average)), decay_(decay) {
  const auto weights = state_dict(model), averages = state_dict(*average_);
  for (std::size_t i = 0; i < weights.size(); ++i)
    slots_.push_back({weights[i].first, weights[i].second, averages[i].second.detach()});
  restart();
}

void WeightAverage::restart() {
  for (auto& slot : slots_) slot.average.copy_(slot.weight.detach());
  updates_ = 0;
}

void WeightAverage::update() {
  const torch::NoGradGuard no_grad;
  const auto t = static_cast<double>(updates_++);
  const double decay = std::min(decay_, (1 + t) / (10 + t));
  for (auto& slot : slots_) {
    if (slot.weight.is_floating_point()) {
      slot.average.lerp_(slot.weight, 1 - decay);
    } else {
      slot.average.copy_(slot.weight);
    }
  }
}

TensorFile WeightAverage::weights() const {
  TensorFile file;
  for (const auto& slot : slots_) file.tensors.emplace_back(slot.key, slot.average);
  return file;
}

void WeightAverage::save(TensorFile& file) const {
  for (const auto& slot : slots_) file.tensors.emplace_back(prefix() + slot.key, slot.average);
  file.tensors.emplace_back(prefix() + kUpdates, torch::tensor(updates_, torch::kInt64));
}

void WeightAverage::load(const TensorFile& file, const std::filesystem::path& path) {
  for (auto& slot : slots_) slot.average.copy_(file.require(prefix() + slot.key, slot.weight.sizes(), path));
  updates_ = file.require(prefix() + kUpdates, {}, path).item<std::int64_t>();
}

}  // namespace portraitseg
