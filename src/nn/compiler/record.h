#pragma once

#include <functional>
#include <vector>

#include <torch/types.h>

#include "nn/compiler/graph.h"

namespace portraitseg::compiler {

/// Runs `forward` once on `image` [N, C, H, W] and returns what it computed as a graph, with its outputs in their order.
/// An output is a map [N, channels, height, width].
/// With gradient mode on, what autograd would not differentiate as it stands (NoGradGuard, autograd::Function, hooks) is refused.
/// @param outputs what `forward` returned
/// @throws NotCompiled if an operator is used that graphs do not have, or one in a way that they do not know
Graph record(const std::function<std::vector<torch::Tensor>(const torch::Tensor&)>& forward,
             const torch::Tensor& image, std::vector<torch::Tensor>& outputs);

}  // namespace portraitseg::compiler
