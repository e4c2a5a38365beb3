#include "nn/compiler/record.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>

#include <ATen/record_function.h>
#include <torch/autograd.h>
#include <torch/types.h>

namespace portraitseg::compiler {
namespace {

using Values = std::vector<c10::IValue>;

struct Call {
  std::string name;
  Values inputs, outputs;
  bool hidden = false;  ///< from autograd
};

/// The operators that a network calls, not what LibTorch calls inside them.
struct Recorder {
  std::vector<Call> calls;
  int depth = 0;
  bool gradients = torch::GradMode::is_enabled();
};

thread_local Recorder* recorder =
    nullptr;  // LibTorch takes plain functions as callbacks, without any context

bool any_tensor(const Values& values, const std::function<bool(const torch::Tensor&)>& is) {
  return std::any_of(values.begin(), values.end(), [&](const c10::IValue& value) {
    if (value.isTensor()) return value.toTensor().defined() && is(value.toTensor());
    const auto list = value.isTensorList() ? value.toTensorVector() : std::vector<torch::Tensor>();
    return std::any_of(list.begin(), list.end(), is);
  });
}

/// Without a gradient though what it takes has one: in a NoGradGuard, or within an autograd::Function.
bool is_hidden(const Call& call) {
  const auto has_gradient = [](const torch::Tensor& tensor) { return tensor.requires_grad(); };
  const auto lacks_gradient = [](const torch::Tensor& tensor) {
    return tensor.is_floating_point() && !tensor.requires_grad();
  };
  return any_tensor(call.inputs, has_gradient) &&
         (!torch::GradMode::is_enabled() || any_tensor(call.outputs, lacks_gradient));
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
  if (recorder == nullptr || recorder->depth++ > 0) return nullptr;
  const auto inputs = function.inputs();
  recorder->calls.push_back({function.name(), Values(inputs.begin(), inputs.end()), {}, false});
  return nullptr;
}

void end(const at::RecordFunction& function, at::ObserverContext*) {
  if (recorder == nullptr || --recorder->depth > 0) return;
  const auto outputs = function.outputs();
  Call& call = recorder->calls.back();
  call.outputs.assign(outputs.begin(), outputs.end());
  call.hidden = recorder->gradients && is_hidden(call);
}

std::vector<Call> record_calls(const std::function<void()>& run) {
  Recorder own;
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(begin, end)
                                                     .needsInputs(true)
                                                     .needsOutputs(true)
                                                     .scopes({at::RecordScope::FUNCTION}));
  const at::RecordFunctionGuard enabled;
  recorder = &own;
  try {
    run();
  } catch (...) {
    recorder = nullptr;
    at::removeCallback(handle);
    throw;
  }
  recorder = nullptr;
  at::removeCallback(handle);
  return std::move(own.calls);
}

/// What a tensor is in the graph: a node, or a step on the way to one that several calls make up.
struct Value {
  enum class Form { kMap, kGrouped, kExchanged, kSoftmax } form = Form::kMap;
  int node = -1;
  std::int64_t groups = 1;
};

/// Turns calls into nodes.
class Translator {
 public:
  Graph graph;

  void bind(const torch::Tensor& tensor, Value value) { values_[tensor.unsafeGetTensorImpl()] = value; }

  void translate(const Call& call) {
    const std::string name = call.name.rfind("aten::", 0) == 0 ? call.name.substr(6) : call.name;
    static const std::map<std::string, Value (Translator::*)(const Values&)> known = {
        {"conv2d", &Translator::conv2d},
        {"conv_transpose2d", &Translator::conv_transpose2d},
        {"linear", &Translator::linear},
        {"addmm", &Translator::addmm},
        {"batch_norm", &Translator::batch_norm},
        {"prelu", &Translator::prelu},
        {"relu", &Translator::relu},
        {"relu_", &Translator::relu},
        {"add", &Translator::add},
        {"sub", &Translator::sub},
        {"rsub", &Translator::rsub},
        {"neg", &Translator::neg},
        {"mul", &Translator::mul},
        {"cat", &Translator::cat},
        {"mean", &Translator::mean},
        {"softmax", &Translator::softmax},
        {"max", &Translator::max},
        {"avg_pool2d", &Translator::avg_pool2d},
        {"upsample_bilinear2d", &Translator::upsample_bilinear2d},
        {"reshape", &Translator::reshape},
        {"view", &Translator::reshape},
        {"transpose", &Translator::transpose},
        {"contiguous", &Translator::same},
        {"unsqueeze", &Translator::unsqueeze}};
    if (name == "add_" && counts_batches(call)) return;
    if (name == "t") {  // of a linear layer's weight
      transposed_.emplace(call.outputs.at(0).toTensor().unsafeGetTensorImpl(), call.inputs.at(0).toTensor());
      return;
    }
    const auto found = known.find(name);
    if (found == known.end()) throw NotCompiled("the operator " + name);
    if (call.hidden) throw NotCompiled("the operator " + name + " where autograd does not see it");
    const auto hooked = [](const torch::Tensor& tensor) {
      return !torch::autograd::impl::hooks(tensor).empty();
    };
    require(!any_tensor(call.outputs, hooked), "a hook on a gradient");
    const torch::Tensor& output = call.outputs.at(0).toTensor();
    shape_ = output.sizes().vec();
    bind(output, (this->*found->second)(call.inputs));
  }

  int map(const c10::IValue& value) const {
    const Value& found = look_up(value);
    if (found.form != Value::Form::kMap) throw NotCompiled("a view, or softmax by itself");
    return found.node;
  }

 private:
  using Form = Value::Form;

  const Value& look_up(const c10::IValue& value) const {
    if (!value.isTensor()) throw NotCompiled("an operator without a tensor");
    const auto found = values_.find(value.toTensor().unsafeGetTensorImpl());
    if (found == values_.end()) throw NotCompiled("a tensor that does not come from the image");
    return found->second;
  }

  /// A parameter or buffer; undefined for none.
  static torch::Tensor tensor(const c10::IValue& value) {
    return value.isNone() ? torch::Tensor() : value.toTensor();
  }

  static void require(bool condition, const char* what) {
    if (!condition) throw NotCompiled(what);
  }

  bool counts_batches(const Call& call) {
    const torch::Tensor counter = tensor(call.inputs.at(0));
    if (counter.dim() != 0 || values_.count(counter.unsafeGetTensorImpl()) > 0) return false;
    graph.batch_counters.push_back(counter);
    return true;
  }

  static kernels::Window window(const torch::Tensor& weight, const c10::IValue& stride,
                                const c10::IValue& padding, const c10::IValue& dilation) {
    require(padding.isIntList(), "a padding by name");
    kernels::Window window;
    const auto two = [](const c10::IValue& value, std::int64_t(&out)[2]) {
      const auto list = value.toIntVector();
      out[0] = list.front();
      out[1] = list.back();
    };
    two(stride, window.stride);
    two(padding, window.padding);
    two(dilation, window.dilation);
    window.kernel[0] = weight.size(2);
    window.kernel[1] = weight.size(3);
    return window;
  }

  Value conv2d(const Values& in) {  // input, weight, bias, stride, padding, dilation, groups
    const torch::Tensor weight = tensor(in[1]);
    return {Form::kMap,
            graph.convolution(map(in[0]), weight, tensor(in[2]), window(weight, in[3], in[4], in[5]),
                              in[6].toInt(), /*transposed=*/false)};
  }

  Value conv_transpose2d(
      const Values& in) {  // input, weight, bias, stride, padding, output padding, groups, dilation
    for (const auto padding : in[5].toIntVector()) require(padding == 0, "an output padding");
    const torch::Tensor weight = tensor(in[1]);
    return {Form::kMap,
            graph.convolution(map(in[0]), weight, tensor(in[2]), window(weight, in[3], in[4], in[7]),
                              in[6].toInt(), /*transposed=*/true)};
  }

  Value linear(const Values& in) {  // input [N, C], weight, bias
    require(in[0].toTensor().dim() == 2, "a linear layer of other than [N, C]");
    const torch::Tensor weight = tensor(in[1]);
    return {Form::kMap, graph.convolution(map(in[0]), weight, tensor(in[2]), {}, 1, /*transposed=*/false)};
  }

  Value addmm(const Values& in) {  // bias, input [N, C], transposed weight, two factors
    const auto weight = transposed_.find(in[2].toTensor().unsafeGetTensorImpl());
    require(
        weight != transposed_.end() && in[3].toScalar().toDouble() == 1 && in[4].toScalar().toDouble() == 1,
        "a matrix product other than a linear layer's");
    return {Form::kMap,
            graph.convolution(map(in[1]), weight->second, tensor(in[0]), {}, 1, /*transposed=*/false)};
  }

  Value batch_norm(const Values& in) {  // input, weight, bias, mean, variance, training, momentum, eps, cudnn
    BatchNorm norm{tensor(in[1]), tensor(in[2]), tensor(in[3]), tensor(in[4])};
    require(norm.weight.defined() && norm.bias.defined() && norm.running_mean.defined() &&
                norm.running_var.defined(),
            "a BatchNorm without parameters or statistics");
    norm.batch_statistics = in[5].toBool();
    norm.momentum = in[6].toDouble();
    norm.eps = in[7].toDouble();
    return {Form::kMap, graph.normalise(map(in[0]), norm)};
  }

  Value prelu(const Values& in) { return {Form::kMap, graph.activate(map(in[0]), tensor(in[1]))}; }
  Value relu(const Values& in) { return {Form::kMap, graph.activate(map(in[0]), {})}; }

  /// a + factor * b, of which one may be a number.
  Value sum(const c10::IValue& a, const c10::IValue& b, double factor) {
    if (b.isScalar()) return {Form::kMap, graph.affine(map(a), 1, factor * b.toScalar().toDouble())};
    if (a.isScalar()) return {Form::kMap, graph.affine(map(b), factor, a.toScalar().toDouble())};
    const int second = factor == 1 ? map(b) : graph.affine(map(b), factor, 0);
    return {Form::kMap, graph.add(map(a), second)};
  }

  /// A literal that LibTorch has wrapped as a tensor.
  c10::IValue number(const c10::IValue& value) const {
    if (!value.isTensor() || values_.count(value.toTensor().unsafeGetTensorImpl()) > 0) return value;
    const torch::Tensor& constant = value.toTensor();
    require(constant.unsafeGetTensorImpl()->is_wrapped_number(),
            "a tensor that does not come from the image");
    return constant.item();
  }

  Value add(const Values& in) { return sum(number(in[0]), number(in[1]), in[2].toScalar().toDouble()); }
  Value sub(const Values& in) { return sum(number(in[0]), number(in[1]), -in[2].toScalar().toDouble()); }
  Value rsub(const Values& in) { return sum(number(in[1]), number(in[0]), -in[2].toScalar().toDouble()); }
  Value neg(const Values& in) { return {Form::kMap, graph.affine(map(in[0]), -1, 0)}; }

  Value mul(const Values& in) {
    const c10::IValue a = number(in[0]), b = number(in[1]);
    if (b.isScalar()) return {Form::kMap, graph.affine(map(a), b.toScalar().toDouble(), 0)};
    if (a.isScalar()) return {Form::kMap, graph.affine(map(b), a.toScalar().toDouble(), 0)};
    return {Form::kMap, graph.multiply(map(a), map(b))};
  }

  Value cat(const Values& in) {  // tensors, dimension
    require(in[1].toInt() == 1, "a concatenation of other than channels");
    std::vector<int> parts;
    for (const auto& part : in[0].toTensorVector()) parts.push_back(map(part));
    return {Form::kMap, graph.concat(parts)};
  }

  Value mean(const Values& in) {  // input, dimensions, keep, type
    require(in.size() == 4 && in[1].isIntList() && in[1].toIntVector() == std::vector<std::int64_t>({2, 3}),
            "a mean over other than height and width");
    require(in[3].isNone(), "a mean of another type");
    return {Form::kMap, graph.mean(map(in[0]))};
  }

  Value softmax(const Values& in) {  // input, dimension, type
    require(in[1].toInt() == 1, "a softmax over other than channels");
    require(in[2].isNone(), "a softmax of another type");
    return {Form::kSoftmax, map(in[0])};
  }

  Value max(const Values& in) {  // input, dimension, keep
    require(in.size() == 3 && in[1].isInt() && in[1].toInt() == 1 && in[2].toBool() &&
                look_up(in[0]).form == Form::kSoftmax,
            "a maximum of other than softmax over channels");
    return {Form::kMap, graph.confidence(look_up(in[0]).node)};
  }

  Value avg_pool2d(const Values& in) {  // input, kernel, stride, padding, ceil, count padding, divisor
    const auto kernel = in[1].toIntVector(), stride = in[2].toIntVector();
    const std::int64_t size = kernel.front();
    require(kernel.back() == size && (stride.empty() || (stride.front() == size && stride.back() == size)) &&
                in[3].toIntVector().front() == 0 && in[3].toIntVector().back() == 0 && in[6].isNone(),
            "a pooling whose windows overlap or are padded");
    return {Form::kMap, graph.pool(map(in[0]), size)};
  }

  Value upsample_bilinear2d(const Values& in) {  // input, size or none, aligned, scales
    require(in[1].isIntList(), "an up-sampling by a factor");
    const auto size = in[1].toIntVector();
    for (std::size_t axis = 0; axis + 3 < in.size(); ++axis) {  // a scale goes before the sizes
      const auto before = static_cast<double>(in[0].toTensor().size(static_cast<std::int64_t>(axis) + 2));
      const c10::IValue& scale = in[axis + 3];
      const bool agrees = scale.isDouble() && scale.toDouble() * before == static_cast<double>(size.at(axis));
      require(scale.isNone() || agrees || in[2].toBool(),
              "an up-sampling whose scale is not output over input");
    }
    return {Form::kMap, graph.upsample(map(in[0]), size.at(0), size.at(1), in[2].toBool())};
  }

  /// The steps of a channel shuffle: [N, C, H, W] to [N, groups, C / groups, H, W], exchanged, and back.
  Value reshape(const Values& in) {
    const Value from = look_up(in[0]);
    const auto before = in[0].toTensor().sizes().vec();
    const auto& after = shape_;
    if (before.size() == 4 && after.size() == 5 && after[0] == before[0] &&
        after[1] * after[2] == before[1] && after[3] == before[2] && after[4] == before[3] &&
        from.form == Form::kMap) {
      return {Form::kGrouped, from.node, after[1]};
    }
    require(from.form == Form::kExchanged && after.size() == 4 && after[0] == before[0] &&
                after[2] == before[3] && after[3] == before[4],
            "a reshape other than a channel shuffle's");
    const std::int64_t channels = graph.shape(from.node).channels, each = channels / from.groups;
    ChannelMap source;
    for (std::int64_t c = 0; c < channels; ++c) source.push_back(c % from.groups * each + c / from.groups);
    return {Form::kMap, graph.permute(from.node, source)};
  }

  Value transpose(const Values& in) {
    Value value = look_up(in[0]);
    require(value.form == Form::kGrouped && in[1].toInt() == 1 && in[2].toInt() == 2,
            "a transposition other than a channel shuffle's");
    value.form = Form::kExchanged;
    return value;
  }

  Value same(const Values& in) { return look_up(in[0]); }

  Value unsqueeze(const Values& in) {  // [N, C] to [N, C, 1, 1]
    require(in[1].toInt() >= 2, "a new dimension other than height and width");
    return look_up(in[0]);
  }

  std::vector<std::int64_t> shape_;  ///< of the call's output
  std::unordered_map<const c10::TensorImpl*, Value> values_;
  std::unordered_map<const c10::TensorImpl*, torch::Tensor> transposed_;
};

}  // namespace

Graph record(const std::function<std::vector<torch::Tensor>(const torch::Tensor&)>& forward,
             const torch::Tensor& image, std::vector<torch::Tensor>& outputs) {
  const std::vector<Call> calls =
      record_calls([&] { outputs = forward(image); });  // they keep all tensors alive
  Translator translator;
  const Shape shape{image.size(2), image.size(3), image.size(1)};
  translator.bind(image, {Value::Form::kMap, translator.graph.input(shape)});
  for (const auto& call : calls) translator.translate(call);
  for (const auto& output : outputs) {
    const int node = translator.map(output);
    const Shape& found = translator.graph.shape(node);
    if (output.dim() != 4 || output.size(1) != found.channels || output.size(2) != found.height ||
        output.size(3) != found.width) {
      throw NotCompiled("an output that is no map");
    }
    translator.graph.outputs.push_back(node);
  }
  return std::move(translator.graph);
}

}  // namespace portraitseg::compiler
