#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "portraitseg/core/config.h"
#include "portraitseg/engine/update_rule.h"
#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// Which share of the weight decay a parameter gets.
enum class DecayRule {
  kUniform,  ///< all of it
  kClova,    ///< depthwise kernels none, other kernels all, the rest 1 % (clova main.py, "wd_tfmode")
};

/// Parameters that are treated otherwise than the others; of several groups a parameter belongs to the first that fits.
struct ParameterGroup {
  std::vector<std::string> keys;  ///< patterns of parameters' keys: `*` any characters, dots as well, `?` one
  double lr_factor = 1;
  double weight_decay =
      -1;  ///< in place of the optimizer's, the decay rule's share of it; below 0: the optimizer's

  /// They keep their values: requires_grad is false. A BatchNorm all of whose parameters are frozen normalises by its
  /// running statistics and keeps these as well (TrainingStep sees to it), so that a frozen part of a network answers in
  /// training as it does in evaluation, whatever the batch.
  bool frozen = false;

  void fields(Fields& f);
};

/// The section `optimizer: {name: adam, ...}`.
struct OptimizerOptions : Selection<UpdateRule> {
  DecayRule decay_rule = DecayRule::kUniform;
  double clip_norm = 0;  ///< the gradients' norm over all trained parameters is no longer than this; 0: off
  std::vector<ParameterGroup> groups;

  OptimizerOptions() : Selection("adam", update_rules()) {}
  void fields(Fields& f);
};

/// Updates a network's parameters by an update rule, with a state that saves under the parameters' keys.
///
/// Values and gradients of all trained parameters lie in one buffer each, of which the parameters' own tensors are
/// views, so that a step is a few passes over memory however many parameters there are. Frozen ones stay outside.
class Optimizer {
 public:
  /// @param module of one type and on one device; whoever moves it afterwards makes another optimizer. Its parameters in
  ///        frozen groups stop requiring a gradient.
  /// @throws UserError for a group's pattern that fits no parameter, or if the groups leave nothing to train.
  Optimizer(torch::nn::Module& module, const OptimizerOptions& options);

  /// One update with the gradients that the parameters hold. A parameter without gradient, or whose gradient nobody
  /// has written since zero_grad(), is left alone: the head that no loss looks at does not decay.
  /// Whoever writes gradients past autograd, through data_ptr(), says so by torch::autograd::impl::bump_version().
  ///
  /// With clip_norm the update follows from the gradients times min(1, clip_norm / (norm + 1e-6)), as after
  /// torch.nn.utils.clip_grad_norm_; the gradients themselves stay.
  /// @param lr of parameters in no group
  /// @param gradient_factor on all gradients, before they are clipped
  void step(double lr, double gradient_factor = 1);
  void zero_grad();

  /// The key of a parameter whose gradient, as written since zero_grad(), is not finite; "": all are.
  std::string not_finite_gradient() const;

  /// Appends the state as `training.<name>.*`; load() reads it back.
  /// @throws DataError if it is not complete, or another optimizer's.
  void save(TensorFile& file) const;
  void load(const TensorFile& file, const std::filesystem::path& path);

 private:
  /// A parameter's part [begin, end) of the buffers, and views of it in the parameter's shape.
  struct Slot {
    std::string key;
    torch::Tensor parameter;
    double decay = 0, lr_factor = 1;
    std::int64_t begin = 0, end = 0;
    torch::Tensor value, gradient;
    std::vector<torch::Tensor> state;  ///< as rule_->state() names it
    std::int64_t version = 0;          ///< the gradient's when it was zero
    std::int64_t steps = 0;            ///< updates so far

    bool updates_like(const Slot& other) const;
  };

  /// Neighbours in the buffers that a step updates alike.
  struct Run {
    const Slot* first;
    std::int64_t begin, end;
  };

  void allocate();
  void bind(Slot& slot);
  bool collect_gradient(Slot& slot);
  double gradient_norm(const std::vector<Run>& runs) const;
  void update(const Run& run, double lr, double scale);
  std::string prefix() const;
  void refuse_others(const TensorFile& file, const std::filesystem::path& path) const;

  /// Calls call(i, from, to) for pieces of [begin, end) that stay in the processor's cache, on all threads.
  template <class Call>
  void in_pieces(std::int64_t begin, std::int64_t end, Call call) const;

  std::string name_;
  std::shared_ptr<const UpdateRule> rule_;
  double clip_norm_;
  std::vector<Slot> slots_;           ///< one behind another, those of equal decay and learning rate together
  torch::Tensor values_, gradients_;  ///< [P]
  std::vector<torch::Tensor> states_;  ///< [P] each
  std::int64_t steps_ = 0;
};

}  // namespace portraitseg
