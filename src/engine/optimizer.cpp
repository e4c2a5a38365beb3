#include "portraitseg/engine/optimizer.h"

#include <cmath>

#include <torch/torch.h>

#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

const Names<DecayRule> kDecayRules = {{"uniform", DecayRule::kUniform}, {"clova", DecayRule::kClova}};

double decay_share(const torch::Tensor& parameter, DecayRule rule) {
  if (rule == DecayRule::kUniform) return 1;
  if (parameter.dim() != 4) return 0.01;
  return parameter.size(1) == 1 ? 0 : 1;  // one input channel: a depthwise kernel
}

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
  for (const auto& item : module.named_parameters()) {
    const torch::Tensor& parameter = item.value();
    slots_.push_back({item.key(), parameter, torch::zeros_like(parameter), torch::zeros_like(parameter),
                      options.weight_decay * decay_share(parameter, options.decay_rule)});
  }
}

void Adam::step(double lr) {
  const torch::NoGradGuard no_grad;
  ++steps_;
  const double beta1 = options_.betas[0], beta2 = options_.betas[1];
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(steps_));
  for (auto& slot : slots_) {
    torch::Tensor gradient = slot.parameter.grad();
    if (!gradient.defined()) continue;
    if (slot.decay != 0) gradient = gradient.add(slot.parameter, slot.decay);
    slot.mean.mul_(beta1).add_(gradient, 1 - beta1);
    slot.square.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
    const auto denominator = (slot.square.sqrt() / std::sqrt(correction2)).add_(options_.eps);
    slot.parameter.addcdiv_(slot.mean, denominator, -lr / correction1);
  }
}

void Adam::zero_grad() {
  for (auto& slot : slots_) slot.parameter.mutable_grad().reset();
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
