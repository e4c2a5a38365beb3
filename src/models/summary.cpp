#include "portraitseg/models/summary.h"

#include <map>
#include <memory>
#include <set>
#include <utility>

#include <ATen/record_function.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

/// What an operator is listed as; "" for those that only move or reshape values. What LibTorch calls inside a listed
/// one is not looked at. Others are listed under LibTorch's name if they, and nothing inside them, use a parameter.
std::string listed_as(std::string name) {
  static const std::set<std::string> kept = {"convolution", "linear",  "prelu", "relu", "relu6",
                                             "sigmoid",     "softmax", "mean",  "max",  "add",
                                             "sub",         "rsub",    "mul"};
  static const std::set<std::string> products = {"addmm", "matmul", "mm", "bmm"};
  if (name.back() == '_') name.pop_back();  // in place
  if (kept.count(name)) return name;
  if (products.count(name)) return "linear";
  if (name == "batch_norm") return "batch norm";
  if (name == "cat") return "concatenate";
  if (name.rfind("upsample_", 0) == 0) return "upsample";
  return name.find("pool") == std::string::npos ? "" : "pool";
}

struct Parameter {
  std::string module;  ///< path of its owner; its own name if the network itself owns it
  std::int64_t elements = 0;
  bool noted = false;
};

/// Where a tensor's values begin: the same for a parameter and its transpose, which a linear layer hands on.
using Memory = std::pair<const c10::StorageImpl*, std::int64_t>;

struct Recorder {
  std::map<Memory, Parameter> parameters;
  ModelSummary* summary = nullptr;
  bool inside = false;  ///< a listed operator
};

thread_local Recorder* recorder =
    nullptr;  // LibTorch takes plain functions as callbacks, without any context

/// What the end of an operator needs to know of its beginning.
struct Running : at::ObserverContext {
  std::string name;
  bool listed = false;
  std::vector<Parameter*> parameters;
  std::int64_t each = 0;      ///< multiply-adds for each element
  std::int64_t elements = 0;  ///< 0: the output's
  std::size_t layers_before = 0;
};

Parameter* find_parameter(const c10::IValue& value) {
  if (!value.isTensor() || !value.toTensor().defined() || !value.toTensor().has_storage()) return nullptr;
  const torch::Tensor& tensor = value.toTensor();
  const auto found =
      recorder->parameters.find({tensor.storage().unsafeGetStorageImpl(), tensor.storage_offset()});
  return found == recorder->parameters.end() ? nullptr : &found->second;
}

void count(const std::string& name, c10::ArrayRef<const c10::IValue> inputs, Running& running) {
  if (name == "convolution") {  // of input, weight, bias, stride, padding, dilation, transposed ...
    const torch::Tensor& weight = inputs[1].toTensor();
    running.each = weight.numel() / weight.size(0);
    if (!inputs[6].toBool()) return;
    running.name = "transposed convolution";  // its weight's first dimension is the input's channels
    running.elements = inputs[0].toTensor().numel();
  } else if (running.name == "linear") {  // of input [..., in]; addmm has the bias before it
    running.each = inputs[name == "addmm" ? 1 : 0].toTensor().size(-1);
    if (running.parameters.empty()) running.name = "matrix product";
  }
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
  if (recorder == nullptr || recorder->inside) return nullptr;
  std::string name = function.name();
  if (name.rfind("aten::", 0) == 0) name.erase(0, 6);
  auto running = std::make_unique<Running>();
  running->name = listed_as(name);
  running->listed = recorder->inside = !running->name.empty();
  if (!running->listed) running->name = name;
  running->layers_before = recorder->summary->layers.size();
  for (const auto& input : function.inputs()) {
    if (Parameter* parameter = find_parameter(input)) running->parameters.push_back(parameter);
  }
  if (running->listed) count(name, function.inputs(), *running);
  return running;
}

void end(const at::RecordFunction& function, at::ObserverContext* context) {
  if (context == nullptr || recorder == nullptr) return;
  const Running& running = *static_cast<Running*>(context);
  if (running.listed) recorder->inside = false;
  ModelSummary& summary = *recorder->summary;
  if (function.outputs().empty() || !function.outputs()[0].isTensor()) return;  // it failed, for one
  const torch::Tensor& output = function.outputs()[0].toTensor();
  const bool found_inside = summary.layers.size() > running.layers_before;
  const bool view_of_parameter = find_parameter(function.outputs()[0]) != nullptr;
  if (!running.listed && (running.parameters.empty() || found_inside || view_of_parameter)) return;
  LayerSummary layer{"", running.name, output.sizes().vec()};
  layer.multiply_adds = running.each * (running.elements > 0 ? running.elements : output.numel());
  for (Parameter* parameter : running.parameters) {
    if (layer.key.empty()) layer.key = parameter->module;
    if (!std::exchange(parameter->noted, true)) layer.parameters += parameter->elements;
  }
  summary.multiply_adds += layer.multiply_adds;
  if (layer.operator_name == "convolution") summary.multiply_adds_clova += layer.multiply_adds;
  summary.layers.push_back(std::move(layer));
}

/// Records as long as it lives.
class Recording {
 public:
  explicit Recording(Recorder& own)
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(begin, end)
                                               .needsInputs(true)
                                               .needsOutputs(true)
                                               .scopes({at::RecordScope::FUNCTION}))) {
    recorder = &own;
  }
  ~Recording() {
    at::removeCallback(handle_);
    recorder = nullptr;
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  at::RecordFunctionGuard enabled_;
  at::CallbackHandle handle_;
};

/// Evaluation mode; each module gets its own mode back, since some may be frozen in a network that trains.
class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& network) : network_(network), training_(network.is_training()) {
    for (const auto& module : network.modules(/*include_self=*/false))
      inner_.emplace_back(module, module->is_training());
    network.eval();
  }
  ~EvaluationMode() {
    network_.train(training_);  // and all below it; they follow, parents first
    for (const auto& [module, training] : inner_) module->train(training);
  }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  torch::nn::Module& network_;
  bool training_;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> inner_;
};

}  // namespace

ModelSummary summarize(SegmentationModel& model, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1)
    throw UserError("input size " + std::to_string(height) + "x" + std::to_string(width) +
                    ": height and width must be positive");
  ModelSummary summary;
  summary.size = {height, width};
  Recorder own;
  own.summary = &summary;
  torch::TensorOptions options;
  for (const auto& item : model.named_parameters()) {
    const torch::Tensor& parameter = item.value();
    const Memory memory(parameter.storage().unsafeGetStorageImpl(), parameter.storage_offset());
    const auto [unused, is_new] = own.parameters.emplace(
        memory, Parameter{item.key().substr(0, item.key().rfind('.')), parameter.numel()});
    if (!is_new) continue;  // two modules share it
    if (summary.parameters == 0) options = parameter.options();
    summary.parameters += parameter.numel();
  }
  const torch::NoGradGuard no_grad;
  const EvaluationMode evaluation(model);
  const auto image = torch::zeros({1, 3, height, width}, options);
  SegmentationOutput output;
  {
    const Recording recording(own);
    output = model.forward(image);
  }
  for (const auto& [name, logits] :
       {std::pair("mask", &output.mask), {"boundary", &output.boundary}, {"coarse", &output.coarse}})
    if (logits->defined()) summary.outputs.emplace_back(name, logits->sizes().vec());
  return summary;
}

}  // namespace portraitseg
