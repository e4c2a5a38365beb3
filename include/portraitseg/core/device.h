#pragma once

#include <cstdint>
#include <string>

#include <torch/types.h>

#include "portraitseg/core/config.h"

namespace portraitseg {

struct DeviceOptions {
  std::string name = "auto";  ///< auto | cpu | cuda | cuda:N; auto takes CUDA where there is one
  std::int64_t threads = 0;   ///< of one operator on the CPU; 0: one a core
  bool flush_denormal =
      true;  ///< denormal weights of trained networks slow CPUs down by an order of magnitude
  /// CPU: same bytes for the same seed and thread count.
  /// CUDA: deterministic kernels where LibTorch has them; bilinear up-sampling backward has none.
  bool deterministic = true;
  bool fused = true;  ///< CPU: fused operators in place of LibTorch's

  void fields(Fields& f);
};

/// Where tensors live and how operators run there: the only place that knows CUDA.
/// Constructing one sets the process-wide switches (threads, denormals, determinism), so a program has one.
class Device {
 public:
  /// @throws UserError for an unknown name, or CUDA where there is none.
  explicit Device(const DeviceOptions& options);

  /// The tensor on this device, of type `dtype`.
  torch::Tensor move(const torch::Tensor& tensor, torch::Dtype dtype) const;

  const torch::Device& torch_device() const { return device_; }
  std::int64_t threads() const;
  bool fused() const { return fused_; }  ///< never on CUDA
  std::string description() const;       ///< e.g. "cpu, 2 threads"

 private:
  torch::Device device_;
  bool fused_;
};

}  // namespace portraitseg
