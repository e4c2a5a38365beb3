#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "nn/compiler/graph.h"
#include "nn/compiler/memory.h"

namespace portraitseg::compiler {

/// A network's parameters in the kernels' layouts. T: float or double, as the parameters are.
template <class T>
class Parameters {
 public:
  using Weights = std::vector<T, CacheLines<T>>;

  /// Of a node; what is empty is left out.
  struct Layer {
    Weights weight;
    std::vector<T> bias, residual_scale, slope;
    std::vector<std::int32_t> channels;  ///< kPermute
  };

  /// Of a normalisation and its gradient.
  struct Norm {
    std::vector<T> scale, shift, slope, mean, inverse;
    std::vector<T> linear, constant;  ///< of the gradient
    bool active = false, batch = false;
    kernels::Normalisation<T> normalisation() const {
      return {scale.data(), shift.data(), active ? slope.data() : nullptr};
    }
  };

  /// `graph` has to stay.
  explicit Parameters(const Graph& graph);

  /// Takes the values that the tensors have now.
  void read();

  const Layer& layer(int node) const { return layers_[static_cast<std::size_t>(node)]; }
  Norm& norm(int node);  ///< of a kNormalise, kNormaliseGradient or kNormaliseSums

  /// Gives the layer's normalisations the statistics of a batch, by channel.
  void set_statistics(const BatchNorm& layer, const std::vector<double>& mean,
                      const std::vector<double>& variance);

 private:
  void read_layer(const Node& node, Layer& layer) const;
  void read_norm(const Node& node, Norm& norm) const;

  const Graph& graph_;
  std::vector<bool> live_;
  std::vector<Layer> layers_;
  std::map<int, Norm> norms_;  ///< by the forward node
};

}  // namespace portraitseg::compiler
