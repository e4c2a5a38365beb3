#include "portraitseg/engine/model_runner.h"

#include <torch/types.h>

namespace portraitseg {
namespace {

/// After so many sizes that are all refused, no other one is tried: each costs a forward pass.
constexpr std::size_t kTries = 4;

}  // namespace

ModelRunner::ModelRunner(SegmentationModel& model, const Device& device, Purpose purpose)
    : model_(model), device_(device), purpose_(purpose), dtype_(model.parameters().front().scalar_type()) {
  if (device.cuda_graphs() && purpose == Purpose::kInference)
    graphed_ = std::make_unique<GraphedFunction>(
        [&](const torch::Tensor& image) { return model_.forward(image).mask; });
  if (!device.fused() || (purpose == Purpose::kTraining && device.autocasts())) return;
  compiled_ = std::make_unique<CompiledNetwork>(
      model, [this](const torch::Tensor& image) { return outputs(image); }, purpose == Purpose::kTraining);
}

/// What is wanted of the network's outputs, the mask first.
std::vector<torch::Tensor> ModelRunner::outputs(const torch::Tensor& image) {
  const SegmentationOutput output = model_.forward(image);
  if (purpose_ == Purpose::kInference) return {output.mask};
  has_boundary_ = output.boundary.defined();
  has_coarse_ = output.coarse.defined();
  std::vector<torch::Tensor> outputs = {output.mask};
  if (has_boundary_) outputs.push_back(output.boundary);
  if (has_coarse_) outputs.push_back(output.coarse);
  return outputs;
}

SegmentationOutput ModelRunner::forward(const torch::Tensor& image) {
  const torch::Tensor moved = device_.move(image, dtype_);
  if (graphed_) return {(*graphed_)(moved), {}, {}};
  if (compiled_ && refused_.count(moved.sizes().slice(1).vec()) == 0) {
    try {
      const std::vector<torch::Tensor> outputs = (*compiled_)(moved);
      has_compiled_ = true;
      SegmentationOutput output{outputs[0], {}, {}};
      if (has_boundary_) output.boundary = outputs[1];
      if (has_coarse_) output.coarse = outputs.back();
      return output;
    } catch (const NotCompiled& reason) {
      refuse(moved, reason.what());
    }
  }
  return purpose_ == Purpose::kTraining ? autocast(moved) : model_.forward(moved);
}

SegmentationOutput ModelRunner::autocast(const torch::Tensor& image) {
  SegmentationOutput output;
  {
    const Autocast shorter = device_.autocast();
    output = model_.forward(image);
  }
  for (torch::Tensor* logits : {&output.mask, &output.boundary, &output.coarse}) {
    if (logits->defined()) *logits = logits->to(dtype_);
  }
  return output;
}

void ModelRunner::refuse(const torch::Tensor& image, const std::string& reason) {
  if (obstacle_.empty()) obstacle_ = reason;
  refused_.insert(image.sizes().slice(1).vec());
  if (!has_compiled_ && refused_.size() >= kTries) compiled_.reset();
}

void ModelRunner::profile(OperatorSeconds* seconds) {
  if (compiled_) compiled_->profile(seconds);
}

}  // namespace portraitseg
