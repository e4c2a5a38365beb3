#include "portraitseg/core/libtorch.h"

#include <new>
#include <string>

#include <ATen/autocast_mode.h>
#include <c10/util/Exception.h>
#include <torch/version.h>

namespace portraitseg {
namespace {

namespace autocast = at::autocast;

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)

bool enabled(torch::DeviceType device) {
  return autocast::is_autocast_enabled(device);
}
void enable(torch::DeviceType device, bool on) {
  autocast::set_autocast_enabled(device, on);
}
torch::Dtype dtype_of(torch::DeviceType device) {
  return autocast::get_autocast_dtype(device);
}
void set_dtype(torch::DeviceType device, torch::Dtype dtype) {
  autocast::set_autocast_dtype(device, dtype);
}

#else

bool enabled(torch::DeviceType device) {
  return device == torch::kCPU ? autocast::is_cpu_enabled() : autocast::is_enabled();
}
void enable(torch::DeviceType device, bool on) {
  device == torch::kCPU ? autocast::set_cpu_enabled(on) : autocast::set_enabled(on);
}
torch::Dtype dtype_of(torch::DeviceType device) {
  return device == torch::kCPU ? autocast::get_autocast_cpu_dtype() : autocast::get_autocast_gpu_dtype();
}
void set_dtype(torch::DeviceType device, torch::Dtype dtype) {
  device == torch::kCPU ? autocast::set_autocast_cpu_dtype(dtype) : autocast::set_autocast_gpu_dtype(dtype);
}

#endif

}  // namespace

Autocast::Autocast(torch::DeviceType device, torch::Dtype dtype) : device_(device), dtype_(dtype) {
  if (dtype_ == torch::kFloat32) return;
  enabled_before_ = enabled(device_);
  dtype_before_ = dtype_of(device_);
  set_dtype(device_, dtype_);
  enable(device_, true);
  autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (dtype_ == torch::kFloat32) return;
  if (autocast::decrement_nesting() == 0)
    autocast::clear_cache();  // the casts of parameters that will change
  enable(device_, enabled_before_);
  set_dtype(device_, dtype_before_);
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  // The CPU's allocator, CUDA's libraries and OpenCV have no type of their own for it.
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
  for (const char* sign : {"allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED",
                           "Insufficient memory"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace portraitseg
