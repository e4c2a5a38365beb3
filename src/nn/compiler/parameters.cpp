#include "nn/compiler/parameters.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include <ATen/Parallel.h>

#include "portraitseg/core/parallel.h"

namespace portraitseg::compiler {
namespace {

/// Channel by channel, 0 behind the last.
template <class T>
std::vector<T> channel_values(const torch::Tensor& tensor, const ChannelMap& channels) {
  const torch::Tensor all = tensor.detach().contiguous();
  std::vector<T> values(
      static_cast<std::size_t>(kernels::padded(static_cast<std::int64_t>(channels.size()))));
  for (std::size_t c = 0; c < channels.size(); ++c) values[c] = all.data_ptr<T>()[channels[c]];
  return values;
}

template <class T>
std::vector<T> channel_values(const std::vector<double>& all) {
  std::vector<T> values(static_cast<std::size_t>(kernels::padded(static_cast<std::int64_t>(all.size()))));
  std::transform(all.begin(), all.end(), values.begin(), [](double value) { return static_cast<T>(value); });
  return values;
}

bool has_weight(Op op) {
  return op == Op::kConvolve || op == Op::kConvolveTransposed || op == Op::kDepthwise ||
         op == Op::kDepthwiseTransposed;
}

/// The kernel's rows or columns in the order in which a kernel wants them.
std::vector<std::int64_t> tap_order(const Node& node, int axis) {
  const std::int64_t stride = node.window.stride[axis], dilation = node.window.dilation[axis];
  std::vector<std::int64_t> order(static_cast<std::size_t>(node.window.kernel[axis]));
  std::iota(order.begin(), order.end(), 0);
  if (node.op != Op::kConvolveTransposed) return order;
  const auto first_alike = [&](std::int64_t tap) {  // that meets the same outputs
    std::int64_t first = 0;
    while ((tap - first) * dilation % stride != 0) ++first;
    return first;
  };
  std::reverse(order.begin(), order.end());
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return first_alike(a) < first_alike(b); });
  return order;
}

/// A weight as the kernels want it.
template <class T>
void pack(const Node& node, typename Parameters<T>::Weights& packed) {
  const Weight& weight = *node.weight;
  const torch::Tensor all = weight.tensor.detach();
  const bool planar = all.dim() == 4;  // else a linear layer's
  const std::int64_t first_stride = all.stride(0), second_stride = all.stride(1);
  const std::int64_t y_stride = planar ? all.stride(2) : 0, x_stride = planar ? all.stride(3) : 0;
  const T* values = all.data_ptr<T>();
  const bool depthwise = weight.second.empty();
  const ChannelMap one = {0};
  const ChannelMap& in = depthwise ? one : node.from_first ? weight.first : weight.second;
  const ChannelMap& out = depthwise || !node.from_first ? weight.first : weight.second;
  const std::int64_t in_stride = depthwise ? 0 : node.from_first ? first_stride : second_stride;
  const std::int64_t out_stride = depthwise || !node.from_first ? first_stride : second_stride;
  const auto width = static_cast<std::size_t>(kernels::padded(static_cast<std::int64_t>(out.size())));
  packed.resize(static_cast<std::size_t>(taps(node)) * in.size() * width);
  const std::size_t panel = depthwise ? width : std::size_t{kernels::padded(1)};
  const std::vector<std::int64_t> rows = tap_order(node, 0), columns = tap_order(node, 1);
  T* to = packed.data();
  for (std::size_t first = 0; first < out.size(); first += panel) {
    const std::size_t count = std::min(panel, out.size() - first);
    for (const std::int64_t y : rows) {
      for (const std::int64_t x : columns) {
        for (const std::int64_t i : in) {
          const T* from = values + y * y_stride + x * x_stride + i * in_stride;
          for (std::size_t o = 0; o < count; ++o) to[o] = from[out[first + o] * out_stride];
          for (std::size_t o = 0; o < count && !node.scale.empty(); ++o)
            to[o] *= static_cast<T>(node.scale[first + o]);
          to += panel;
        }
      }
    }
  }
}

template <class T>
void normalise_with(const BatchNorm& layer, const std::vector<double>& mean,
                    const std::vector<double>& variance, typename Parameters<T>::Norm& norm) {
  const auto weight = channel_values<T>(layer.weight, layer.channels);
  const auto bias = channel_values<T>(layer.bias, layer.channels);
  norm.scale.resize(weight.size());
  norm.shift.resize(weight.size());
  for (std::size_t c = 0; c < layer.channels.size(); ++c) {
    const double inverse = 1 / std::sqrt(variance[c] + layer.eps);
    norm.mean[c] = static_cast<T>(mean[c]);
    norm.inverse[c] = static_cast<T>(inverse);
    norm.scale[c] = static_cast<T>(weight[c] * inverse);
    norm.shift[c] = static_cast<T>(bias[c] - weight[c] * inverse * mean[c]);
  }
}

}  // namespace

template <class T>
Parameters<T>::Parameters(const Graph& graph)
    : graph_(graph), live_(graph.live()), layers_(graph.nodes.size()) {
  for (std::size_t id = 0; id < layers_.size(); ++id) {
    const Node& node = graph.nodes[id];
    const bool normalises =
        node.op == Op::kNormalise || node.op == Op::kNormaliseGradient || node.op == Op::kNormaliseSums;
    if (live_[id] && normalises) norms_[node.forward >= 0 ? node.forward : static_cast<int>(id)];
  }
}

template <class T>
typename Parameters<T>::Norm& Parameters<T>::norm(int node) {
  const int forward = graph_.at(node).forward;
  return norms_.at(forward >= 0 ? forward : node);
}

template <class T>
void Parameters<T>::read() {
  for (auto& [id, norm] : norms_) read_norm(graph_.at(id), norm);
  const auto count = static_cast<std::int64_t>(layers_.size());
  parallel_for(0, count, count / at::get_num_threads() + 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto id = static_cast<std::size_t>(begin); id < static_cast<std::size_t>(end); ++id) {
      if (live_[id]) read_layer(graph_.nodes[id], layers_[id]);
    }
  });
}

template <class T>
void Parameters<T>::read_layer(const Node& node, Layer& layer) const {
  if (has_weight(node.op)) pack<T>(node, layer.weight);
  if (node.bias.defined() && has_weight(node.op)) {
    layer.bias = channel_values<T>(node.bias, output_channels(node));
    for (std::size_t c = 0; c < node.scale.size(); ++c) layer.bias[c] *= static_cast<T>(node.scale[c]);
  }
  if (node.op == Op::kPermute && layer.channels.empty())
    layer.channels.assign(node.map.begin(), node.map.end());
  if (!node.shift.empty() && node.op != Op::kNormalise) {
    const auto shift = channel_values<T>(node.shift);
    if (!node.bias.defined()) layer.bias.assign(shift.size(), T(0));
    std::transform(shift.begin(), shift.end(), layer.bias.begin(), layer.bias.begin(), std::plus<>());
  }
  if (!node.residual_scale.empty()) layer.residual_scale = channel_values<T>(node.residual_scale);
  if (!node.slope.empty()) layer.slope = channel_values<T>(node.slope);
}

template <class T>
void Parameters<T>::read_norm(const Node& node, Norm& norm) const {
  const auto channels = static_cast<std::size_t>(kernels::padded(node.shape.channels));
  if (!node.shift.empty()) {  // folded for inference
    norm.scale = channel_values<T>(node.scale);
    norm.shift = channel_values<T>(node.shift);
    norm.active = !node.slope.empty();
    if (norm.active) norm.slope = channel_values<T>(node.slope);
    return;
  }
  norm.batch = node.norm && node.norm->batch_statistics;
  norm.linear.resize(channels);
  norm.constant.resize(channels);
  norm.mean.resize(channels);
  norm.inverse.resize(channels);
  norm.active = node.activation != nullptr;
  if (norm.active && node.activation->slope.defined())
    norm.slope = channel_values<T>(node.activation->slope, node.activation->channels);
  if (norm.active && !node.activation->slope.defined()) norm.slope.assign(channels, T(0));
  if (!node.norm) {
    norm.scale.assign(channels, static_cast<T>(node.factor));
    norm.shift.assign(channels, static_cast<T>(node.offset));
  } else if (!norm.batch) {
    const auto mean = channel_values<T>(node.norm->running_mean, node.norm->channels);
    const auto variance = channel_values<T>(node.norm->running_var, node.norm->channels);
    normalise_with<T>(*node.norm, {mean.begin(), mean.end()}, {variance.begin(), variance.end()}, norm);
  }
}

template <class T>
void Parameters<T>::set_statistics(const BatchNorm& layer, const std::vector<double>& mean,
                                   const std::vector<double>& variance) {
  for (auto& [id, norm] : norms_) {
    if (graph_.at(id).norm.get() == &layer) normalise_with<T>(layer, mean, variance, norm);
  }
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace portraitseg::compiler
