#include "nn/compiler/graph.h"

#include <algorithm>
#include <numeric>

namespace portraitseg::compiler {
namespace {

ChannelMap range(std::int64_t begin, std::int64_t count) {
  ChannelMap map(static_cast<std::size_t>(count));
  std::iota(map.begin(), map.end(), begin);
  return map;
}

/// map[select[0]], map[select[1]], ...
ChannelMap select(const ChannelMap& map, const ChannelMap& selected) {
  ChannelMap result;
  for (const auto channel : selected) result.push_back(map[static_cast<std::size_t>(channel)]);
  return result;
}

/// The node's parameters for some of its channels.
Node for_channels(Node node, const ChannelMap& selected) {
  if (node.norm) {
    auto norm = std::make_shared<BatchNorm>(*node.norm);
    norm->channels = select(norm->channels, selected);
    node.norm = norm;
  }
  if (node.activation) {
    auto activation = std::make_shared<Activation>(*node.activation);
    activation->channels = select(activation->channels, selected);
    node.activation = activation;
  }
  if (node.weight) {  // depthwise
    auto weight = std::make_shared<Weight>(*node.weight);
    weight->first = select(weight->first, selected);
    node.weight = weight;
  }
  return node;
}

std::int64_t reduced(std::int64_t size, const kernels::Window& w, int axis) {
  return (size + 2 * w.padding[axis] - w.dilation[axis] * (w.kernel[axis] - 1) - 1) / w.stride[axis] + 1;
}

std::int64_t enlarged(std::int64_t size, const kernels::Window& w, int axis) {
  return (size - 1) * w.stride[axis] - 2 * w.padding[axis] + w.dilation[axis] * (w.kernel[axis] - 1) + 1;
}

Shape convolved(const Shape& in, const kernels::Window& w, bool transposed, std::int64_t channels) {
  const auto size = transposed ? enlarged : reduced;
  return {size(in.height, w, 0), size(in.width, w, 1), channels};
}

}  // namespace

const char* name_of(Op op) {
  switch (op) {
    case Op::kInput:
      return "input";
    case Op::kOutputGradient:
      return "output gradient";
    case Op::kOutput:
      return "output";
    case Op::kConvolve:
      return "convolution";
    case Op::kConvolveTransposed:
      return "transposed convolution";
    case Op::kWeightGradient:
      return "weight gradient";
    case Op::kBiasGradient:
      return "bias gradient";
    case Op::kDepthwise:
      return "depthwise convolution";
    case Op::kDepthwiseTransposed:
      return "transposed depthwise convolution";
    case Op::kNormalise:
      return "normalise and activate";
    case Op::kMoments:
      return "batch statistics";
    case Op::kNormaliseGradient:
      return "normalise gradient";
    case Op::kNormaliseSums:
      return "normalise gradient sums";
    case Op::kAdd:
      return "add";
    case Op::kConcat:
      return "concatenate";
    case Op::kSlice:
      return "slice";
    case Op::kPermute:
      return "permute channels";
    case Op::kPool:
      return "pool";
    case Op::kPoolGradient:
      return "pool gradient";
    case Op::kUpsample:
      return "upsample";
    case Op::kUpsampleGradient:
      return "upsample gradient";
    case Op::kMean:
      return "mean";
    case Op::kSpreadMean:
      return "mean gradient";
    case Op::kMultiplyChannels:
    case Op::kMultiplyPixels:
      return "multiply";
    case Op::kDotChannels:
    case Op::kDotPixels:
      return "multiply gradient";
    case Op::kConfidence:
      return "confidence";
    case Op::kConfidenceGradient:
      return "confidence gradient";
  }
  return "";
}

bool is_sink(Op op) {
  return op == Op::kOutput || op == Op::kWeightGradient || op == Op::kBiasGradient || op == Op::kMoments ||
         op == Op::kNormaliseSums;
}

std::vector<torch::Tensor> parameters_of(const Node& node) {
  std::vector<torch::Tensor> all = {node.bias};
  if (node.weight) all.push_back(node.weight->tensor);
  if (node.norm) all.insert(all.end(), {node.norm->weight, node.norm->bias});
  if (node.activation) all.push_back(node.activation->slope);
  const auto is_none = [](const torch::Tensor& tensor) { return !tensor.defined(); };
  all.erase(std::remove_if(all.begin(), all.end(), is_none), all.end());
  return all;
}

std::vector<bool> Graph::live() const {
  std::vector<int> sinks;
  for (std::size_t id = 0; id < nodes.size(); ++id) {
    if (is_sink(nodes[id].op)) sinks.push_back(static_cast<int>(id));
  }
  return behind(sinks);
}

std::vector<bool> Graph::behind(const std::vector<int>& ends) const {
  std::vector<bool> behind(nodes.size());
  for (const int end : ends) behind[static_cast<std::size_t>(end)] = true;
  for (std::size_t id = nodes.size(); id-- > 0;) {
    if (!behind[id]) continue;
    for (const int input : nodes[id].inputs) behind[static_cast<std::size_t>(input)] = true;
  }
  return behind;
}

int Graph::add_node(Node node) {
  nodes.push_back(std::move(node));
  return static_cast<int>(nodes.size()) - 1;
}

int Graph::input(Shape shape) {
  return add_node({Op::kInput, {}, shape});
}

int Graph::convolution(int x, const torch::Tensor& weight, const torch::Tensor& bias,
                       const kernels::Window& window, std::int64_t groups, bool transposed) {
  const std::int64_t in = shape(x).channels;
  const std::int64_t out = transposed ? weight.size(1) * groups : weight.size(0);
  if (groups > 1 && groups == in && groups == out) return depthwise(x, weight, bias, window, transposed);
  if (groups > 1 && bias.defined()) throw NotCompiled("a grouped convolution with a bias");

  std::vector<int> parts;
  for (std::int64_t g = 0; g < groups; ++g) {
    int part = groups == 1 ? x : slice(x, g * (in / groups), in / groups);
    auto used = std::make_shared<Weight>();
    used->tensor = weight;
    const std::int64_t first = weight.size(0) / groups;
    used->first = range(g * first, first);
    used->second = range(0, weight.size(1));
    if (at(part).op == Op::kPermute) {  // take the channels as they lie in memory
      const ChannelMap& map = at(part).map;
      ChannelMap& of_input = transposed ? used->first : used->second;
      ChannelMap moved(of_input.size());
      for (std::size_t c = 0; c < map.size(); ++c) moved[static_cast<std::size_t>(map[c])] = of_input[c];
      of_input = std::move(moved);
      part = at(part).inputs[0];
    }
    Node node{transposed ? Op::kConvolveTransposed : Op::kConvolve,
              {part},
              convolved(shape(part), window, transposed, out / groups)};
    node.weight = used;
    node.from_first = transposed;
    node.bias = bias;
    node.window = window;
    parts.push_back(add_node(std::move(node)));
  }
  return groups == 1 ? parts[0] : concat(parts);
}

int Graph::depthwise(int x, const torch::Tensor& weight, const torch::Tensor& bias,
                     const kernels::Window& window, bool transposed) {
  if (bias.defined()) throw NotCompiled("a depthwise convolution with a bias");
  auto used = std::make_shared<Weight>();
  used->tensor = weight;
  used->first = range(0, weight.size(0));
  Node node{transposed ? Op::kDepthwiseTransposed : Op::kDepthwise,
            {x},
            convolved(shape(x), window, transposed, shape(x).channels)};
  node.weight = used;
  node.window = window;
  if (at(x).op != Op::kPermute) return add_node(std::move(node));
  const ChannelMap map = at(x).map;
  ChannelMap inverse(map.size());
  for (std::size_t c = 0; c < map.size(); ++c)
    inverse[static_cast<std::size_t>(map[c])] = static_cast<std::int64_t>(c);
  node = for_channels(std::move(node), inverse);
  node.inputs = at(x).inputs;
  return permute(add_node(std::move(node)), map);
}

int Graph::normalise(int x, Node node) {
  if (at(x).op == Op::kPermute) {
    const ChannelMap map = at(x).map;
    ChannelMap inverse(map.size());
    for (std::size_t c = 0; c < map.size(); ++c)
      inverse[static_cast<std::size_t>(map[c])] = static_cast<std::int64_t>(c);
    return permute(normalise(at(x).inputs[0], for_channels(node, inverse)), map);
  }
  if (at(x).op == Op::kConcat) {
    std::vector<int> parts = at(x).inputs;
    std::int64_t begin = 0;
    for (int& part : parts) {
      const std::int64_t count = shape(part).channels;
      part = normalise(part, for_channels(node, range(begin, count)));
      begin += count;
    }
    return concat(parts);
  }
  const bool plain_activation = !node.norm && node.activation && node.factor == 1 && node.offset == 0;
  if (plain_activation && at(x).op == Op::kNormalise &&
      !at(x).activation) {  // BatchNorm, then its activation
    Node joined = at(x);
    joined.activation = node.activation;
    return add_node(std::move(joined));
  }
  node.op = Op::kNormalise;
  node.inputs = {x};
  node.shape = shape(x);
  return add_node(std::move(node));
}

int Graph::normalise(int x, const BatchNorm& norm) {
  Node node{Op::kNormalise, {}, {}};
  auto used = std::make_shared<BatchNorm>(norm);
  used->channels = range(0, shape(x).channels);
  node.norm = used;
  return normalise(x, std::move(node));
}

int Graph::activate(int x, const torch::Tensor& slope) {
  Node node{Op::kNormalise, {}, {}};
  auto activation = std::make_shared<Activation>();
  activation->slope = slope;
  activation->channels = range(0, shape(x).channels);
  if (slope.defined() && slope.numel() == 1) activation->channels.assign(activation->channels.size(), 0);
  node.activation = activation;
  return normalise(x, std::move(node));
}

int Graph::affine(int x, double factor, double offset) {
  Node node{Op::kNormalise, {}, {}};
  node.factor = factor;
  node.offset = offset;
  return normalise(x, std::move(node));
}

int Graph::add(int a, int b) {
  if (!(shape(a) == shape(b))) throw NotCompiled("an addition that broadcasts");
  const int joined = at(a).op == Op::kConcat ? a : b;
  if (at(joined).op == Op::kConcat) {
    std::vector<int> parts = at(joined).inputs;
    std::int64_t begin = 0;
    for (int& part : parts) {
      const std::int64_t count = shape(part).channels;
      const int other = slice(joined == a ? b : a, begin, count);
      part = add(joined == a ? part : other, joined == a ? other : part);
      begin += count;
    }
    return concat(parts);
  }
  return add_node({Op::kAdd, {a, b}, shape(a)});
}

int Graph::concat(const std::vector<int>& parts) {
  std::vector<int> flat;
  for (const int part : parts) {
    const std::vector<int> inner = at(part).op == Op::kConcat ? at(part).inputs : std::vector<int>{part};
    flat.insert(flat.end(), inner.begin(), inner.end());
  }
  if (flat.size() == 1) return flat[0];
  Shape all = shape(flat[0]);
  all.channels = 0;
  for (const int part : flat) {
    if (shape(part).height != all.height || shape(part).width != all.width)
      throw NotCompiled("a concatenation of other than channels");
    all.channels += shape(part).channels;
  }
  return add_node({Op::kConcat, flat, all});
}

int Graph::slice(int x, std::int64_t begin, std::int64_t count) {
  if (begin == 0 && count == shape(x).channels) return x;
  if (at(x).op == Op::kSlice) return slice(at(x).inputs[0], at(x).begin + begin, count);
  if (at(x).op == Op::kConcat) {  // parts that it holds whole, or one part's inside
    std::vector<int> whole;
    std::int64_t first = 0, found = 0;
    for (const int part : std::vector<int>(at(x).inputs)) {
      const std::int64_t channels = shape(part).channels;
      if (begin >= first && begin + count <= first + channels) return slice(part, begin - first, count);
      if (first >= begin && first + channels <= begin + count) {
        whole.push_back(part);
        found += channels;
      }
      first += channels;
    }
    if (found == count) return concat(whole);
  }
  Node node{Op::kSlice, {x}, {shape(x).height, shape(x).width, count}};
  node.begin = begin;
  return add_node(std::move(node));
}

int Graph::permute(int x, const ChannelMap& map) {
  if (at(x).op == Op::kPermute) return permute(at(x).inputs[0], select(at(x).map, map));
  if (map == range(0, shape(x).channels)) return x;
  Node node{Op::kPermute, {x}, shape(x)};
  node.map = map;
  return add_node(std::move(node));
}

int Graph::pool(int x, std::int64_t size) {
  if (at(x).op == Op::kPermute) {
    const ChannelMap map = at(x).map;
    return permute(pool(at(x).inputs[0], size), map);
  }
  const Shape& in = shape(x);
  if (in.height % size != 0 || in.width % size != 0)
    throw NotCompiled("a pooling whose windows do not fill the map");
  Node node{Op::kPool, {x}, {in.height / size, in.width / size, in.channels}};
  node.size = size;
  return add_node(std::move(node));
}

int Graph::upsample(int x, std::int64_t height, std::int64_t width, bool align_corners) {
  if (at(x).op == Op::kPermute) {
    const ChannelMap map = at(x).map;
    return permute(upsample(at(x).inputs[0], height, width, align_corners), map);
  }
  Node node{Op::kUpsample, {x}, {height, width, shape(x).channels}};
  node.align_corners = align_corners;
  return add_node(std::move(node));
}

int Graph::mean(int x) {
  return add_node({Op::kMean, {x}, {1, 1, shape(x).channels}});
}

int Graph::multiply(int a, int b) {
  const auto one_pixel = [&](int x) { return shape(x).height == 1 && shape(x).width == 1; };
  if (shape(b).channels == shape(a).channels && one_pixel(b))
    return add_node({Op::kMultiplyChannels, {a, b}, shape(a)});
  if (shape(b).channels == shape(a).channels && one_pixel(a))
    return add_node({Op::kMultiplyChannels, {b, a}, shape(b)});
  const bool same_pixels = shape(a).height == shape(b).height && shape(a).width == shape(b).width;
  if (same_pixels && shape(b).channels == 1) return add_node({Op::kMultiplyPixels, {a, b}, shape(a)});
  if (same_pixels && shape(a).channels == 1) return add_node({Op::kMultiplyPixels, {b, a}, shape(b)});
  throw NotCompiled("a product of two whole maps");
}

int Graph::confidence(int x) {
  return add_node({Op::kConfidence, {x}, {shape(x).height, shape(x).width, 1}});
}

}  // namespace portraitseg::compiler
