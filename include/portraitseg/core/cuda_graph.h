#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include <torch/types.h>

namespace portraitseg {

using TensorFunction = std::function<torch::Tensor(const torch::Tensor&)>;

/// Records the kernels that a function launches on a CUDA device, after a few runs that warm it up, so that they can be
/// launched again all at once. No gradients.
/// @param function does the same whatever the values, and never waits for the device; what it reads besides its input stays in
///   its place in memory as long as the result lives
/// @param input an example, on the CUDA device
/// @returns the same function, for inputs of that shape, type and device alone; it runs no code of `function`
/// @throws UserError if the function cannot be recorded, or this LibTorch records nothing
TensorFunction record_cuda_graph(const TensorFunction& function, const torch::Tensor& input);

/// A function that is recorded for the shapes that come more than once: the first few of them, since a recording keeps all of
/// the function's memory. Others run as they are.
class GraphedFunction {
 public:
  using Recorder = std::function<TensorFunction(const TensorFunction&, const torch::Tensor&)>;
  static constexpr std::size_t kMost = 4;

  explicit GraphedFunction(TensorFunction function, Recorder record = record_cuda_graph);

  /// @param input always of one type, and on one device
  torch::Tensor operator()(const torch::Tensor& input);

 private:
  using Shape = std::vector<std::int64_t>;

  TensorFunction function_;
  Recorder record_;
  std::set<Shape> seen_;
  std::map<Shape, TensorFunction> recorded_;
};

}  // namespace portraitseg
