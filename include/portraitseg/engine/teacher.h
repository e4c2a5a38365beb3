#pragma once

#include <memory>
#include <string>

#include <torch/types.h>

#include "portraitseg/core/device.h"
#include "portraitseg/data/preprocessing.h"
#include "portraitseg/engine/model_runner.h"
#include "portraitseg/engine/run_config.h"

namespace portraitseg {

/// Images that `from` has normalised, as `to` would have normalised the same pixels, but for rounding.
/// @param image [N, from.channels(), H, W]
/// @return [N, to.channels(), H, W]; the prior channel, which `from` must have if `to` has it, passes as it is
torch::Tensor renormalise(const torch::Tensor& image, const Preprocessing& from, const Preprocessing& to);

/// A trained network whose masks another one learns, see losses/distillation.h. It is shown the other one's images, with their
/// geometry and size, normalised as its own.
class Teacher {
 public:
  /// The weights file distillation.teacher of the student's configuration.
  /// @param device has to live as long as this
  /// @throws DataError naming the file if it cannot be read, carries no configuration, or does not fit the student: by its
  ///         number of classes, its prior channel or the size of the images.
  Teacher(const RunConfig& student, const Device& device);

  /// @param image [N, C, H, W], normalised for the student   @return the mask's logits, without gradient
  torch::Tensor forward(const torch::Tensor& image);

  const std::string& sha256() const { return sha256_; }  ///< of the file

 private:
  const Device& device_;
  Preprocessing student_, own_;
  std::string sha256_;
  std::shared_ptr<SegmentationModel> model_;
  std::unique_ptr<ModelRunner> runner_;
};

}  // namespace portraitseg
