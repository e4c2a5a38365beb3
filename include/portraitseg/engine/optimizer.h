#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "portraitseg/core/config.h"
#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// Which share of the weight decay a parameter gets.
enum class DecayRule {
  kUniform,  ///< all of it
  kClova,    ///< depthwise kernels none, other kernels all, the rest 1 % (clova main.py, "wd_tfmode")
};

struct OptimizerOptions {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient (L2), as torch.optim.Adam does
  DecayRule decay_rule = DecayRule::kUniform;

  void fields(Fields& f);
};

/// Adam (Kingma and Ba 2015), the arithmetic of torch.optim.Adam, with a state that saves under the parameters' keys.
class Adam {
 public:
  Adam(const torch::nn::Module& module, const OptimizerOptions& options);

  /// One update with the gradients that the parameters hold. A parameter without gradient is left alone.
  void step(double lr);
  void zero_grad();

  /// Appends the state as `training.adam.*`; load() reads it back. @throws DataError if it is not complete.
  void save(TensorFile& file) const;
  void load(const TensorFile& file, const std::filesystem::path& path);

 private:
  struct Slot {
    std::string key;
    torch::Tensor parameter, mean, square;  ///< first and second moment
    double decay;
  };
  OptimizerOptions options_;
  std::vector<Slot> slots_;
  std::int64_t steps_ = 0;
};

}  // namespace portraitseg
