#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "nn/compiler/gradients.h"
#include "nn/compiler/graph.h"
#include "nn/compiler/parameters.h"

namespace portraitseg::compiler {

/// What BatchNorm in training has to know of a whole batch: each image's sums are gathered, and put together in the images' order
/// between two stages, so that threads change nothing.
template <class T>
class BatchSums {
 public:
  /// `graph` has to stay.
  BatchSums(const Graph& graph, std::int64_t images);

  /// Where a kMoments ([mean][squares]) or a kNormaliseSums writes those of an image.
  double* of(int node, std::int64_t image) {
    return sums_.data() + image * size_ + offsets_[static_cast<std::size_t>(node)];
  }

  /// Normalises by the batch's statistics.
  void finish_moments(int node, Parameters<T>& parameters);
  /// Updates the running statistics by those of the batch, in the order in which the network calls its BatchNorms.
  void update_running();
  /// The gradients of weights, biases and slopes, and what BatchNorm's own gradient needs.
  void finish_gradient(int node, Parameters<T>& parameters, Gradients<T>& gradients);

 private:
  struct Statistics {
    std::vector<double> mean, variance;
  };

  double values_per_channel(const Node& node) const {
    return static_cast<double>(node.shape.height * node.shape.width * images_);
  }

  const Graph& graph_;
  std::int64_t images_;
  std::int64_t size_ = 0;  ///< of an image's sums
  std::vector<std::int64_t> offsets_;
  std::vector<double> sums_;
  std::map<int, Statistics> statistics_;  ///< by kMoments
};

}  // namespace portraitseg::compiler
