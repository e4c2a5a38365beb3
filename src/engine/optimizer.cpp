#include "portraitseg/engine/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <tuple>

#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/parallel.h"
#include "portraitseg/core/text.h"
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

constexpr const char* kSteps = "steps";

/// The group that the key belongs to; one that changes nothing if there is none.
const ParameterGroup& group_of(const std::string& key, const std::vector<ParameterGroup>& groups) {
  static const ParameterGroup others;
  for (const auto& group : groups) {
    for (const auto& pattern : group.keys) {
      if (pattern_distance(pattern, key) == 0) return group;
    }
  }
  return others;
}

/// A pattern that fits no key is a mistake, and so is a group that those before it leave nothing: what it was meant for
/// would silently be trained otherwise.
void check_patterns(const std::vector<ParameterGroup>& groups, std::vector<std::string> keys) {
  constexpr std::size_t kShown = 3;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const auto& pattern : groups[i].keys) {
      const auto distance = [&](const std::string& key) { return pattern_distance(pattern, key); };
      if (std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return distance(key) == 0; }))
        continue;
      std::stable_sort(keys.begin(), keys.end(),
                       [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
      std::string nearest;
      for (std::size_t k = 0; k < std::min(kShown, keys.size()); ++k)
        nearest += (k == 0 ? "; the nearest: " : ", ") + keys[k];
      throw UserError("optimizer.groups." + std::to_string(i) + ".keys: '" + pattern +
                      "' fits no parameter of the network" + nearest);
    }
    const bool has_some = std::any_of(keys.begin(), keys.end(),
                                      [&](const auto& key) { return &group_of(key, groups) == &groups[i]; });
    if (!has_some)
      throw UserError(
          "optimizer.groups." + std::to_string(i) +
          ".keys: all that they fit belongs to the groups before; the first group that fits counts");
  }
}

}  // namespace

void ParameterGroup::fields(Fields& f) {
  f("keys", keys, "patterns of parameters' keys: * any characters, ? one; the first group that fits counts");
  f.check(!keys.empty(), "keys", "expected at least one pattern, such as \"encoder.*\"");
  f("lr_factor", lr_factor, "on the learning rate", {0, 1e6});
  f("weight_decay", weight_decay, "in place of the optimizer's; -1: the optimizer's", {-1, 1});
  f("frozen", frozen, "whether they stay as they are, the running statistics of their BatchNorms as well");
}

void OptimizerOptions::fields(Fields& f) {
  Selection::fields(f, {"lr", "weight_decay"});
  f.choice("decay_rule", decay_rule, kDecayRules,
           "clova: depthwise kernels none, other kernels all, the rest 1 %");
  f("clip_norm", clip_norm, "longest gradient over all parameters; a longer one is scaled down; 0: off",
    {0, 1e12});
  f.list("groups", groups, "parameters that are treated otherwise");
}

Optimizer::Optimizer(torch::nn::Module& module, const OptimizerOptions& options)
    : name_(options.name), rule_(options.options), clip_norm_(options.clip_norm) {
  std::vector<std::string> keys;
  for (const auto& item : module.named_parameters()) {
    keys.push_back(item.key());
    const ParameterGroup& group = group_of(item.key(), options.groups);
    torch::Tensor parameter = item.value();
    if (group.frozen) parameter.set_requires_grad(false);
    if (!parameter.requires_grad()) continue;
    const double weight_decay = group.weight_decay >= 0 ? group.weight_decay : rule_->weight_decay;
    Slot& slot = slots_.emplace_back();
    slot.key = item.key();
    slot.parameter = parameter;
    slot.decay = weight_decay * decay_share(parameter, options.decay_rule);
    slot.lr_factor = group.lr_factor;
  }
  check_patterns(options.groups, keys);
  if (slots_.empty() && !options.groups.empty())
    throw UserError("optimizer.groups: every parameter is frozen; nothing is left to train");
  allocate();
}

bool Optimizer::Slot::updates_like(const Slot& other) const {
  return decay == other.decay && lr_factor == other.lr_factor && steps == other.steps;
}

void Optimizer::allocate() {
  const torch::NoGradGuard no_grad;
  std::stable_sort(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) {
    return std::tie(a.decay, a.lr_factor) < std::tie(b.decay, b.lr_factor);
  });
  std::int64_t size = 0;
  for (auto& slot : slots_) {
    slot.begin = size;
    size += (slot.parameter.numel() + kAlignment - 1) / kAlignment * kAlignment;
    slot.end = size;
  }
  const auto type = slots_.empty() ? torch::TensorOptions() : slots_.front().parameter.options();
  const auto buffer = [&] { return torch::zeros({size}, type.requires_grad(false)); };
  values_ = buffer();
  gradients_ = buffer();
  for (std::size_t i = 0; i < rule_->state().size(); ++i) states_.push_back(buffer());
  for (auto& slot : slots_) {
    const auto view = [&](const torch::Tensor& flat) {
      const torch::Tensor& like = slot.parameter;
      if (!like.is_non_overlapping_and_dense())
        return flat.narrow(0, slot.begin, like.numel()).view(like.sizes());
      return flat.as_strided(like.sizes(), like.strides(), slot.begin);  // its layout is the device's choice
    };
    slot.value = view(values_);
    slot.gradient = view(gradients_).variable_data();  // counts its own versions
    for (const auto& state : states_) slot.state.push_back(view(state));
    bind(slot);
  }
}

/// The parameter's value becomes the slot's, where it is not yet (another optimizer may have taken it over).
void Optimizer::bind(Slot& slot) {
  if (slot.parameter.is_alias_of(slot.value)) return;
  if (slot.parameter.scalar_type() != slot.value.scalar_type() ||
      slot.parameter.device() != slot.value.device()) {
    throw std::logic_error(slot.key + " is of another type or on another device than the optimizer");
  }
  slot.value.copy_(slot.parameter);
  slot.parameter.set_data(slot.value);
}

/// Brings the parameter's gradient into the buffer. @return whether there is one
bool Optimizer::collect_gradient(Slot& slot) {
  const torch::Tensor& gradient = slot.parameter.grad();
  if (!gradient.defined()) return false;
  if (!gradient.is_same(slot.gradient)) {
    slot.gradient.copy_(gradient);
    return true;
  }
  return slot.gradient._version() != slot.version;
}

void Optimizer::step(double lr, double gradient_factor) {
  const torch::NoGradGuard no_grad;
  ++steps_;
  std::vector<Run> runs;
  for (auto& slot : slots_) {
    bind(slot);
    if (!collect_gradient(slot)) continue;
    torch::autograd::impl::bump_version(slot.parameter);  // autograd notices changes of saved values by it
    ++slot.steps;
    if (!runs.empty() && runs.back().end == slot.begin && runs.back().first->updates_like(slot)) {
      runs.back().end = slot.end;
    } else {
      runs.push_back({&slot, slot.begin, slot.end});
    }
  }
  double scale = gradient_factor;
  if (clip_norm_ > 0) scale *= std::min(1.0, clip_norm_ / (gradient_factor * gradient_norm(runs) + 1e-6));
  for (const auto& run : runs) update(run, lr, scale);
}

template <class Call>
void Optimizer::in_pieces(std::int64_t begin, std::int64_t end, Call call) const {
  const std::int64_t piece = values_.is_cpu() ? kPiece : end - begin;
  parallel_for(0, (end - begin + piece - 1) / piece, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      call(i, begin + i * piece, std::min(end, begin + (i + 1) * piece));
  });
}

double Optimizer::gradient_norm(const std::vector<Run>& runs) const {
  double sum = 0;
  for (const auto& run : runs) {
    // One sum a piece, so that the total does not depend on the threads.
    std::vector<double> sums(static_cast<std::size_t>((run.end - run.begin) / kPiece + 1));
    in_pieces(run.begin, run.end, [&](std::int64_t i, std::int64_t from, std::int64_t to) {
      const torch::Tensor gradient = gradients_.slice(0, from, to).to(torch::kFloat64);
      sums[static_cast<std::size_t>(i)] = gradient.dot(gradient).item<double>();
    });
    sum = std::accumulate(sums.begin(), sums.end(), sum);
  }
  return std::sqrt(sum);
}

void Optimizer::update(const Run& run, double lr, double scale) {
  in_pieces(run.begin, run.end, [&](std::int64_t, std::int64_t from, std::int64_t to) {
    UpdatePiece piece;
    piece.value = values_.slice(0, from, to);
    piece.gradient = gradients_.slice(0, from, to);
    if (scale != 1) piece.gradient = piece.gradient.mul(scale);
    for (const auto& state : states_) piece.state.push_back(state.slice(0, from, to));
    piece.lr = lr * run.first->lr_factor;
    piece.weight_decay = run.first->decay;
    piece.step = run.first->steps;
    rule_->update(piece);
  });
}

void Optimizer::zero_grad() {
  gradients_.zero_();
  for (auto& slot : slots_) {
    slot.parameter.mutable_grad() = slot.gradient;
    slot.version = slot.gradient._version();
  }
}

std::string Optimizer::not_finite_gradient() const {
  const torch::NoGradGuard no_grad;
  // One value that is not finite makes the sum so. Finite ones hardly ever do; then the parameters show it.
  if (std::isfinite(gradients_.sum().item<double>())) return "";
  for (const auto& slot : slots_) {
    if (!slot.gradient.isfinite().all().item<bool>()) return slot.key;
  }
  return "";
}

std::string Optimizer::prefix() const {
  return kTrainingPrefix + name_ + ".";
}

void Optimizer::save(TensorFile& file) const {
  const std::vector<std::string> names = rule_->state();
  for (const auto& slot : slots_) {
    for (std::size_t i = 0; i < names.size(); ++i)
      file.tensors.emplace_back(prefix() + names[i] + "." + slot.key, slot.state[i]);
  }
  file.tensors.emplace_back(prefix() + kSteps, torch::tensor(steps_, torch::kInt64));
  for (const auto& slot : slots_) {  // of those that were left alone at times
    if (slot.steps == steps_) continue;
    file.tensors.emplace_back(prefix() + kSteps + "." + slot.key, torch::tensor(slot.steps, torch::kInt64));
  }
}

void Optimizer::load(const TensorFile& file, const std::filesystem::path& path) {
  refuse_others(file, path);
  const auto get = [&](const std::string& name, torch::IntArrayRef shape) {
    return file.require(prefix() + name, shape, path);
  };
  const std::vector<std::string> names = rule_->state();
  steps_ = get(kSteps, {}).item<std::int64_t>();
  for (auto& slot : slots_) {
    for (std::size_t i = 0; i < names.size(); ++i)
      slot.state[i].copy_(get(names[i] + "." + slot.key, slot.parameter.sizes()));
    const std::string own = std::string(kSteps) + "." + slot.key;
    slot.steps = file.find(prefix() + own) == nullptr ? steps_ : get(own, {}).item<std::int64_t>();
  }
}

/// An optimizer's state has `training.<its name>.steps`.
void Optimizer::refuse_others(const TensorFile& file, const std::filesystem::path& path) const {
  const std::string start = kTrainingPrefix, end = std::string(".") + kSteps;
  for (const auto& [key, tensor] : file.tensors) {
    if (key.size() <= start.size() + end.size() || key.compare(0, start.size(), start) != 0) continue;
    const std::size_t dot = key.find('.', start.size());
    if (dot == std::string::npos || key.substr(dot) != end) continue;
    const std::string other = key.substr(start.size(), dot - start.size());
    if (other != name_)
      throw DataError(path, "holds the state of optimizer " + other + ", and this one is " + name_);
  }
}

}  // namespace portraitseg
