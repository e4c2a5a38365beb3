#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/types.h>

#include "portraitseg/nn/compiled_network.h"

#include "nn/kernels/kernels.h"

namespace portraitseg::compiler {

/// What a node computes, for one image at a time. Sinks yield no map but sums over images.
enum class Op {
  kInput,           ///< an image's planes, as a channels-last map
  kOutputGradient,  ///< of an output's planes
  kOutput,          ///< sink: writes an output's planes
  kConvolve,
  kConvolveTransposed,
  kWeightGradient,  ///< sink; of the dense and the depthwise ones
  kBiasGradient,    ///< sink
  kDepthwise,
  kDepthwiseTransposed,
  kNormalise,  ///< BatchNorm and activation, or one of them: act(scale * x + shift)
  kMoments,    ///< sink: the statistics that a BatchNorm in training needs of the whole batch
  kNormaliseGradient,
  kNormaliseSums,  ///< sink: the sums that kNormaliseGradient and the parameters' gradients need
  kAdd,
  kConcat,
  kSlice,
  kPermute,  ///< of the channels
  kPool,     ///< average
  kPoolGradient,
  kUpsample,
  kUpsampleGradient,
  kMean,              ///< over the pixels: one pixel
  kSpreadMean,        ///< its gradient, added to the first input
  kMultiplyChannels,  ///< by a map of one pixel
  kMultiplyPixels,    ///< by a map of one channel
  kDotChannels,       ///< gradients of these by their second input
  kDotPixels,
  kConfidence,  ///< the largest softmax probability
  kConfidenceGradient,
};

const char* name_of(Op op);
bool is_sink(Op op);

/// Of one image's map.
struct Shape {
  std::int64_t height = 0, width = 0, channels = 0;

  bool operator==(const Shape& other) const {
    return height == other.height && width == other.width && channels == other.channels;
  }
};

/// Which channel of a parameter belongs to each channel of a map: parameters are never moved, channels are.
using ChannelMap = std::vector<std::int64_t>;

/// A weight [first, second, ky, kx] as LibTorch has it, or the part of it that a node uses. Convolutions go from second to
/// first, transposed ones from first to second; depthwise weights have no second.
struct Weight {
  torch::Tensor tensor;
  ChannelMap first, second;
};

/// A BatchNorm layer's tensors, and which of its channels a node normalises.
struct BatchNorm {
  torch::Tensor weight, bias, running_mean, running_var;
  double momentum = 0.1, eps = 1e-5;
  bool batch_statistics = false;  ///< training; else the running ones
  ChannelMap channels = {};
};

/// Slopes of a PReLU (one for all channels or one each); ReLU has none.
struct Activation {
  torch::Tensor slope;
  ChannelMap channels;
};

struct Node {
  Op op;
  std::vector<int> inputs;
  Shape shape = {};

  std::shared_ptr<const Weight> weight = nullptr;
  bool from_first = false;  ///< the weight's first dimension is the kernel's input
  torch::Tensor bias = {};  ///< of a convolution
  kernels::Window window = {};

  std::shared_ptr<const BatchNorm> norm = nullptr;
  std::shared_ptr<const Activation> activation = nullptr;
  double factor = 1, offset = 0;  ///< of kNormalise without norm

  ChannelMap map = {};     ///< kPermute: the input's channel of each channel
  std::int64_t begin = 0;  ///< kSlice: first channel; kInput, kOutput, kOutputGradient: which one
  std::int64_t size = 0;   ///< kPool
  bool align_corners = false;
  int forward = -1;  ///< of gradients and sums: the forward node they belong to

  // Fused into the kernel that computes the node. What the inference has folded, by channel; empty: nothing.
  int residual = -1;  ///< a node that is added; also the last of `inputs`
  std::vector<double> scale = {}, shift = {}, residual_scale = {}, slope = {};
};

/// Which of a bias' values belong to the channels of a convolution's output.
inline const ChannelMap& output_channels(const Node& node) {
  return node.from_first ? node.weight->second : node.weight->first;
}

/// What a node reads of the network, as far as it has it.
std::vector<torch::Tensor> parameters_of(const Node& node);

/// Of a convolution's kernel.
inline std::int64_t taps(const Node& node) {
  return node.window.kernel[0] * node.window.kernel[1];
}

/// A network as nodes in an order in which each comes after its inputs. The functions add a node, or find a simpler form:
/// operators that work on each channel by itself slip through concatenations and permutations, and what follows one another undone
/// is left out. @throws NotCompiled for what no kernel does
class Graph {
 public:
  std::vector<Node> nodes;
  std::vector<int> outputs;                   ///< nodes
  std::vector<torch::Tensor> batch_counters;  ///< num_batches_tracked of each BatchNorm in training

  const Node& at(int id) const { return nodes[static_cast<std::size_t>(id)]; }
  const Shape& shape(int id) const { return at(id).shape; }
  int add_node(Node node);

  /// Which nodes a sink needs.
  std::vector<bool> live() const;
  /// Which nodes `ends` are computed from, themselves included.
  std::vector<bool> behind(const std::vector<int>& ends) const;

  int input(Shape shape);
  /// weight [out, in / groups, ky, kx], or [in, out / groups, ky, kx] if transposed
  int convolution(int x, const torch::Tensor& weight, const torch::Tensor& bias,
                  const kernels::Window& window, std::int64_t groups, bool transposed);
  int normalise(int x, const BatchNorm& norm);
  int activate(int x, const torch::Tensor& slope);  ///< undefined: ReLU
  int affine(int x, double factor, double offset);
  int add(int a, int b);
  int concat(const std::vector<int>& parts);
  int slice(int x, std::int64_t begin, std::int64_t count);
  int permute(int x, const ChannelMap& map);
  int pool(int x, std::int64_t size);
  int upsample(int x, std::int64_t height, std::int64_t width, bool align_corners);
  int mean(int x);
  int multiply(int a, int b);
  int confidence(int x);

 private:
  int normalise(int x, Node node);
  int depthwise(int x, const torch::Tensor& weight, const torch::Tensor& bias, const kernels::Window& window,
                bool transposed);
};

/// Appends the sinks that write the outputs and, for BatchNorms in training, gather the statistics.
void add_sinks(Graph& graph);

/// Appends the nodes that compute the gradients of all parameters (those that require one) from the outputs' gradients.
/// @return the first node of the backward part
int differentiate(Graph& graph);

/// Joins additions, and in inference BatchNorms and activations, with the convolution or up-sampling before them.
void fuse(Graph& graph, bool inference);

}  // namespace portraitseg::compiler
