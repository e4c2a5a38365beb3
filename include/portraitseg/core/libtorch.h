#pragma once

#include <exception>

#include <torch/types.h>

namespace portraitseg {

// What LibTorch 1.13 and 2.x do differently; no other file depends on LibTorch's version.

/// As long as it lives, LibTorch's operators on tensors of that kind of device compute in a shorter type, those
/// excepted that need float32: torch.autocast, on this thread.
class Autocast {
 public:
  /// @param dtype torch::kBFloat16 or, on CUDA, torch::kHalf; torch::kFloat32 changes nothing
  Autocast(torch::DeviceType device, torch::Dtype dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  torch::DeviceType device_;
  torch::Dtype dtype_, dtype_before_ = torch::kFloat32;
  bool enabled_before_ = false;
};

/// Whether memory, the machine's or the device's, did not suffice.
bool is_out_of_memory(const std::exception& error);

}  // namespace portraitseg
