#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "nn/compiler/graph.h"

namespace portraitseg::compiler {

/// The gradients of a graph's parameters. Each thread adds to sums of its own; they are added up in the threads' order.
template <class T>
class Gradients {
 public:
  /// `graph` has to stay.
  Gradients(const Graph& graph, std::size_t threads);

  void clear();

  /// Where a thread adds what a kWeightGradient ([ky][kx][second][padded(first)]) or a kBiasGradient yields.
  T* sums(std::size_t thread, int node) {
    return sums_[thread].data() + offsets_[static_cast<std::size_t>(node)];
  }
  std::size_t thread_bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }

  /// 0 where nothing was added yet.
  torch::Tensor& of(const torch::Tensor& parameter);

  /// Adds the threads' sums to their parameters' gradients.
  void gather();

  /// Of each parameter; undefined where none of `outputs` (nodes) is computed from it, as autograd has it: a gradient of 0 would
  /// let an optimizer decay a head that no loss looks at.
  std::vector<torch::Tensor> take(const std::vector<torch::Tensor>& parameters,
                                  const std::vector<int>& outputs);

 private:
  void gather_bias(const Node& node, std::int64_t begin);
  void gather_weight(const Node& node, std::int64_t begin);
  T sum(std::int64_t i) const;

  const Graph& graph_;
  std::vector<bool> live_;
  std::int64_t size_ = 0;
  std::vector<std::int64_t> offsets_;  ///< of a node's sums, in each thread's
  std::vector<std::vector<T>> sums_;
  std::map<const void*, torch::Tensor> gradients_;
};

}  // namespace portraitseg::compiler
