#include "portraitseg/engine/grad_scaler.h"

#include <string>

#include <torch/types.h>

#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

constexpr double kGrowth = 2, kBackoff = 0.5;
constexpr std::int64_t kGrowthInterval = 2000;
constexpr double kTiny = 1.0 / 65536;  // as far below 1 as the first scale is above

std::string key(const char* name) {
  return std::string(kTrainingPrefix) + "scaler." + name;
}

}  // namespace

void GradScaler::update(bool finite) {
  if (!finite) {
    scale_ *= kBackoff;
    finite_updates_ = 0;
  } else if (++finite_updates_ == kGrowthInterval) {
    scale_ *= kGrowth;
    finite_updates_ = 0;
  }
}

bool GradScaler::may_overflow() const {
  return scale_ > kTiny;
}

void GradScaler::save(TensorFile& file) const {
  file.tensors.emplace_back(key("scale"), torch::tensor(scale_, torch::kFloat64));
  file.tensors.emplace_back(key("finite_updates"), torch::tensor(finite_updates_, torch::kInt64));
}

void GradScaler::load(const TensorFile& file, const std::filesystem::path& path) {
  scale_ = file.require(key("scale"), {}, path).item<double>();
  finite_updates_ = file.require(key("finite_updates"), {}, path).item<std::int64_t>();
}

}  // namespace portraitseg
