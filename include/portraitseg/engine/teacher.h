#pragma once

#include <filesystem>
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

/// @param path names the teacher in the message
/// @throws DataError if it does not fit: by its number of classes, its prior channel or the size of the images.
void require_teacher_fits(const std::filesystem::path& path, const RunConfig& teacher,
                          const RunConfig& student);

/// A trained network whose masks another one learns, see losses/distillation.h. It is shown the other one's images, with their
/// geometry and size, normalised as its own.
class Teacher {
 public:
  /// The weights file or run folder distillation.teacher of the student's configuration.
  /// @param device has to live as long as this
  /// @throws DataError naming the file if it cannot be read, carries no configuration, or as require_teacher_fits().
  Teacher(const RunConfig& student, const Device& device);

  /// @param image [N, C, H, W], normalised for the student   @return the mask's logits, without gradient
  torch::Tensor forward(const torch::Tensor& image);

  const std::filesystem::path& file() const { return file_; }
  const std::string& sha256() const { return sha256_; }  ///< of the file

 private:
  const Device& device_;
  Preprocessing student_, own_;
  std::filesystem::path file_;
  std::string sha256_;
  std::shared_ptr<SegmentationModel> model_;
  std::unique_ptr<ModelRunner> runner_;
};

}  // namespace portraitseg
