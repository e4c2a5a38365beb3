#include "portraitseg/engine/teacher.h"

#include <string>
#include <vector>

#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

namespace portraitseg {
namespace {

TensorFile read_teacher(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) throw DataError(path, "the teacher of the distillation does not exist");
  TensorFile file = read_weights(path);
  if (stored_config(file).empty()) {
    throw DataError(path,
                    "carries no configuration, and a teacher needs one; portraitseg weights convert --config "
                    "adds it");
  }
  return file;
}

}  // namespace

void require_teacher_fits(const std::filesystem::path& path, const RunConfig& teacher,
                          const RunConfig& student) {
  const auto refuse = [&](const std::string& what) {
    throw DataError(path, "cannot be the teacher: it " + what);
  };
  const std::int64_t own = teacher.model.options->num_classes, wanted = student.model.options->num_classes;
  if (own != wanted)
    refuse("has num_classes " + std::to_string(own) + ", the network " + std::to_string(wanted));
  if (teacher.preprocessing.prior_channel && !student.preprocessing.prior_channel)
    refuse("takes a prior channel, which the network's images do not have");
  const std::vector<std::int64_t>& size = student.preprocessing.size;
  const std::int64_t multiple = teacher.model.options->build()->size_multiple();
  if (size[0] % multiple != 0 || size[1] % multiple != 0) {
    refuse("takes heights and widths that are multiples of " + std::to_string(multiple) +
           ", and the network's images are " + std::to_string(size[0]) + "x" + std::to_string(size[1]));
  }
}

torch::Tensor renormalise(const torch::Tensor& image, const Preprocessing& from, const Preprocessing& to) {
  const bool same_order = from.channel_order == to.channel_order;
  // pixel = value * std / scale + mean of `from`, then as Preprocessing says.
  std::vector<double> factors, offsets;
  for (std::size_t c = 0; c < 3; ++c) {
    const std::size_t source = same_order ? c : 2 - c;
    const double unit = to.scale / to.std[c];
    factors.push_back(from.std[source] / from.scale * unit);
    offsets.push_back((from.mean[source] - to.mean[c]) * unit);
  }
  const auto per_channel = [&](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat64).view({1, 3, 1, 1}).to(image.options());
  };
  const torch::Tensor colours = image.slice(1, 0, 3);
  const torch::Tensor result =
      (same_order ? colours : colours.flip({1})) * per_channel(factors) + per_channel(offsets);
  return to.prior_channel ? torch::cat({result, image.slice(1, 3)}, 1) : result;
}

Teacher::Teacher(const RunConfig& student, const Device& device)
    : device_(device), student_(student.preprocessing) {
  file_ = trained_weights(student.distillation.teacher);
  const TensorFile file = read_teacher(file_);
  sha256_ = portraitseg::sha256(read_file(file_));
  const RunConfig config = read_stored_config(file, file_);
  own_ = config.preprocessing;
  require_teacher_fits(file_, config, student);
  model_ = config.model.options->build();
  load_state_dict(*model_, file, file_);
  device.place(*model_);
  model_->eval();
  runner_ = std::make_unique<ModelRunner>(*model_, device, ModelRunner::Purpose::kInference);
}

torch::Tensor Teacher::forward(const torch::Tensor& image) {
  const torch::NoGradGuard no_grad;
  return runner_->forward(renormalise(device_.move(image, torch::kFloat32), student_, own_)).mask;
}

}  // namespace portraitseg
