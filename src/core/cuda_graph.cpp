#include "portraitseg/core/cuda_graph.h"

#include <utility>

#include "portraitseg/core/error.h"

#ifdef PORTRAITSEG_CUDA
#include <memory>
#include <string>

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/utils.h>

#include "portraitseg/core/libtorch.h"
#endif

namespace portraitseg {

#ifdef PORTRAITSEG_CUDA

namespace {

constexpr int kWarmUps = 3;  // as torch.cuda.make_graphed_callables

struct Recording {
  at::cuda::CUDAGraph graph;
  torch::Tensor input, output;  ///< where the graph reads and writes
};

void record(Recording& recording, const TensorFunction& function) {
  // Libraries allocate their workspaces for a stream at its first use, so the one that records is warmed up.
  const c10::cuda::CUDAStreamGuard side(c10::cuda::getStreamFromPool());
  for (int i = 0; i < kWarmUps; ++i) function(recording.input);
  side.current_stream().synchronize();
  recording.graph.capture_begin();
  recording.output = function(recording.input);
  recording.graph.capture_end();
}

}  // namespace

TensorFunction record_cuda_graph(const TensorFunction& function, const torch::Tensor& input) {
  const torch::NoGradGuard no_grad;
  const c10::cuda::CUDAGuard device(input.device());
  const auto recording = std::make_shared<Recording>();
  recording->input = input.clone();
  c10::cuda::getCurrentCUDAStream().synchronize();  // the copy; the side stream does not wait for it
  try {
    record(*recording, function);
  } catch (const c10::Error& error) {
    if (is_out_of_memory(error)) throw;
    const std::string text = error.what_without_backtrace();
    throw UserError("device.cuda_graphs: the network cannot be recorded: " + text.substr(0, text.find('\n')));
  }
  return [recording](const torch::Tensor& next) {
    const torch::NoGradGuard no_gradients;
    recording->input.copy_(next, /*non_blocking=*/true);
    recording->graph.replay();
    return recording->output.clone();  // the next replay writes over it
  };
}

#else

TensorFunction record_cuda_graph(const TensorFunction&, const torch::Tensor&) {
  throw UserError("device.cuda_graphs: not available, LibTorch was built without CUDA");
}

#endif

GraphedFunction::GraphedFunction(TensorFunction function, Recorder record)
    : function_(std::move(function)), record_(std::move(record)) {}

torch::Tensor GraphedFunction::operator()(const torch::Tensor& input) {
  const Shape shape = input.sizes().vec();
  auto graph = recorded_.find(shape);
  if (graph == recorded_.end()) {
    if (recorded_.size() == kMost || seen_.insert(shape).second) return function_(input);
    graph = recorded_.emplace(shape, record_(function_, input)).first;
  }
  return graph->second(input);
}

}  // namespace portraitseg
