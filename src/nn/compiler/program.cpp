#include "nn/compiler/program.h"

#include <algorithm>
#include <chrono>

#include <ATen/Parallel.h>
#include <torch/types.h>

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

template <class T>
kernels::Map<const T> constant(const kernels::Map<T>& map) {
  return {map.data, map.height, map.width, map.channels, map.pitch};
}

template <class T>
kernels::Map<T> rows_of(kernels::Map<T> map, kernels::Rows rows) {
  map.data += rows.begin * map.width * map.pitch;
  map.height = rows.end - rows.begin;
  return map;
}

}  // namespace

template <class T>
Program<T>::Program(std::shared_ptr<const Plan> plan, std::int64_t images)
    : plan_(std::move(plan)),
      images_(images),
      kernels_(kernels::best_kernels<T>()),
      parameters_(plan_->graph),
      workers_(static_cast<std::size_t>(std::min<std::int64_t>(at::get_num_threads(), images))),
      gradients_(plan_->graph, workers_.size()),
      sums_(plan_->graph, images) {
  kept_.resize(static_cast<std::size_t>(plan_->schedule.kept * images));
  std::int64_t scratch = 0;
  for (const auto& stage : plan_->schedule.stages) scratch = std::max(scratch, stage.scratch);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].index = i;
    workers_[i].scratch.resize(static_cast<std::size_t>(scratch));
  }
  parameters_.read();
}

template <class T>
std::int64_t Program<T>::bytes() const {
  std::size_t values = kept_.size();
  for (const auto& worker : workers_) values += worker.scratch.size();
  return static_cast<std::int64_t>(values * sizeof(T) + workers_.size() * gradients_.thread_bytes());
}

template <class T>
std::vector<torch::Tensor> Program<T>::forward(const torch::Tensor& image) {
  const Graph& graph = plan_->graph;
  if (!plan_->inference) parameters_.read();
  image_ = image;
  outputs_.clear();
  for (const int output : graph.outputs) {
    const Shape& shape = graph.shape(output);
    outputs_.push_back(
        torch::empty({images_, shape.channels, shape.height, shape.width}, torch::dtype(dtype_of<T>())));
  }
  run(0, plan_->schedule.backward);
  sums_.update_running();
  for (const auto& counter : graph.batch_counters) torch::Tensor(counter).add_(1);
  return std::move(outputs_);
}

template <class T>
std::vector<torch::Tensor> Program<T>::backward(const std::vector<torch::Tensor>& gradients,
                                                const std::vector<torch::Tensor>& parameters) {
  output_gradients_.clear();
  std::vector<int> with_gradient;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const int output = plan_->graph.outputs[i];
    const Shape& shape = plan_->graph.shape(output);
    if (gradients[i].defined()) with_gradient.push_back(output);
    output_gradients_.push_back(gradients[i].defined()
                                    ? gradients[i].contiguous()
                                    : torch::zeros({images_, shape.channels, shape.height, shape.width},
                                                   torch::dtype(dtype_of<T>())));
  }
  gradients_.clear();
  run(plan_->schedule.backward, plan_->schedule.stages.size());
  gradients_.gather();
  image_ = torch::Tensor();
  output_gradients_.clear();
  return gradients_.take(parameters, with_gradient);
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
        for (const Step& step : stage.steps) timed_step(step, image, worker);
      }
    }
  });
  finish_stage(stage);
}

template <class T>
void Program<T>::timed_step(const Step& step, std::int64_t image, Worker& worker) {
  if (profile_ == nullptr) return run_step(step, image, worker);
  const auto start = std::chrono::steady_clock::now();
  run_step(step, image, worker);
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
  const auto& values = parameters_.layer(step.node);
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
void Program<T>::run_step(const Step& step, std::int64_t image, Worker& worker) {
  const Node& node = at(step.node);
  const auto& layer = parameters_.layer(step.node);
  const auto input = [&](std::size_t i) {
    const int id = node.inputs[step.part >= 0 ? static_cast<std::size_t>(step.part) : i];
    return constant(map(step.in[i], at(id).shape, image, worker));
  };
  const auto output = [&] { return map(step.out, node.shape, image, worker); };
  const kernels::Rows rows = step.rows;
  const auto input_rows = [&](std::size_t i) { return rows_of(input(i), rows); };
  const auto output_rows = [&] { return rows_of(output(), rows); };
  const auto planes = [&](const torch::Tensor& tensor) {
    return tensor.data_ptr<T>() + image * (tensor.numel() / images_);
  };

  for (const Move& move : step.moves)
    std::copy_n(worker.scratch.data() + move.from, move.count, worker.scratch.data() + move.to);
  switch (node.op) {
    case Op::kInput:
      return kernels_.from_planes(planes(image_), output(), rows);
    case Op::kOutputGradient:
      return kernels_.from_planes(planes(output_gradients_[static_cast<std::size_t>(node.begin)]), output(),
                                  rows);
    case Op::kOutput:
      return kernels_.to_planes(input(0), planes(outputs_[static_cast<std::size_t>(node.begin)]), rows);
    case Op::kConvolve:
      return kernels_.convolve(input(0), layer.weight.data(), node.window, epilogue(step, image, worker),
                               output(), rows);
    case Op::kConvolveTransposed:
      return kernels_.convolve_transposed(input(0), layer.weight.data(), node.window,
                                          epilogue(step, image, worker), output(), rows);
    case Op::kDepthwise:
      return kernels_.depthwise(input(0), layer.weight.data(), node.window, epilogue(step, image, worker),
                                output(), rows);
    case Op::kDepthwiseTransposed:
      return kernels_.depthwise_transposed(input(0), layer.weight.data(), node.window,
                                           epilogue(step, image, worker), output(), rows);
    case Op::kWeightGradient:
      return (node.weight->second.empty() ? kernels_.depthwise_weight_gradient
                                          : kernels_.convolve_weight_gradient)(
          input(0), input(1), node.window, gradients_.sums(worker.index, step.node), rows);
    case Op::kBiasGradient: {
      const auto in = input_rows(0);
      T* const gradient = gradients_.sums(worker.index, step.node);
      std::vector<T> mean(static_cast<std::size_t>(kernels::padded(in.channels)));
      kernels_.channel_means(in, mean.data());
      for (std::int64_t c = 0; c < in.channels; ++c)
        gradient[c] += mean[static_cast<std::size_t>(c)] * static_cast<T>(in.height * in.width);
      return;
    }
    case Op::kNormalise: {
      const auto& norm = parameters_.norm(step.node);
      auto end = epilogue(step, image, worker);
      end.bias = norm.shift.data();
      end.slope = norm.active ? norm.slope.data() : nullptr;
      return kernels_.scale_shift(input(0), norm.scale.data(), end, output(), rows);
    }
    case Op::kMoments: {
      double* const sums = sums_.of(step.node, image);
      return kernels_.moments(input_rows(0), rows.begin * input(0).width, sums, sums + input(0).channels);
    }
    case Op::kNormaliseGradient: {
      const auto& norm = parameters_.norm(step.node);
      const auto residual = node.residual >= 0 ? input(2) : kernels::Map<const T>();
      return kernels_.normalise_gradient(
          input(0), input(1), norm.normalisation(), norm.batch ? norm.linear.data() : nullptr,
          norm.batch ? norm.constant.data() : nullptr, residual, output(), rows);
    }
    case Op::kNormaliseSums: {
      const auto& norm = parameters_.norm(step.node);
      double* const sums = sums_.of(step.node, image);
      if (rows.begin == 0) std::fill(sums, sums + 3 * input(0).channels, 0.0);
      const bool of_slope = node.activation && node.activation->slope.defined();
      return kernels_.normalise_sums(input_rows(0), input_rows(1), norm.normalisation(), norm.mean.data(),
                                     of_slope, sums);
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
      return kernels_.gather_channels(input_rows(0), layer.channels.data(), output_rows());
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
      return kernels_.multiply_pixels(input_rows(0), input_rows(1), output_rows());
    case Op::kDotChannels:
      return kernels_.dot_channels(input(0), input(1), output().data);
    case Op::kDotPixels:
      return kernels_.dot_pixels(input_rows(0), input_rows(1), output_rows());
    case Op::kConfidence:
      return kernels_.confidence(input_rows(0), output_rows());
    case Op::kConfidenceGradient:
      return kernels_.confidence_gradient(input_rows(0), input_rows(1), output_rows());
    case Op::kSlice:
      return;  // a way of looking at its input
  }
}

template <class T>
void Program<T>::finish_stage(const Stage& stage) {
  for (const Step& step : stage.steps) {
    if (step.rows.begin > 0) continue;  // once for all bands
    if (at(step.node).op == Op::kMoments) sums_.finish_moments(step.node, parameters_);
    if (at(step.node).op == Op::kNormaliseSums) sums_.finish_gradient(step.node, parameters_, gradients_);
  }
}

template class Program<float>;
template class Program<double>;

}  // namespace portraitseg::compiler
