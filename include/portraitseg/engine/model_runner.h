#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "portraitseg/core/cuda_graph.h"
#include "portraitseg/core/device.h"
#include "portraitseg/models/model.h"
#include "portraitseg/nn/compiled_network.h"

namespace portraitseg {

/// Runs a network in the fastest way that the device has: compiled (nn/compiled_network.h) on the CPU, LibTorch's operators on
/// CUDA, where `device.fused` is false, and for networks, or sizes of images, that cannot be compiled. Same results, but for rounding.
/// With `device.cuda_graphs`, inference on CUDA repeats what it has recorded (core/cuda_graph.h).
/// Training follows `device.precision`, with LibTorch's operators where that is bf16 or fp16; the outputs are of the parameters' type.
class ModelRunner {
 public:
  enum class Purpose {
    kInference,  ///< the mask alone, no gradients; the network must be in evaluation mode, its parameters final
    kTraining,  ///< all outputs, with gradients; the network must be in training mode
  };

  /// @param model, device have to live as long as this
  ModelRunner(SegmentationModel& model, const Device& device, Purpose purpose);
  ModelRunner(const ModelRunner&) = delete;  // what it compiles calls back to it
  ModelRunner& operator=(const ModelRunner&) = delete;

  /// @param image [N, C, H, W], on any device and of any type; as SegmentationModel::forward()
  SegmentationOutput forward(const torch::Tensor& image);

  /// Why LibTorch's operators ran first, where fused ones could have been; empty: nothing has stood in the way so far.
  const std::string& obstacle() const { return obstacle_; }

  /// Adds up what the fused operators take, until nullptr is given; nothing comes from LibTorch's.
  void profile(OperatorSeconds* seconds);

 private:
  std::vector<torch::Tensor> outputs(const torch::Tensor& image);
  SegmentationOutput autocast(const torch::Tensor& image);
  void refuse(const torch::Tensor& image, const std::string& reason);

  SegmentationModel& model_;
  const Device& device_;
  Purpose purpose_;
  torch::Dtype dtype_;
  std::unique_ptr<CompiledNetwork> compiled_;
  std::unique_ptr<GraphedFunction> graphed_;
  bool has_boundary_ = false, has_coarse_ = false;
  bool has_compiled_ = false;
  std::set<std::vector<std::int64_t>> refused_;  ///< channels, height, width
  std::string obstacle_;
};

}  // namespace portraitseg
