#pragma once

#include <cstdint>
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
  /// @param model has to live as long as this; the average begins with its values
  /// @param decay in [0, 1)
  WeightAverage(SegmentationModel& model, double decay);

  void update();

  /// Exchanges the network's weights and the average; a second call exchanges them back, bit for bit.
  void swap();

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
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<Slot> slots_;
};

/// As long as it lives the network has the average's weights.
class AveragedWeights {
 public:
  explicit AveragedWeights(WeightAverage& average) : average_(average) { average_.swap(); }
  ~AveragedWeights() { average_.swap(); }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  WeightAverage& average_;
};

}  // namespace portraitseg
