#include "nn/compiler/batch_sums.h"

#include <torch/types.h>

namespace portraitseg::compiler {

template <class T>
BatchSums<T>::BatchSums(const Graph& graph, std::int64_t images)
    : graph_(graph), images_(images), offsets_(graph.nodes.size()) {
  const std::vector<bool> live = graph.live();
  for (std::size_t id = 0; id < offsets_.size(); ++id) {
    const Node& node = graph.nodes[id];
    if (!live[id] || (node.op != Op::kMoments && node.op != Op::kNormaliseSums)) continue;
    offsets_[id] = size_;
    size_ += 3 * graph.shape(node.inputs[0]).channels;
  }
  sums_.resize(static_cast<std::size_t>(size_ * images_));
}

template <class T>
void BatchSums<T>::finish_moments(int id, Parameters<T>& parameters) {
  const Node& node = graph_.at(id);
  const BatchNorm& layer = *node.norm;
  const std::size_t channels = layer.channels.size();
  const auto pixels = static_cast<double>(node.shape.height * node.shape.width);
  const double count = values_per_channel(node);
  TORCH_CHECK(count > 1, "Expected more than 1 value per channel when training");
  auto& [mean, variance] = statistics_[id];
  mean.assign(channels, 0.0);
  variance.assign(channels, 0.0);
  for (std::int64_t n = 0; n < images_; ++n) {
    for (std::size_t c = 0; c < channels; ++c) mean[c] += of(id, n)[c] / static_cast<double>(images_);
  }
  for (std::int64_t n = 0; n < images_; ++n) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double apart = of(id, n)[c] - mean[c];
      variance[c] += (of(id, n)[channels + c] + pixels * apart * apart) / count;
    }
  }
  parameters.set_statistics(layer, mean, variance);
}

template <class T>
void BatchSums<T>::update_running() {
  for (const auto& [id, statistics] : statistics_) {
    const BatchNorm& layer = *graph_.at(id).norm;
    const double count = values_per_channel(graph_.at(id));
    T* const running_mean = layer.running_mean.data_ptr<T>();
    T* const running_var = layer.running_var.data_ptr<T>();
    const auto blend = [&](T& running, double value) {
      running = static_cast<T>((1 - layer.momentum) * static_cast<double>(running) + layer.momentum * value);
    };
    for (std::size_t c = 0; c < layer.channels.size(); ++c) {
      blend(running_mean[layer.channels[c]], statistics.mean[c]);
      blend(running_var[layer.channels[c]], statistics.variance[c] * count / (count - 1));
    }
  }
}

template <class T>
void BatchSums<T>::finish_gradient(int id, Parameters<T>& parameters, Gradients<T>& gradients) {
  const Node& node = graph_.at(id);
  auto& norm = parameters.norm(id);
  const Shape& shape = graph_.shape(node.inputs[0]);
  const auto channels = static_cast<std::size_t>(shape.channels);
  const double count = static_cast<double>(shape.height * shape.width * images_);
  std::vector<double> sums(3 * channels);
  for (std::int64_t n = 0; n < images_; ++n) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += of(id, n)[i];
  }
  const auto add = [&](const torch::Tensor& parameter, const ChannelMap& map, const auto& value) {
    if (!parameter.defined() || !parameter.requires_grad()) return;
    T* const gradient = gradients.of(parameter).template data_ptr<T>();
    for (std::size_t c = 0; c < channels; ++c) gradient[map[c]] += static_cast<T>(value(c));
  };
  if (node.norm) {
    add(node.norm->weight, node.norm->channels,
        [&](std::size_t c) { return sums[channels + c] * norm.inverse[c]; });
    add(node.norm->bias, node.norm->channels, [&](std::size_t c) { return sums[c]; });
  }
  if (node.activation)
    add(node.activation->slope, node.activation->channels,
        [&](std::size_t c) { return sums[2 * channels + c]; });
  if (!norm.batch) return;
  for (std::size_t c = 0; c < channels; ++c) {
    const double scale = norm.scale[c], inverse = norm.inverse[c];
    const double linear = -scale * inverse * inverse * sums[channels + c] / count;
    norm.linear[c] = static_cast<T>(linear);
    norm.constant[c] = static_cast<T>(-linear * norm.mean[c] - scale * sums[c] / count);
  }
}

template class BatchSums<float>;
template class BatchSums<double>;

}  // namespace portraitseg::compiler
