#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <torch/types.h>

#include "nn/compiler/batch_sums.h"
#include "nn/compiler/gradients.h"
#include "nn/compiler/graph.h"
#include "nn/compiler/memory.h"
#include "nn/compiler/parameters.h"
#include "nn/compiler/schedule.h"

namespace portraitseg::compiler {

/// A graph and the order in which it is worked off.
struct Plan {
  Graph graph;
  Schedule schedule;
  bool inference = false;  ///< parameters are read once, when a program is made; else at each forward()
};

/// Runs a plan for batches of one size. Its memory is laid out once. T: float or double, as the parameters are.
template <class T>
class Program {
 public:
  Program(std::shared_ptr<const Plan> plan, std::int64_t images);

  /// @param image [images, C, H, W], contiguous; it has to stay as it is until backward() has run
  /// @return the outputs, NCHW
  /// BatchNorms in training take the statistics of this batch and update their running ones.
  std::vector<torch::Tensor> forward(const torch::Tensor& image);

  /// @param gradients of the outputs, contiguous; undefined: zero
  /// @return the gradient of each of `parameters`; undefined where no output with a gradient is computed from it
  std::vector<torch::Tensor> backward(const std::vector<torch::Tensor>& gradients,
                                      const std::vector<torch::Tensor>& parameters);

  std::int64_t bytes() const;  ///< of the memory for maps
  void profile(OperatorSeconds* seconds) { profile_ = seconds; }

 private:
  struct Worker {
    std::size_t index = 0;
    Memory<T> scratch;
    std::array<double, 64> seconds{};
  };

  const Node& at(int id) const { return plan_->graph.at(id); }

  void run(std::size_t first, std::size_t last);
  void run_stage(const Stage& stage);
  void run_step(const Step& step, std::int64_t image, Worker& worker);
  void timed_step(const Step& step, std::int64_t image, Worker& worker);
  void finish_stage(const Stage& stage);

  kernels::Map<T> map(const Place& place, const Shape& shape, std::int64_t image, Worker& worker);
  kernels::Epilogue<T> epilogue(const Step& step, std::int64_t image, Worker& worker);

  std::shared_ptr<const Plan> plan_;
  std::int64_t images_;
  const kernels::Kernels<T>& kernels_;
  Parameters<T> parameters_;
  Memory<T> kept_;
  std::vector<Worker> workers_;
  Gradients<T> gradients_;
  BatchSums<T> sums_;
  torch::Tensor image_;
  std::vector<torch::Tensor> outputs_, output_gradients_;
  OperatorSeconds* profile_ = nullptr;
};

}  // namespace portraitseg::compiler
