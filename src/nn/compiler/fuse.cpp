#include <algorithm>
#include <cmath>
#include <functional>

#include <torch/types.h>

#include "nn/compiler/graph.h"

namespace portraitseg::compiler {
namespace {

/// Those kernels that have an epilogue.
bool takes_residual(const Node& node) {
  switch (node.op) {
    case Op::kConvolve:
    case Op::kConvolveTransposed:
    case Op::kDepthwise:
    case Op::kDepthwiseTransposed:
    case Op::kUpsample:
    case Op::kNormaliseGradient:
      return node.residual < 0 &&
             node.slope.empty();  // what is folded has its activation, if any, before the sum
    case Op::kNormalise:
      return node.residual < 0 && !node.activation;
    default:
      return false;
  }
}

bool is_convolution(const Node& node) {
  return node.op == Op::kConvolve || node.op == Op::kConvolveTransposed || node.op == Op::kDepthwise ||
         node.op == Op::kDepthwiseTransposed;
}

/// A normalisation that does not depend on the batch.
bool has_constants(const Node& node) {
  return node.op == Op::kNormalise && !(node.norm && node.norm->batch_statistics);
}

std::vector<int> count_uses(const Graph& graph, const std::vector<bool>& live) {
  std::vector<int> uses(graph.nodes.size());
  for (std::size_t id = 0; id < graph.nodes.size(); ++id) {
    if (!live[id]) continue;
    for (const int input : graph.nodes[id].inputs) ++uses[static_cast<std::size_t>(input)];
  }
  return uses;
}

std::vector<double> values_of(const torch::Tensor& tensor, const ChannelMap& channels) {
  const torch::Tensor all = tensor.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  std::vector<double> values;
  for (const auto channel : channels) values.push_back(all.data_ptr<double>()[channel]);
  return values;
}

/// act(scale * x + shift) of a kNormalise in inference.
struct Folded {
  std::vector<double> scale, shift, slope;
};

Folded folded(const Node& node) {
  Folded result;
  const auto channels = static_cast<std::size_t>(node.shape.channels);
  if (node.norm) {
    const BatchNorm& norm = *node.norm;
    result.scale = values_of(norm.weight, norm.channels);
    result.shift = values_of(norm.bias, norm.channels);
    const auto mean = values_of(norm.running_mean, norm.channels),
               variance = values_of(norm.running_var, norm.channels);
    for (std::size_t c = 0; c < channels; ++c) {
      result.scale[c] /= std::sqrt(variance[c] + norm.eps);
      result.shift[c] -= result.scale[c] * mean[c];
    }
  } else {
    result.scale.assign(channels, node.factor);
    result.shift.assign(channels, node.offset);
  }
  if (node.activation) {
    const Activation& activation = *node.activation;
    result.slope = activation.slope.defined() ? values_of(activation.slope, activation.channels)
                                              : std::vector<double>(channels, 0.0);
  }
  return result;
}

void multiply(std::vector<double>& values, const std::vector<double>& factors) {
  if (values.empty()) {
    values = factors;
  } else {
    std::transform(values.begin(), values.end(), factors.begin(), values.begin(), std::multiplies<>());
  }
}

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph), live_(graph.live()), uses_(count_uses(graph, live_)) {}

  void run(bool inference) {
    for (std::size_t id = 0; id < graph_.nodes.size(); ++id) {
      if (!live_[id]) continue;
      if (graph_.nodes[id].op == Op::kAdd) join_addition(id);
      if (inference && has_constants(graph_.nodes[id])) fold(id);
    }
  }

 private:
  bool single_use(int id) const { return uses_[static_cast<std::size_t>(id)] == 1; }

  /// a + b, where a is computed for this alone: b is added on the way.
  void join_addition(std::size_t id) {
    const Node add = graph_.nodes[id];
    for (const std::size_t which : {1u, 0u}) {
      const int a = add.inputs[which], b = add.inputs[1 - which];
      if (a == b || !single_use(a) || !takes_residual(graph_.at(a))) continue;
      Node joined = graph_.at(a);
      joined.inputs.push_back(b);
      joined.residual = b;
      if (joined.op == Op::kNormalise) joined.forward = a;
      graph_.nodes[id] = std::move(joined);
      return;
    }
  }

  /// BatchNorm and activation of what a convolution, or an up-sampling behind one, computes for them alone.
  void fold(std::size_t id) {
    Node& node = graph_.nodes[id];
    const Folded values = folded(node);
    const int source = node.inputs[0];
    if (node.residual < 0 && single_use(source) && scale_channels(source, values.scale, /*really=*/false)) {
      scale_channels(source, values.scale, /*really=*/true);
      Node joined = graph_.at(source);
      if (joined.shift.empty()) joined.shift.assign(values.shift.size(), 0.0);
      std::transform(joined.shift.begin(), joined.shift.end(), values.shift.begin(), joined.shift.begin(),
                     std::plus<>());
      joined.slope = values.slope;
      node = std::move(joined);
      return;
    }
    node.scale = values.scale;
    node.shift = values.shift;
    node.slope = values.slope;
  }

  /// Takes a factor a channel into the node. @return whether it can; nothing changes but `really`
  bool scale_channels(int id, const std::vector<double>& scale, bool really) {
    Node& node = graph_.nodes[static_cast<std::size_t>(id)];
    if (!node.slope.empty()) return false;
    if (node.op == Op::kUpsample) {  // interpolation is linear: the factor may come before it
      if (!single_use(node.inputs[0]) || !scale_channels(node.inputs[0], scale, really)) return false;
    } else if (!is_convolution(node)) {
      return false;
    }
    if (!really) return true;
    if (is_convolution(node)) multiply(node.scale, scale);
    if (!node.shift.empty()) multiply(node.shift, scale);
    if (node.residual >= 0) multiply(node.residual_scale, scale);
    return true;
  }

  Graph& graph_;
  std::vector<bool> live_;  ///< before anything is joined
  std::vector<int> uses_;
};

}  // namespace

void fuse(Graph& graph, bool inference) {
  Fuser(graph).run(inference);
}

}  // namespace portraitseg::compiler
