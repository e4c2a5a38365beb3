#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include <torch/types.h>

#include "nn/compiler/graph.h"
#include "nn/compiler/memory.h"
#include "nn/compiler/schedule.h"

namespace portraitseg::compiler {

/// A graph and the order in which it is worked off.
struct Plan {
  Graph graph;
  Schedule schedule;
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
  /// @return the gradient of each of `parameters`; undefined where the network does not use it
  std::vector<torch::Tensor> backward(const std::vector<torch::Tensor>& gradients,
                                      const std::vector<torch::Tensor>& parameters);

  /// Parameters are read when a program is made and, in training, at each forward().
  void read_parameters();

  std::int64_t bytes() const;  ///< of the memory for maps
  void profile(OperatorSeconds* seconds) { profile_ = seconds; }

 private:
  struct NodeData {
    std::vector<T> weight, bias, residual_scale, slope;
    std::vector<std::int32_t> channels;
    std::int64_t gradient = 0;  ///< where a sink adds, in each thread's gradients
    std::int64_t sums = 0;      ///< where a sink's sums lie, in each image's
  };
  struct NormData {
    std::vector<T> scale, shift, slope, mean, inverse, linear, constant;
    bool active = false, batch = false;
    kernels::Normalisation<T> normalisation() const {
      return {scale.data(), shift.data(), active ? slope.data() : nullptr};
    }
  };
  struct Worker {
    Memory<T> scratch;
    std::vector<T> gradient;
    std::array<double, 64> seconds{};
  };

  const Node& at(int id) const { return plan_->graph.at(id); }
  NodeData& data(int id) { return nodes_[static_cast<std::size_t>(id)]; }
  NormData& norm_of(const Node& node, int id) { return norms_.at(node.forward >= 0 ? node.forward : id); }

  void prepare(int id);
  void pack(const Node& node, std::vector<T>& packed) const;
  void read_norm(const Node& node, NormData& norm) const;
  void set_statistics(NormData& norm, const BatchNorm& layer, const std::vector<double>& mean,
                      const std::vector<double>& variance) const;

  void run(std::size_t first, std::size_t last);
  void run_stage(const Stage& stage);
  void run_step(const Step& step, std::int64_t image, Worker& worker, kernels::Rows rows);
  void timed_step(const Step& step, std::int64_t image, Worker& worker, kernels::Rows rows);
  void finish_stage(const Stage& stage);
  void finish_moments(const Step& step);
  void finish_sums(const Step& step);

  kernels::Map<T> map(const Place& place, const Shape& shape, std::int64_t image, Worker& worker);
  kernels::Epilogue<T> epilogue(const Step& step, std::int64_t image, Worker& worker);
  torch::Tensor& gradient_of(const torch::Tensor& parameter);
  void add_weight_gradient(int id);

  std::shared_ptr<const Plan> plan_;
  std::int64_t images_;
  const kernels::Kernels<T>& kernels_;
  std::vector<bool> live_;
  std::vector<NodeData> nodes_;
  std::map<int, NormData> norms_;  ///< by the forward node
  Memory<T> kept_;
  std::vector<Worker> workers_;
  std::int64_t gradients_ = 0, sums_ = 0;  ///< sizes: of a thread's gradients, of an image's sums
  std::vector<double> image_sums_;
  bool trains_ = false;
  torch::Tensor image_;
  std::vector<torch::Tensor> outputs_, output_gradients_;
  std::map<const void*, torch::Tensor> parameter_gradients_;
  OperatorSeconds* profile_ = nullptr;
};

}  // namespace portraitseg::compiler
