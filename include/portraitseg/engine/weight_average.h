#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "portraitseg/models/model.h"
#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// The exponential moving average of a network's weights: average += (1 - d) * (weights - average) after each update,
/// where d = min(decay, (1 + t) / (10 + t)) at update t from 0, so that the first ones do not rest on the initial values
/// (TensorFlow's ExponentialMovingAverage with num_updates). Running statistics are averaged with the parameters;
/// counters are taken as they are.
class WeightAverage {
 public:
  /// @param model has to live as long as this  @param average another of the same options; it takes the model's values
  /// @param decay in [0, 1)
  WeightAverage(SegmentationModel& model, std::shared_ptr<SegmentationModel> average, double decay);

  void update();
  void restart();  ///< from the model's values

  SegmentationModel& network() const { return *average_; }
  TensorFile weights() const;  ///< the average under the network's keys

  /// Appends the state as `training.ema.*`; load() reads it back.
  /// @throws DataError if it is not complete.
  void save(TensorFile& file) const;
  void load(const TensorFile& file, const std::filesystem::path& path);

 private:
  struct Slot {
    std::string key;
    torch::Tensor weight, average;
  };
  std::shared_ptr<SegmentationModel> average_;
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace portraitseg
