#include "portraitseg/engine/optimizer.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "portraitseg/core/parallel.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

const Names<DecayRule> kDecayRules = {{"uniform", DecayRule::kUniform}, {"clova", DecayRule::kClova}};

double decay_share(const torch::Tensor& parameter, DecayRule rule) {
  if (rule == DecayRule::kUniform) return 1;
  if (parameter.dim() != 4) return 0.01;
  return parameter.size(1) == 1 ? 0 : 1;  // one input channel: a depthwise kernel
}

constexpr std::int64_t kAlignment =
    16;                                // a parameter begins at a multiple of 64 bytes, as those of its own do
constexpr std::int64_t kPiece = 8192;  // values; five arrays of it fit into a processor's second cache

std::string prefix() {
  return std::string(kTrainingPrefix) + "adam.";
}

}  // namespace

void OptimizerOptions::fields(Fields& f) {
  std::string name = "adam";
  f.choice("name", name, {"adam"}, "the update rule");
  f("lr", lr, "learning rate at the start", {0, 1e3});
  f("betas", betas, "decay of the first and second moment", {0, 0.9999999});
  f("eps", eps, "added to the root of the second moment", {0, 1});
  f("weight_decay", weight_decay, "L2, added to the gradient", {0, 1});
  f.choice("decay_rule", decay_rule, kDecayRules,
           "clova: depthwise kernels none, other kernels all, the rest 1 %");
  f.check(betas.size() == 2, "betas", "expected 2 numbers");
}

Adam::Adam(const torch::nn::Module& module, const OptimizerOptions& options) : options_(options) {
  const torch::NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    Slot& slot = slots_.emplace_back();
    slot.key = item.key();
    slot.parameter = item.value();
    slot.decay = options.weight_decay * decay_share(slot.parameter, options.decay_rule);
  }
  std::stable_sort(slots_.begin(), slots_.end(),
                   [](const Slot& a, const Slot& b) { return a.decay < b.decay; });
  std::int64_t size = 0;
  for (auto& slot : slots_) {
    slot.begin = size;
    size += (slot.parameter.numel() + kAlignment - 1) / kAlignment * kAlignment;
    slot.end = size;
  }
  const auto buffer = slots_.empty() ? torch::TensorOptions() : slots_.front().parameter.options();
  for (auto* flat : {&values_, &gradients_, &means_, &squares_})
    *flat = torch::zeros({size}, buffer.requires_grad(false));
  for (auto& slot : slots_) {
    const auto view = [&](const torch::Tensor& flat) {
      return flat.narrow(0, slot.begin, slot.parameter.numel()).view(slot.parameter.sizes());
    };
    slot.value = view(values_);
    slot.gradient = view(gradients_).variable_data();  // counts its own versions
    slot.mean = view(means_);
    slot.square = view(squares_);
    bind(slot);
  }
}

/// The parameter's value becomes the slot's, where it is not yet (another optimizer may have taken it over).
void Adam::bind(Slot& slot) {
  if (slot.parameter.is_alias_of(slot.value)) return;
  if (slot.parameter.scalar_type() != slot.value.scalar_type() ||
      slot.parameter.device() != slot.value.device()) {
    throw std::logic_error(slot.key + " is of another type or on another device than the optimizer");
  }
  slot.value.copy_(slot.parameter);
  slot.parameter.set_data(slot.value);
}

/// Brings the parameter's gradient into the buffer. @return whether there is one
bool Adam::collect_gradient(Slot& slot) {
  const torch::Tensor& gradient = slot.parameter.grad();
  if (!gradient.defined()) return false;
  if (!gradient.is_same(slot.gradient)) {
    slot.gradient.copy_(gradient);
    return true;
  }
  return slot.gradient._version() != slot.version;
}

void Adam::step(double lr) {
  const torch::NoGradGuard no_grad;
  ++steps_;
  std::int64_t begin = 0, end = 0;  // of neighbours with a gradient and equal decay
  double decay = 0;
  for (auto& slot : slots_) {
    bind(slot);
    if (!collect_gradient(slot)) continue;
    torch::autograd::impl::bump_version(slot.parameter);  // autograd notices changes of saved values by it
    if (slot.begin != end || slot.decay != decay) {
      update(begin, end, decay, lr);
      begin = slot.begin;
      decay = slot.decay;
    }
    end = slot.end;
  }
  update(begin, end, decay, lr);
}

/// The parameters in [begin, end) of the buffers, a piece at a time that stays in the processor's cache.
void Adam::update(std::int64_t begin, std::int64_t end, double decay, double lr) {
  if (begin == end) return;
  const double beta1 = options_.betas[0], beta2 = options_.betas[1];
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(steps_));
  const std::int64_t piece = values_.is_cpu() ? kPiece : end - begin;
  parallel_for(0, (end - begin + piece - 1) / piece, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t from = begin + i * piece, to = std::min(end, from + piece);
      torch::Tensor value = values_.slice(0, from, to), mean = means_.slice(0, from, to);
      torch::Tensor square = squares_.slice(0, from, to), gradient = gradients_.slice(0, from, to);
      if (decay != 0) gradient = gradient.add(value, decay);
      mean.mul_(beta1).add_(gradient, 1 - beta1);
      square.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
      const auto denominator = square.sqrt().div_(std::sqrt(correction2)).add_(options_.eps);
      value.addcdiv_(mean, denominator, -lr / correction1);
    }
  });
}

void Adam::zero_grad() {
  gradients_.zero_();
  for (auto& slot : slots_) {
    slot.parameter.mutable_grad() = slot.gradient;
    slot.version = slot.gradient._version();
  }
}

void Adam::save(TensorFile& file) const {
  for (const auto& slot : slots_) {
    file.tensors.emplace_back(prefix() + "mean." + slot.key, slot.mean);
    file.tensors.emplace_back(prefix() + "square." + slot.key, slot.square);
  }
  file.tensors.emplace_back(prefix() + "steps", torch::tensor(steps_, torch::kInt64));
}

void Adam::load(const TensorFile& file, const std::filesystem::path& path) {
  const auto get = [&](const std::string& name, torch::IntArrayRef shape) -> const torch::Tensor& {
    const torch::Tensor* tensor = file.find(prefix() + name);
    if (tensor != nullptr && tensor->sizes() == shape) return *tensor;
    throw DataError(path, "no whole checkpoint of this network: " + prefix() + name +
                              (tensor == nullptr ? " is missing" : " has another shape"));
  };
  for (auto& slot : slots_) {
    slot.mean.copy_(get("mean." + slot.key, slot.parameter.sizes()));
    slot.square.copy_(get("square." + slot.key, slot.parameter.sizes()));
  }
  steps_ = get("steps", {}).item<std::int64_t>();
}

}  // namespace portraitseg
