#include <algorithm>
#include <map>
#include <utility>

#include <torch/types.h>

#include "nn/compiler/graph.h"

namespace portraitseg::compiler {
namespace {

bool wants_gradient(const torch::Tensor& tensor) {
  return tensor.defined() && tensor.requires_grad();
}

ChannelMap inverse(const ChannelMap& map) {
  ChannelMap result(map.size());
  for (std::size_t c = 0; c < map.size(); ++c)
    result[static_cast<std::size_t>(map[c])] = static_cast<std::int64_t>(c);
  return result;
}

/// Reverse-mode differentiation: nodes from the last to the first, each handing its gradient on to its inputs.
class Differentiator {
 public:
  explicit Differentiator(Graph& graph) : graph_(graph), forward_(static_cast<int>(graph.nodes.size())) {}

  int run() {
    const std::vector<bool> live = graph_.live();
    find_trained();
    const std::vector<int> outputs = graph_.outputs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      Node node{Op::kOutputGradient, {}, graph_.shape(outputs[i])};
      node.begin = static_cast<std::int64_t>(i);
      give(outputs[i], graph_.add_node(std::move(node)));
    }
    for (int id = forward_ - 1; id >= 0; --id) {
      if (!live[static_cast<std::size_t>(id)] || !trained(id) || is_sink(graph_.at(id).op)) continue;
      const int gradient = total(id);
      if (gradient >= 0) hand_on(id, gradient);
    }
    return forward_;
  }

 private:
  /// A gradient for some channels of a node; or of its mean, which total() spreads over the pixels.
  struct Share {
    std::int64_t begin, count;
    int gradient;
    bool of_mean = false;
  };

  /// Nodes with something to learn at or before them; the others' gradients are nobody's business.
  void find_trained() {
    trained_.resize(static_cast<std::size_t>(forward_));
    for (int id = 0; id < forward_; ++id) {
      const Node& node = graph_.at(id);
      const std::vector<torch::Tensor> parameters = parameters_of(node);
      bool trained = std::any_of(parameters.begin(), parameters.end(), wants_gradient);
      for (const int input : node.inputs) trained = trained || trained_[static_cast<std::size_t>(input)];
      trained_[static_cast<std::size_t>(id)] = trained;
    }
  }

  bool trained(int id) const { return trained_[static_cast<std::size_t>(id)]; }

  void give(int id, int gradient) { give(id, 0, graph_.shape(id).channels, gradient); }

  void give(int id, std::int64_t begin, std::int64_t count, int gradient) {
    if (trained(id)) shares_[id].push_back({begin, count, gradient});
  }

  /// The sum of all that was given; -1: nothing. Parts of the channels must tile the node.
  int total(int id) {
    std::map<std::pair<std::int64_t, std::int64_t>, int> sums;  // by channels
    for (const Share& share : shares_[id]) {
      if (share.of_mean) continue;
      const auto [sum, is_new] = sums.emplace(std::pair(share.begin, share.count), share.gradient);
      if (!is_new) sum->second = graph_.add(sum->second, share.gradient);
    }
    const std::int64_t channels = graph_.shape(id).channels;
    int whole = -1;
    std::vector<int> parts;
    std::int64_t covered = 0;
    for (const auto& [range, gradient] : sums) {
      if (range == std::pair(std::int64_t{0}, channels)) {
        whole = gradient;
        continue;
      }
      if (range.first != covered) throw NotCompiled("channels that are used in overlapping parts");
      covered += range.second;
      parts.push_back(gradient);
    }
    if (!parts.empty()) {
      if (covered != channels) throw NotCompiled("channels of which some are not used");
      const int joined = graph_.concat(parts);
      whole = whole < 0 ? joined : graph_.add(whole, joined);
    }
    for (const Share& share : shares_[id]) {
      if (!share.of_mean) continue;
      Node spread{Op::kSpreadMean, {share.gradient}, graph_.shape(id)};
      if (whole >= 0) spread.inputs.push_back(whole);
      whole = graph_.add_node(std::move(spread));
    }
    return whole;
  }

  void hand_on(int id, int gradient) {
    const Node node = graph_.at(id);
    switch (node.op) {
      case Op::kConvolve:
      case Op::kConvolveTransposed:
      case Op::kDepthwise:
      case Op::kDepthwiseTransposed:
        return convolution(node, gradient);
      case Op::kNormalise:
        return normalise(id, node, gradient);
      case Op::kAdd:
        for (const int input : node.inputs) give(input, gradient);
        return;
      case Op::kConcat: {
        std::int64_t begin = 0;
        for (const int input : node.inputs) {
          const std::int64_t count = graph_.shape(input).channels;
          give(input, graph_.slice(gradient, begin, count));
          begin += count;
        }
        return;
      }
      case Op::kSlice:
        return give(node.inputs[0], node.begin, node.shape.channels, gradient);
      case Op::kPermute:
        return give(node.inputs[0], graph_.permute(gradient, inverse(node.map)));
      case Op::kPool:
        return give(node.inputs[0], of_input(node, Op::kPoolGradient, {gradient}));
      case Op::kUpsample:
        return give(node.inputs[0], of_input(node, Op::kUpsampleGradient, {gradient}));
      case Op::kMean:
        if (trained(node.inputs[0]))
          shares_[node.inputs[0]].push_back({0, node.shape.channels, gradient, /*of_mean=*/true});
        return;
      case Op::kMultiplyChannels:
      case Op::kMultiplyPixels: {
        const bool channels = node.op == Op::kMultiplyChannels;
        Node by_map{node.op, {gradient, node.inputs[1]}, node.shape};
        give(node.inputs[0], graph_.add_node(std::move(by_map)));
        Node by_factor{channels ? Op::kDotChannels : Op::kDotPixels,
                       {gradient, node.inputs[0]},
                       graph_.shape(node.inputs[1])};
        give(node.inputs[1], graph_.add_node(std::move(by_factor)));
        return;
      }
      case Op::kConfidence:
        return give(node.inputs[0], of_input(node, Op::kConfidenceGradient, {gradient, node.inputs[0]}));
      default:
        return;  // the image
    }
  }

  /// A node of the shape of `node`'s first input, with its settings.
  int of_input(Node node, Op op, std::vector<int> inputs) {
    node.shape = graph_.shape(node.inputs[0]);
    node.op = op;
    node.inputs = std::move(inputs);
    return graph_.add_node(std::move(node));
  }

  void convolution(const Node& node, int gradient) {
    const int x = node.inputs[0];
    if (wants_gradient(node.weight->tensor)) {
      Node sink = node;
      sink.op = Op::kWeightGradient;
      const bool transposed = node.op == Op::kConvolveTransposed || node.op == Op::kDepthwiseTransposed;
      sink.inputs =
          transposed ? std::vector<int>{gradient, x} : std::vector<int>{x, gradient};  // fine, coarse
      graph_.add_node(std::move(sink));
    }
    if (wants_gradient(node.bias)) {
      Node sink = node;
      sink.op = Op::kBiasGradient;
      sink.inputs = {gradient};
      graph_.add_node(std::move(sink));
    }
    if (!trained(x)) return;
    static const std::map<Op, Op> adjoint = {{Op::kConvolve, Op::kConvolveTransposed},
                                             {Op::kConvolveTransposed, Op::kConvolve},
                                             {Op::kDepthwise, Op::kDepthwiseTransposed},
                                             {Op::kDepthwiseTransposed, Op::kDepthwise}};
    Node back = node;
    back.op = adjoint.at(node.op);
    back.from_first = !node.from_first;
    back.bias = torch::Tensor();
    back.inputs = {gradient};
    back.shape = graph_.shape(x);
    give(x, graph_.add_node(std::move(back)));
  }

  void normalise(int id, const Node& node, int gradient) {
    const int x = node.inputs[0];
    Node back = node;
    back.forward = id;
    back.inputs = {gradient, x};
    if (node.norm || node.activation) {
      Node sums = back;
      sums.op = Op::kNormaliseSums;
      graph_.add_node(std::move(sums));
    }
    back.op = Op::kNormaliseGradient;
    if (trained(x)) give(x, graph_.add_node(std::move(back)));
  }

  Graph& graph_;
  int forward_;
  std::vector<bool> trained_;
  std::map<int, std::vector<Share>> shares_;
};

}  // namespace

void add_sinks(Graph& graph) {
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    Node node{Op::kOutput, {graph.outputs[i]}, graph.shape(graph.outputs[i])};
    node.begin = static_cast<std::int64_t>(i);
    graph.add_node(std::move(node));
  }
  const int count = static_cast<int>(graph.nodes.size());
  std::map<const BatchNorm*, int> done;  // one may be used with and without its activation
  for (int id = 0; id < count; ++id) {
    const Node node = graph.at(id);  // its running statistics are wanted also where its map is not
    const bool needs = node.op == Op::kNormalise && node.norm && node.norm->batch_statistics;
    if (!needs || !done.emplace(node.norm.get(), id).second) continue;
    Node sink{Op::kMoments, {node.inputs[0]}, node.shape};
    sink.norm = node.norm;
    graph.add_node(std::move(sink));
  }
}

int differentiate(Graph& graph) {
  return Differentiator(graph).run();
}

}  // namespace portraitseg::compiler
