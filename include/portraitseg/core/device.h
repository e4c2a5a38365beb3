#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "portraitseg/core/config.h"
#include "portraitseg/core/libtorch.h"

namespace portraitseg {

/// What a training computes in. Parameters and losses are float32 all the same, or float64 with kFloat64, and so is all
/// that is no training: validation, evaluation, prediction.
enum class Precision {
  kFloat32,
  kFloat64,
  kBfloat16,  ///< the network's operators in bfloat16 where that is safe (autocast); on the CPU LibTorch's, never fused ones
  kFloat16,   ///< CUDA: the same in float16, with a loss that is scaled (engine/grad_scaler.h)
};

struct DeviceOptions {
  std::string name = "auto";  ///< auto | cpu | cuda | cuda:N; auto takes CUDA where there is one
  std::int64_t threads = 0;   ///< of one operator on the CPU; 0: one a core
  bool flush_denormal =
      true;  ///< denormal weights of trained networks slow CPUs down by an order of magnitude
  /// CPU: same bytes for the same seed and thread count.
  /// CUDA: deterministic kernels where LibTorch has them; bilinear up-sampling backward has none.
  bool deterministic = true;
  bool fused = true;         ///< CPU: fused operators in place of LibTorch's
  bool cuda_graphs = false;  ///< CUDA: inference by recorded kernels, see core/cuda_graph.h
  Precision precision = Precision::kFloat32;

  void fields(Fields& f);
};

/// Where tensors live and how operators run there: the only place that knows CUDA.
/// Constructing one sets the process-wide switches (threads, denormals, determinism); those of the last one hold.
class Device {
 public:
  /// @throws UserError for an unknown name, CUDA where there is none, or a precision or graphs that the device does not have.
  explicit Device(const DeviceOptions& options);

  /// The tensor on this device, of type `dtype`; on CUDA maps [N, C, H, W] are laid out channels-last.
  torch::Tensor move(const torch::Tensor& tensor, torch::Dtype dtype) const;

  /// Moves a network here: its parameters become float32 or float64; on CUDA kernels are laid out channels-last.
  void place(torch::nn::Module& network) const;

  /// While it lives, the forward pass of a training runs in the precision that is wanted.
  Autocast autocast() const { return {device_.type(), autocast_dtype_}; }
  bool autocasts() const { return autocast_dtype_ != torch::kFloat32; }
  bool scales_gradients() const { return autocast_dtype_ == torch::kHalf; }

  const torch::Device& torch_device() const { return device_; }
  torch::Dtype dtype() const { return dtype_; }  ///< of networks and images: float32 or float64
  std::int64_t threads() const;
  bool fused() const { return fused_; }              ///< never on CUDA
  bool cuda_graphs() const { return cuda_graphs_; }  ///< never on the CPU
  std::string description() const;                   ///< e.g. "cpu, 2 threads"

 private:
  torch::Tensor lay_out(const torch::Tensor& tensor) const;

  torch::Device device_;
  bool fused_, cuda_graphs_;
  torch::Dtype dtype_, autocast_dtype_;
};

/// The environment variable by which a process is shown some of the machine's accelerators.
constexpr const char* kVisibleDevices = "CUDA_VISIBLE_DEVICES";

/// The accelerators that this process sees, each as the value of kVisibleDevices that shows it alone to another process.
std::vector<std::string> visible_devices();

}  // namespace portraitseg
