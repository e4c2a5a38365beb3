#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>

#include "portraitseg/core/config.h"
#include "portraitseg/core/registry.h"

namespace portraitseg {

/// Some of the parameters that a step treats alike, as flat views [n] of the optimizer's buffers.
struct UpdatePiece {
  torch::Tensor value;
  torch::Tensor gradient;            ///< clipped; for reading
  std::vector<torch::Tensor> state;  ///< as UpdateRule::state() names it; zero before the first step
  double lr = 0;
  double weight_decay = 0;
  std::int64_t step = 1;  ///< which one of these parameters this is, from 1

  /// gradient + weight_decay * value: the gradient with that of the L2 penalty.
  torch::Tensor penalised_gradient() const;
};

/// How values follow from gradients, element by element; the registry makes it with its defaults.
struct UpdateRule {
  virtual ~UpdateRule() = default;
  virtual void fields(Fields& f);

  /// What is kept of each parameter from step to step: names of tensors in its shape.
  virtual std::vector<std::string> state() const { return {}; }

  /// Writes value and state. Several threads call it at once, for different pieces.
  virtual void update(UpdatePiece& piece) const = 0;

  double lr = 1e-3;  ///< at the start
  double weight_decay = 0;
};

using UpdateRuleRegistry = OptionsRegistry<UpdateRule>;

/// Every update rule: what `optimizer.name` may be.
const UpdateRuleRegistry& update_rules();

}  // namespace portraitseg
