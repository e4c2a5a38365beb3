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
///
/// Values and gradients of all trained parameters lie in one buffer each, of which the parameters' own tensors are
/// views, so that a step is a few passes over memory however many parameters there are. Frozen ones stay outside.
class Adam {
 public:
  /// @param module of one type and on one device; whoever moves it afterwards makes another optimizer.
  Adam(const torch::nn::Module& module, const OptimizerOptions& options);

  /// One update with the gradients that the parameters hold. A parameter without gradient, or whose gradient nobody
  /// has written since zero_grad(), is left alone: the head that no loss looks at does not decay.
  /// Whoever writes gradients past autograd, through data_ptr(), says so by torch::autograd::impl::bump_version().
  void step(double lr);
  void zero_grad();

  /// Appends the state as `training.adam.*`; load() reads it back. @throws DataError if it is not complete.
  void save(TensorFile& file) const;
  void load(const TensorFile& file, const std::filesystem::path& path);

 private:
  /// A parameter's part [begin, end) of the buffers, and views of it in the parameter's shape.
  struct Slot {
    std::string key;
    torch::Tensor parameter;
    double decay = 0;
    std::int64_t begin = 0, end = 0;
    torch::Tensor value, gradient, mean, square;
    std::int64_t version = 0;  ///< the gradient's when it was zero
  };

  void bind(Slot& slot);
  bool collect_gradient(Slot& slot);
  void update(std::int64_t begin, std::int64_t end, double decay, double lr);

  OptimizerOptions options_;
  std::vector<Slot> slots_;                             ///< one behind another, those of equal decay together
  torch::Tensor values_, gradients_, means_, squares_;  ///< [P]; first and second moment
  std::int64_t steps_ = 0;
};

}  // namespace portraitseg
