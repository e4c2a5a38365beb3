#include "portraitseg/core/device.h"

#include <cstdlib>
#include <sstream>
#include <thread>

#include <opencv2/core/utility.hpp>
#include <torch/cuda.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace portraitseg {
namespace {

const Names<Precision> kPrecisions = {{"float32", Precision::kFloat32},
                                      {"float64", Precision::kFloat64},
                                      {"bf16", Precision::kBfloat16},
                                      {"fp16", Precision::kFloat16}};

torch::Dtype autocast_dtype(Precision precision) {
  if (precision == Precision::kBfloat16) return torch::kBFloat16;
  return precision == Precision::kFloat16 ? torch::kHalf : torch::kFloat32;
}

torch::Device parse(const std::string& name) {
  if (name == "cpu") return torch::Device(torch::kCPU);
  if (name == "auto") return torch::Device(torch::cuda::is_available() ? torch::kCUDA : torch::kCPU);
  const std::string prefix = "cuda";
  const bool digits =
      name.size() > 5 && name.size() < 8 && name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name != prefix && !(name.rfind(prefix + ":", 0) == 0 && digits)) {
    throw UserError("unknown device '" + name + "'; known: auto, cpu, cuda, cuda:N");
  }
  const int index = digits ? std::stoi(name.substr(5)) : 0;
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (index >= count)
    throw UserError("device " + name + " is not there: this machine has " + std::to_string(count) +
                    " CUDA devices");
  return torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(index));
}

}  // namespace

void DeviceOptions::fields(Fields& f) {
  f("name", name, "auto, cpu, cuda or cuda:N");
  f("threads", threads, "CPU threads of one operator; 0: one a core", {0, 1024});
  f("flush_denormal", flush_denormal, "treat denormal numbers as zero");
  f("deterministic", deterministic, "same bytes for the same seed and thread count");
  f("fused", fused, "on the CPU: own fused operators; false: LibTorch's, several times slower");
  f("cuda_graphs", cuda_graphs,
    "on CUDA: inference by recorded CUDA graphs; not measured on a GPU so far, therefore not the default");
  f.choice(
      "precision", precision, kPrecisions,
      "of training: bf16 and fp16 (CUDA only) by autocast, without fused operators; float64 for exactness");
}

Device::Device(const DeviceOptions& options)
    : device_(parse(options.name)),
      fused_(options.fused && device_.is_cpu()),
      cuda_graphs_(options.cuda_graphs),
      dtype_(options.precision == Precision::kFloat64 ? torch::kFloat64 : torch::kFloat32),
      autocast_dtype_(autocast_dtype(options.precision)) {
  if (scales_gradients() && device_.is_cpu())
    throw UserError("device.precision: fp16 needs CUDA, and the device is the CPU; bf16 runs there, too");
  if (cuda_graphs_ && device_.is_cpu())
    throw UserError("device.cuda_graphs needs CUDA, and the device is the CPU");
  const auto cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  at::set_num_threads(options.threads > 0 ? static_cast<int>(options.threads) : cores);
  at::globalContext().setFlushDenormal(options.flush_denormal);
  // Only a warning where no deterministic kernel exists (bilinear up-sampling backward on CUDA).
  at::globalContext().setDeterministicAlgorithms(options.deterministic, /*warn_only=*/true);
  at::globalContext().setDeterministicCuDNN(options.deterministic);
  at::globalContext().setBenchmarkCuDNN(!options.deterministic);
  if (options.deterministic)
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*replace=*/0);  // read at the first product
  at::globalContext().setAllowTF32CuDNN(false);                     // float32 means float32
  at::globalContext().setAllowTF32CuBLAS(false);
  cv::setNumThreads(1);  // OpenCV runs in the loader's threads, which are enough
}

torch::Tensor Device::move(const torch::Tensor& tensor, torch::Dtype dtype) const {
  if (device_.is_cuda() && tensor.is_cpu())
    return lay_out(
        (tensor.is_pinned() ? tensor : tensor.pin_memory()).to(device_, dtype, /*non_blocking=*/true));
  return lay_out(tensor.to(device_, dtype));
}

/// cuDNN's kernels for tensor cores read channels-last maps; the CPU's fused code has its own layout.
torch::Tensor Device::lay_out(const torch::Tensor& tensor) const {
  if (!device_.is_cuda() || tensor.dim() != 4) return tensor;
  return tensor.contiguous(torch::MemoryFormat::ChannelsLast);
}

void Device::place(torch::nn::Module& network) const {
  const torch::NoGradGuard no_grad;
  network.to(device_, dtype_);
  for (auto& parameter : network.parameters()) parameter.set_data(lay_out(parameter.data()));
}

std::int64_t Device::threads() const {
  return at::get_num_threads();
}

std::string Device::description() const {
  return device_.str() + ", " + std::to_string(threads()) + " threads";
}

std::vector<std::string> visible_devices() {
  const char* listed = std::getenv(kVisibleDevices);
  std::vector<std::string> names;
  std::istringstream list(listed == nullptr ? "" : listed);
  for (std::string name; std::getline(list, name, ',');) names.push_back(name);
  const std::size_t count = torch::cuda::device_count();
  for (std::size_t i = names.size(); i < count; ++i) names.push_back(std::to_string(i));
  names.resize(count);
  return names;
}

}  // namespace portraitseg
