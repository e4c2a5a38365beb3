#include "portraitseg/engine/update_rules.h"

#include <cmath>

#include <torch/types.h>

namespace portraitseg {

const UpdateRuleRegistry& update_rules() {
  static const UpdateRuleRegistry registry = UpdateRuleRegistry("optimizer")
                                                 .add("adam", std::make_shared<Adam>)
                                                 .add("adamw", std::make_shared<AdamW>)
                                                 .add("sgd", std::make_shared<Sgd>)
                                                 .add("rmsprop", std::make_shared<RmsProp>);
  return registry;
}

torch::Tensor UpdatePiece::penalised_gradient() const {
  return weight_decay == 0 ? gradient : gradient.add(value, weight_decay);
}

void UpdateRule::fields(Fields& f) {
  f("lr", lr, "learning rate before the schedule's factor", {0, 1e3});
  f("weight_decay", weight_decay, "adamw: of the values beside the step; else L2, added to the gradient",
    {0, 1});
}

void Adam::fields(Fields& f) {
  UpdateRule::fields(f);
  f("betas", betas, "decay of the first and second moment", {0, 0.9999999});
  f.check(betas.size() == 2, "betas", "expected 2 numbers");
  f("eps", eps, "added to the root of the second moment", {0, 1});
}

void Adam::update(UpdatePiece& piece) const {
  descend(piece, piece.penalised_gradient());
}

void Adam::descend(UpdatePiece& piece, const torch::Tensor& gradient) const {
  const double beta1 = betas[0], beta2 = betas[1];
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(piece.step));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(piece.step));
  torch::Tensor &mean = piece.state[0], &square = piece.state[1];
  mean.mul_(beta1).add_(gradient, 1 - beta1);
  square.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  const auto denominator = square.sqrt().div_(std::sqrt(correction2)).add_(eps);
  piece.value.addcdiv_(mean, denominator, -piece.lr / correction1);
}

void AdamW::update(UpdatePiece& piece) const {
  if (piece.weight_decay != 0) piece.value.mul_(1 - piece.lr * piece.weight_decay);
  descend(piece, piece.gradient);
}

void Sgd::fields(Fields& f) {
  UpdateRule::fields(f);
  f("momentum", momentum, "share of the last direction that is kept", {0, 0.9999999});
  f("nesterov", nesterov, "whether a step looks ahead along the new direction");
  f.check(!nesterov || momentum > 0, "nesterov", "needs a momentum above 0");
}

std::vector<std::string> Sgd::state() const {
  return momentum > 0 ? std::vector<std::string>{"direction"} : std::vector<std::string>{};
}

void Sgd::update(UpdatePiece& piece) const {
  torch::Tensor gradient = piece.penalised_gradient();
  if (momentum > 0) {
    torch::Tensor& direction = piece.state[0];
    direction.mul_(momentum).add_(gradient);
    gradient = nesterov ? gradient.add(direction, momentum) : direction;
  }
  piece.value.add_(gradient, -piece.lr);
}

void RmsProp::fields(Fields& f) {
  UpdateRule::fields(f);
  f("alpha", alpha, "decay of the mean square", {0, 0.9999999});
  f("eps", eps, "added to its root", {0, 1});
  f("momentum", momentum, "share of the last direction that is kept", {0, 0.9999999});
}

std::vector<std::string> RmsProp::state() const {
  return momentum > 0 ? std::vector<std::string>{"square", "direction"} : std::vector<std::string>{"square"};
}

void RmsProp::update(UpdatePiece& piece) const {
  const torch::Tensor gradient = piece.penalised_gradient();
  torch::Tensor& square = piece.state[0];
  square.mul_(alpha).addcmul_(gradient, gradient, 1 - alpha);
  const torch::Tensor root = square.sqrt().add_(eps);
  if (momentum > 0) {
    torch::Tensor& direction = piece.state[1];
    direction.mul_(momentum).addcdiv_(gradient, root);
    piece.value.add_(direction, -piece.lr);
  } else {
    piece.value.addcdiv_(gradient, root, -piece.lr);
  }
}

}  // namespace portraitseg
