#include "nn/compiler/program.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "portraitseg/core/parallel.h"

namespace portraitseg::compiler {
namespace {

template <class T>
torch::Dtype dtype_of();
template <>
torch::Dtype dtype_of<float>() {
  return torch::kFloat32;
}
template <>
torch::Dtype dtype_of<double>() {
  return torch::kFloat64;
}

/// Channel by channel, 0 behind the last.
template <class T>
std::vector<T> channel_values(const torch::Tensor& tensor, const ChannelMap& channels) {
  const torch::Tensor all = tensor.detach().contiguous();
  std::vector<T> values(
      static_cast<std::size_t>(kernels::padded(static_cast<std::int64_t>(channels.size()))));
  for (std::size_t c = 0; c < channels.size(); ++c) values[c] = all.data_ptr<T>()[channels[c]];
  return values;
}

template <class T>
std::vector<T> channel_values(const std::vector<double>& all) {
  std::vector<T> values(static_cast<std::size_t>(kernels::padded(static_cast<std::int64_t>(all.size()))));
  std::transform(all.begin(), all.end(), values.begin(), [](double value) { return static_cast<T>(value); });
  return values;
}

template <class T>
kernels::Map<const T> constant(const kernels::Map<T>& map) {
  return {map.data, map.height, map.width, map.channels, map.pitch};
}

bool is_depthwise(Op op) {
  return op == Op::kDepthwise || op == Op::kDepthwiseTransposed;
}

bool has_weight(Op op) {
  return op == Op::kConvolve || op == Op::kConvolveTransposed || is_depthwise(op);
}

std::int64_t taps(const Node& node) {
  return node.window.kernel[0] * node.window.kernel[1];
}

/// Values of a weight's gradient as the kernels add it up.
std::int64_t gradient_size(const Node& node) {
  const auto count = [](const ChannelMap& map) { return static_cast<std::int64_t>(map.size()); };
  const Weight& weight = *node.weight;
  if (weight.second.empty()) return taps(node) * kernels::padded(count(weight.first));
  return taps(node) * count(weight.second) * kernels::padded(count(weight.first));
}

}  // namespace

template <class T>
Program<T>::Program(std::shared_ptr<const Plan> plan, std::int64_t images)
    : plan_(std::move(plan)),
      images_(images),
      kernels_(kernels::best_kernels<T>()),
      live_(plan_->graph.live()),
      nodes_(plan_->graph.nodes.size()) {
  kept_.resize(static_cast<std::size_t>(plan_->schedule.kept * images));
  std::int64_t scratch = 0;
  for (const auto& stage : plan_->schedule.stages) scratch = std::max(scratch, stage.scratch);
  for (std::size_t id = 0; id < nodes_.size(); ++id) {
    const Node& node = plan_->graph.nodes[id];
    if (!live_[id]) continue;
    if (node.op == Op::kWeightGradient || node.op == Op::kBiasGradient) {
      nodes_[id].gradient = gradients_;
      gradients_ += node.op == Op::kBiasGradient
                        ? kernels::padded(node.inputs.size() ? at(node.inputs[0]).shape.channels : 0)
                        : gradient_size(node);
    }
    if (node.op == Op::kMoments || node.op == Op::kNormaliseSums) {
      nodes_[id].sums = sums_;
      sums_ += 3 * plan_->graph.shape(node.inputs[0]).channels;
    }
    trains_ =
        trains_ || node.op == Op::kMoments || node.op == Op::kWeightGradient || node.op == Op::kNormaliseSums;
  }
  image_sums_.resize(static_cast<std::size_t>(sums_ * images_));
  workers_.resize(static_cast<std::size_t>(
      std::max<std::int64_t>(1, std::min<std::int64_t>(at::get_num_threads(), images_))));
  for (auto& worker : workers_) {
    worker.scratch.resize(static_cast<std::size_t>(scratch));
    worker.gradient.resize(static_cast<std::size_t>(gradients_));
  }
  read_parameters();
}

template <class T>
std::int64_t Program<T>::bytes() const {
  std::size_t values = kept_.size();
  for (const auto& worker : workers_) values += worker.scratch.size() + worker.gradient.size();
  return static_cast<std::int64_t>(values * sizeof(T));
}

// Parameters

template <class T>
void Program<T>::read_parameters() {
  for (std::size_t id = 0; id < nodes_.size(); ++id) {
    const Node& node = plan_->graph.nodes[id];
    if (!live_[id]) continue;
    const bool normalises =
        node.op == Op::kNormalise || node.op == Op::kNormaliseGradient || node.op == Op::kNormaliseSums;
    if (normalises)
      norms_[node.forward >= 0 ? node.forward : static_cast<int>(id)];  // made here, not by the threads
  }
  for (auto& [id, norm] : norms_) read_norm(at(id), norm);
  const auto count = static_cast<std::int64_t>(nodes_.size());
  parallel_for(0, count, std::max<std::int64_t>(1, count / at::get_num_threads() + 1),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t id = begin; id < end; ++id) {
                   if (live_[static_cast<std::size_t>(id)]) prepare(static_cast<int>(id));
                 }
               });
}

template <class T>
void Program<T>::prepare(int id) {
  const Node& node = at(id);
  NodeData& values = data(id);
  if (has_weight(node.op)) pack(node, values.weight);
  if (node.bias.defined() && has_weight(node.op)) {
    values.bias = channel_values<T>(node.bias, node.weight->first);
    for (std::size_t c = 0; c < node.scale.size(); ++c) values.bias[c] *= static_cast<T>(node.scale[c]);
  }
  if (node.op == Op::kPermute && values.channels.empty())
    values.channels.assign(node.map.begin(), node.map.end());
  if (!node.shift.empty() && node.op != Op::kNormalise) {
    const auto shift = channel_values<T>(node.shift);
    if (!node.bias.defined()) values.bias.assign(shift.size(), T(0));
    std::transform(shift.begin(), shift.end(), values.bias.begin(), values.bias.begin(), std::plus<>());
  }
  if (!node.residual_scale.empty()) values.residual_scale = channel_values<T>(node.residual_scale);
  if (!node.slope.empty()) values.slope = channel_values<T>(node.slope);
}

/// A weight as the kernels want it: [ky][kx][in][padded(out)].
template <class T>
void Program<T>::pack(const Node& node, std::vector<T>& packed) const {
  const Weight& weight = *node.weight;
  const torch::Tensor all = weight.tensor.detach();
  const bool planar = all.dim() == 4;  // else a linear layer's
  const std::int64_t first_stride = all.stride(0), second_stride = all.stride(1);
  const std::int64_t y_stride = planar ? all.stride(2) : 0, x_stride = planar ? all.stride(3) : 0;
  const T* values = all.data_ptr<T>();
  const bool depthwise = weight.second.empty();
  const ChannelMap one = {0};
  const ChannelMap& in = depthwise ? one : node.from_first ? weight.first : weight.second;
  const ChannelMap& out = depthwise || !node.from_first ? weight.first : weight.second;
  const std::int64_t in_stride = depthwise ? 0 : node.from_first ? first_stride : second_stride;
  const std::int64_t out_stride = depthwise || !node.from_first ? first_stride : second_stride;
  const auto width = static_cast<std::size_t>(kernels::padded(static_cast<std::int64_t>(out.size())));
  packed.resize(static_cast<std::size_t>(taps(node)) * in.size() * width);
  T* to = packed.data();
  for (std::int64_t y = 0; y < node.window.kernel[0]; ++y) {
    for (std::int64_t x = 0; x < node.window.kernel[1]; ++x) {
      for (const std::int64_t i : in) {
        const T* from = values + y * y_stride + x * x_stride + i * in_stride;
        for (std::size_t o = 0; o < out.size(); ++o) to[o] = from[out[o] * out_stride];
        for (std::size_t o = 0; o < node.scale.size(); ++o) to[o] *= static_cast<T>(node.scale[o]);
        to += width;
      }
    }
  }
}

template <class T>
void Program<T>::read_norm(const Node& node, NormData& norm) const {
  const auto channels = static_cast<std::size_t>(kernels::padded(node.shape.channels));
  if (!node.shift.empty()) {  // folded for inference
    norm.scale = channel_values<T>(node.scale);
    norm.shift = channel_values<T>(node.shift);
    norm.active = !node.slope.empty();
    if (norm.active) norm.slope = channel_values<T>(node.slope);
    return;
  }
  norm.batch = node.norm && node.norm->batch_statistics;
  norm.linear.resize(channels);
  norm.constant.resize(channels);
  norm.mean.resize(channels);
  norm.inverse.resize(channels);
  norm.active = node.activation != nullptr;
  if (norm.active && node.activation->slope.defined())
    norm.slope = channel_values<T>(node.activation->slope, node.activation->channels);
  if (norm.active && !node.activation->slope.defined()) norm.slope.assign(channels, T(0));
  if (!node.norm) {
    norm.scale.assign(channels, static_cast<T>(node.factor));
    norm.shift.assign(channels, static_cast<T>(node.offset));
  } else if (!norm.batch) {
    const auto mean = channel_values<T>(node.norm->running_mean, node.norm->channels);
    const auto variance = channel_values<T>(node.norm->running_var, node.norm->channels);
    set_statistics(norm, *node.norm, {mean.begin(), mean.end()}, {variance.begin(), variance.end()});
  }
}

template <class T>
void Program<T>::set_statistics(NormData& norm, const BatchNorm& layer, const std::vector<double>& mean,
                                const std::vector<double>& variance) const {
  const auto weight = channel_values<T>(layer.weight, layer.channels);
  const auto bias = channel_values<T>(layer.bias, layer.channels);
  norm.scale.resize(weight.size());
  norm.shift.resize(weight.size());
  for (std::size_t c = 0; c < layer.channels.size(); ++c) {
    const double inverse = 1 / std::sqrt(variance[c] + layer.eps);
    norm.mean[c] = static_cast<T>(mean[c]);
    norm.inverse[c] = static_cast<T>(inverse);
    norm.scale[c] = static_cast<T>(weight[c] * inverse);
    norm.shift[c] = static_cast<T>(bias[c] - weight[c] * inverse * mean[c]);
  }
}

// Running

template <class T>
std::vector<torch::Tensor> Program<T>::forward(const torch::Tensor& image) {
  const Graph& graph = plan_->graph;
  if (trains_) read_parameters();
  image_ = image;
  outputs_.clear();
  for (const int output : graph.outputs) {
    const Shape& shape = graph.shape(output);
    outputs_.push_back(
        torch::empty({images_, shape.channels, shape.height, shape.width}, torch::dtype(dtype_of<T>())));
  }
  run(0, plan_->schedule.backward);
  for (const auto& counter : graph.batch_counters) torch::Tensor(counter).add_(1);
  return std::move(outputs_);
}

template <class T>
std::vector<torch::Tensor> Program<T>::backward(const std::vector<torch::Tensor>& gradients,
                                                const std::vector<torch::Tensor>& parameters) {
  output_gradients_.clear();
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Shape& shape = plan_->graph.shape(plan_->graph.outputs[i]);
    output_gradients_.push_back(gradients[i].defined()
                                    ? gradients[i].contiguous()
                                    : torch::zeros({images_, shape.channels, shape.height, shape.width},
                                                   torch::dtype(dtype_of<T>())));
  }
  for (auto& worker : workers_) std::fill(worker.gradient.begin(), worker.gradient.end(), T(0));
  parameter_gradients_.clear();
  run(plan_->schedule.backward, plan_->schedule.stages.size());
  for (std::size_t id = 0; id < nodes_.size(); ++id) {
    const Op op = plan_->graph.nodes[id].op;
    if (live_[id] && (op == Op::kWeightGradient || op == Op::kBiasGradient))
      add_weight_gradient(static_cast<int>(id));
  }
  image_ = torch::Tensor();
  output_gradients_.clear();
  std::vector<torch::Tensor> result;
  for (const auto& parameter : parameters) {
    const auto found = parameter_gradients_.find(parameter.unsafeGetTensorImpl());
    result.push_back(found == parameter_gradients_.end() ? torch::Tensor() : found->second);
  }
  parameter_gradients_.clear();
  return result;
}

template <class T>
void Program<T>::run(std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) run_stage(plan_->schedule.stages[i]);
  if (profile_ == nullptr) return;
  for (auto& worker : workers_) {
    for (std::size_t op = 0; op < worker.seconds.size(); ++op) {
      if (worker.seconds[op] > 0) (*profile_)[name_of(static_cast<Op>(op))] += worker.seconds[op];
    }
    worker.seconds.fill(0);
  }
}

template <class T>
void Program<T>::run_stage(const Stage& stage) {
  const auto workers = static_cast<std::int64_t>(workers_.size());
  parallel_for(0, workers, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t w = first; w < last; ++w) {
      Worker& worker = workers_[static_cast<std::size_t>(w)];
      for (std::int64_t image = w * images_ / workers; image < (w + 1) * images_ / workers; ++image) {
        for (const Step& step : stage.steps) timed_step(step, image, worker, {0, at(step.node).shape.height});
      }
    }
  });
  finish_stage(stage);
}

template <class T>
void Program<T>::timed_step(const Step& step, std::int64_t image, Worker& worker, kernels::Rows rows) {
  if (profile_ == nullptr) return run_step(step, image, worker, rows);
  const auto start = std::chrono::steady_clock::now();
  run_step(step, image, worker, rows);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  worker.seconds[static_cast<std::size_t>(at(step.node).op)] += seconds.count();
}

template <class T>
kernels::Map<T> Program<T>::map(const Place& place, const Shape& shape, std::int64_t image, Worker& worker) {
  T* base = place.kept ? kept_.data() + place.offset * images_ + image * place.size
                       : worker.scratch.data() + place.offset;
  return {base + place.channel, shape.height, shape.width, shape.channels, place.pitch};
}

template <class T>
kernels::Epilogue<T> Program<T>::epilogue(const Step& step, std::int64_t image, Worker& worker) {
  const Node& node = at(step.node);
  const NodeData& values = data(step.node);
  kernels::Epilogue<T> result;
  if (!values.bias.empty()) result.bias = values.bias.data();
  if (!values.slope.empty()) result.slope = values.slope.data();
  if (node.residual >= 0) {
    const auto residual = map(step.in.back(), node.shape, image, worker);
    result.residual = residual.data;
    result.residual_pitch = residual.pitch;
    if (!values.residual_scale.empty()) result.residual_scale = values.residual_scale.data();
  }
  return result;
}

template <class T>
void Program<T>::run_step(const Step& step, std::int64_t image, Worker& worker, kernels::Rows rows) {
  const Node& node = at(step.node);
  const auto input = [&](std::size_t i) {
    const int id = step.copy_of >= 0 ? step.copy_of : node.inputs[i];
    return constant(map(step.in[i], at(id).shape, image, worker));
  };
  const auto output = [&] { return map(step.out, node.shape, image, worker); };
  const auto planes = [&](const torch::Tensor& tensor) {
    return tensor.data_ptr<T>() + image * (tensor.numel() / images_);
  };
  double* const sums = image_sums_.data() + image * sums_ + data(step.node).sums;
  T* const gradient = worker.gradient.data() + data(step.node).gradient;

  switch (node.op) {
    case Op::kInput:
      return kernels_.from_planes(planes(image_), output(), rows);
    case Op::kOutputGradient:
      return kernels_.from_planes(planes(output_gradients_[static_cast<std::size_t>(node.begin)]), output(),
                                  rows);
    case Op::kOutput:
      return kernels_.to_planes(input(0), planes(outputs_[static_cast<std::size_t>(node.begin)]), rows);
    case Op::kConvolve:
      return kernels_.convolve(input(0), data(step.node).weight.data(), node.window,
                               epilogue(step, image, worker), output(), rows);
    case Op::kConvolveTransposed:
      return kernels_.convolve_transposed(input(0), data(step.node).weight.data(), node.window,
                                          epilogue(step, image, worker), output(), rows);
    case Op::kDepthwise:
      return kernels_.depthwise(input(0), data(step.node).weight.data(), node.window,
                                epilogue(step, image, worker), output(), rows);
    case Op::kDepthwiseTransposed:
      return kernels_.depthwise_transposed(input(0), data(step.node).weight.data(), node.window,
                                           epilogue(step, image, worker), output(), rows);
    case Op::kWeightGradient:
      return (node.weight->second.empty()
                  ? kernels_.depthwise_weight_gradient
                  : kernels_.convolve_weight_gradient)(input(0), input(1), node.window, gradient);
    case Op::kBiasGradient: {
      const auto in = input(0);
      std::vector<T> mean(static_cast<std::size_t>(kernels::padded(in.channels)));
      kernels_.channel_means(in, mean.data());
      for (std::int64_t c = 0; c < in.channels; ++c)
        gradient[c] += mean[static_cast<std::size_t>(c)] * static_cast<T>(in.height * in.width);
      return;
    }
    case Op::kNormalise: {
      const NormData& norm = norm_of(node, step.node);
      auto end = epilogue(step, image, worker);
      end.bias = norm.shift.data();
      end.slope = norm.active ? norm.slope.data() : nullptr;
      return kernels_.scale_shift(input(0), norm.scale.data(), end, output(), rows);
    }
    case Op::kMoments:
      return kernels_.moments(input(0), sums, sums + input(0).channels);
    case Op::kNormaliseGradient: {
      const NormData& norm = norm_of(node, step.node);
      const auto residual = node.residual >= 0 ? input(2) : kernels::Map<const T>();
      return kernels_.normalise_gradient(
          input(0), input(1), norm.normalisation(), norm.batch ? norm.linear.data() : nullptr,
          norm.batch ? norm.constant.data() : nullptr, residual, output(), rows);
    }
    case Op::kNormaliseSums: {
      const NormData& norm = norm_of(node, step.node);
      std::fill(sums, sums + 3 * input(0).channels, 0.0);
      return kernels_.normalise_sums(input(0), input(1), norm.normalisation(), norm.mean.data(), sums);
    }
    case Op::kAdd: {
      const auto second = input(1);
      kernels::Epilogue<T> end;
      end.residual = second.data;
      end.residual_pitch = second.pitch;
      return kernels_.scale_shift(input(0), nullptr, end, output(), rows);
    }
    case Op::kConcat: {
      auto out = output();
      out.channels = input(0).channels;
      return kernels_.scale_shift(input(0), nullptr, {}, out, rows);
    }
    case Op::kPermute:
      return kernels_.gather_channels(input(0), data(step.node).channels.data(), output());
    case Op::kPool:
      return kernels_.average_pool(input(0), node.size, output(), rows);
    case Op::kPoolGradient:
      return kernels_.average_pool_gradient(input(0), node.size, output(), rows);
    case Op::kUpsample:
      return kernels_.upsample(input(0), node.align_corners, epilogue(step, image, worker), output(), rows);
    case Op::kUpsampleGradient:
      return kernels_.upsample_gradient(input(0), node.align_corners, output());
    case Op::kMean:
      return kernels_.channel_means(input(0), output().data);
    case Op::kSpreadMean: {
      const T share = T(1) / static_cast<T>(node.shape.height * node.shape.width);
      if (node.inputs.size() > 1)
        return kernels_.add_channel_values(input(1), input(0).data, share, output());
      const auto out = output();  // nothing else is added to it
      for (std::int64_t y = 0; y < out.height; ++y)
        std::fill_n(out.data + y * out.width * out.pitch, out.width * out.pitch, T(0));
      return kernels_.add_channel_values(constant(out), input(0).data, share, out);
    }
    case Op::kMultiplyChannels:
      return kernels_.multiply_channels(input(0), input(1).data, output());
    case Op::kMultiplyPixels:
      return kernels_.multiply_pixels(input(0), input(1), output());
    case Op::kDotChannels:
      return kernels_.dot_channels(input(0), input(1), output().data);
    case Op::kDotPixels:
      return kernels_.dot_pixels(input(0), input(1), output());
    case Op::kConfidence:
      return kernels_.confidence(input(0), output());
    case Op::kConfidenceGradient:
      return kernels_.confidence_gradient(input(0), input(1), output());
    case Op::kSlice:
      return;  // a way of looking at its input
  }
}

// Between stages

template <class T>
void Program<T>::finish_stage(const Stage& stage) {
  for (const Step& step : stage.steps) {
    if (at(step.node).op == Op::kMoments) finish_moments(step);
    if (at(step.node).op == Op::kNormaliseSums) finish_sums(step);
  }
}

template <class T>
void Program<T>::finish_moments(const Step& step) {
  const Node& node = at(step.node);
  const BatchNorm& layer = *node.norm;
  const std::size_t channels = layer.channels.size();
  const auto pixels = static_cast<double>(node.shape.height * node.shape.width);
  const double count = pixels * static_cast<double>(images_);
  TORCH_CHECK(count > 1, "Expected more than 1 value per channel when training");
  std::vector<double> mean(channels), variance(channels);
  const auto sums = [&](std::int64_t image) {
    return image_sums_.data() + image * sums_ + data(step.node).sums;
  };
  for (std::int64_t n = 0; n < images_; ++n) {
    for (std::size_t c = 0; c < channels; ++c) mean[c] += sums(n)[c] / static_cast<double>(images_);
  }
  for (std::int64_t n = 0; n < images_; ++n) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double apart = sums(n)[c] - mean[c];
      variance[c] += (sums(n)[channels + c] + pixels * apart * apart) / count;
    }
  }
  for (auto& [id, norm] : norms_) {
    if (at(id).norm == node.norm) set_statistics(norm, layer, mean, variance);
  }
  T* const running_mean = layer.running_mean.data_ptr<T>();
  T* const running_var = layer.running_var.data_ptr<T>();
  for (std::size_t c = 0; c < channels; ++c) {
    const std::int64_t channel = layer.channels[c];
    const auto blend = [&](T& running, double value) {
      running = static_cast<T>((1 - layer.momentum) * static_cast<double>(running) + layer.momentum * value);
    };
    blend(running_mean[channel], mean[c]);
    blend(running_var[channel], variance[c] * count / (count - 1));
  }
}

template <class T>
void Program<T>::finish_sums(const Step& step) {
  const Node& node = at(step.node);
  NormData& norm = norm_of(node, step.node);
  const auto channels = static_cast<std::size_t>(plan_->graph.shape(node.inputs[0]).channels);
  const Shape& shape = plan_->graph.shape(node.inputs[0]);
  const double count = static_cast<double>(shape.height * shape.width * images_);
  std::vector<double> sums(3 * channels);
  for (std::int64_t n = 0; n < images_; ++n) {
    const double* of_image = image_sums_.data() + n * sums_ + data(step.node).sums;
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += of_image[i];
  }
  const auto add = [&](const torch::Tensor& parameter, const ChannelMap& map, const auto& value) {
    if (!parameter.defined() || !parameter.requires_grad()) return;
    T* const gradient = gradient_of(parameter).template data_ptr<T>();
    for (std::size_t c = 0; c < channels; ++c) gradient[map[c]] += static_cast<T>(value(c));
  };
  if (node.norm) {
    add(node.norm->weight, node.norm->channels,
        [&](std::size_t c) { return sums[channels + c] * norm.inverse[c]; });
    add(node.norm->bias, node.norm->channels, [&](std::size_t c) { return sums[c]; });
  }
  if (node.activation)
    add(node.activation->slope, node.activation->channels,
        [&](std::size_t c) { return sums[2 * channels + c]; });
  if (!norm.batch) return;
  for (std::size_t c = 0; c < channels; ++c) {
    const double scale = norm.scale[c], inverse = norm.inverse[c];
    const double linear = -scale * inverse * inverse * sums[channels + c] / count;
    norm.linear[c] = static_cast<T>(linear);
    norm.constant[c] = static_cast<T>(-linear * norm.mean[c] - scale * sums[c] / count);
  }
}

template <class T>
torch::Tensor& Program<T>::gradient_of(const torch::Tensor& parameter) {
  torch::Tensor& gradient = parameter_gradients_[parameter.unsafeGetTensorImpl()];
  if (!gradient.defined()) gradient = torch::zeros(parameter.sizes(), parameter.options());
  return gradient;
}

/// The threads' sums, in their order, to where the parameter has them.
template <class T>
void Program<T>::add_weight_gradient(int id) {
  const Node& node = at(id);
  const std::int64_t begin = data(id).gradient;
  const auto sum = [&](std::int64_t i) {
    T value = 0;
    for (const auto& worker : workers_) value += worker.gradient[static_cast<std::size_t>(begin + i)];
    return value;
  };
  if (node.op == Op::kBiasGradient) {
    T* const to = gradient_of(node.bias).template data_ptr<T>();
    for (std::size_t c = 0; c < node.weight->first.size(); ++c)
      to[node.weight->first[c]] += sum(static_cast<std::int64_t>(c));
    return;
  }
  const Weight& weight = *node.weight;
  const torch::Tensor& gradient = gradient_of(weight.tensor);
  const std::int64_t kernel = taps(node), first_stride = gradient.stride(0),
                     second_stride = gradient.stride(1);
  T* const to = gradient.template data_ptr<T>();
  const ChannelMap one = {0};
  const ChannelMap& second = weight.second.empty() ? one : weight.second;
  const std::int64_t width = kernels::padded(static_cast<std::int64_t>(weight.first.size()));
  std::int64_t from = 0;
  for (std::int64_t tap = 0; tap < kernel; ++tap) {
    for (const std::int64_t s : second) {
      for (std::size_t f = 0; f < weight.first.size(); ++f)
        to[weight.first[f] * first_stride + s * second_stride + tap] +=
            sum(from + static_cast<std::int64_t>(f));
      from += width;
    }
  }
}

template class Program<float>;
template class Program<double>;

}  // namespace portraitseg::compiler
