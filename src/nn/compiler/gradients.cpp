#include "nn/compiler/gradients.h"

#include <algorithm>
#include <set>

#include <torch/types.h>

namespace portraitseg::compiler {
namespace {

std::int64_t padded_count(const ChannelMap& channels) {
  return kernels::padded(static_cast<std::int64_t>(channels.size()));
}

/// Values of a sink's sums.
std::int64_t size_of(const Node& node) {
  if (node.op == Op::kBiasGradient) return padded_count(output_channels(node));
  return taps(node) * std::max<std::int64_t>(1, static_cast<std::int64_t>(node.weight->second.size())) *
         padded_count(node.weight->first);
}

}  // namespace

template <class T>
Gradients<T>::Gradients(const Graph& graph, std::size_t threads)
    : graph_(graph), live_(graph.live()), offsets_(graph.nodes.size()) {
  for (std::size_t id = 0; id < offsets_.size(); ++id) {
    const Node& node = graph.nodes[id];
    live_[id] = live_[id] && (node.op == Op::kWeightGradient || node.op == Op::kBiasGradient);
    if (!live_[id]) continue;
    offsets_[id] = size_;
    size_ += size_of(node);
  }
  sums_.assign(threads, std::vector<T>(static_cast<std::size_t>(size_)));
}

template <class T>
void Gradients<T>::clear() {
  for (auto& sums : sums_) std::fill(sums.begin(), sums.end(), T(0));
  gradients_.clear();
}

template <class T>
torch::Tensor& Gradients<T>::of(const torch::Tensor& parameter) {
  torch::Tensor& gradient = gradients_[parameter.unsafeGetTensorImpl()];
  if (!gradient.defined()) gradient = torch::zeros(parameter.sizes(), parameter.options());
  return gradient;
}

template <class T>
void Gradients<T>::gather() {
  for (std::size_t id = 0; id < offsets_.size(); ++id) {
    const Node& node = graph_.nodes[id];
    if (live_[id] && node.op == Op::kWeightGradient) gather_weight(node, offsets_[id]);
    if (live_[id] && node.op == Op::kBiasGradient) gather_bias(node, offsets_[id]);
  }
}

template <class T>
T Gradients<T>::sum(std::int64_t i) const {
  T value = 0;
  for (const auto& sums : sums_) value += sums[static_cast<std::size_t>(i)];
  return value;
}

template <class T>
void Gradients<T>::gather_bias(const Node& node, std::int64_t begin) {
  T* const to = of(node.bias).template data_ptr<T>();
  for (const std::int64_t channel : output_channels(node)) to[channel] += sum(begin++);
}

template <class T>
void Gradients<T>::gather_weight(const Node& node, std::int64_t begin) {
  const Weight& weight = *node.weight;
  const torch::Tensor& gradient = of(weight.tensor);
  const std::int64_t kernel = taps(node), first_stride = gradient.stride(0),
                     second_stride = gradient.stride(1);
  T* const to = gradient.template data_ptr<T>();
  const ChannelMap one = {0};
  const ChannelMap& second = weight.second.empty() ? one : weight.second;
  for (std::int64_t tap = 0; tap < kernel; ++tap) {
    for (const std::int64_t s : second) {
      for (std::size_t f = 0; f < weight.first.size(); ++f)
        to[weight.first[f] * first_stride + s * second_stride + tap] +=
            sum(begin + static_cast<std::int64_t>(f));
      begin += padded_count(weight.first);
    }
  }
}

template <class T>
std::vector<torch::Tensor> Gradients<T>::take(const std::vector<torch::Tensor>& parameters,
                                              const std::vector<int>& outputs) {
  std::set<const void*> used;
  const std::vector<bool> behind = graph_.behind(outputs);
  for (std::size_t id = 0; id < behind.size(); ++id) {
    if (!behind[id]) continue;
    for (const auto& parameter : parameters_of(graph_.nodes[id]))
      used.insert(parameter.unsafeGetTensorImpl());
  }
  std::vector<torch::Tensor> result;
  for (const auto& parameter : parameters) {
    const void* key = parameter.unsafeGetTensorImpl();
    const auto found = gradients_.find(key);
    result.push_back(found == gradients_.end() || used.count(key) == 0 ? torch::Tensor() : found->second);
  }
  gradients_.clear();
  return result;
}

template class Gradients<float>;
template class Gradients<double>;

}  // namespace portraitseg::compiler
