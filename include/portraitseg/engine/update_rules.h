#pragma once

#include <string>
#include <vector>

#include "portraitseg/engine/update_rule.h"

namespace portraitseg {

/// Adam, Kingma and Ba 2015, Algorithm 1, with weight decay as L2 penalty; the arithmetic of torch.optim.Adam.
struct Adam : UpdateRule {
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;

  void fields(Fields& f) override;
  std::vector<std::string> state() const override { return {"mean", "square"}; }
  void update(UpdatePiece& piece) const override;

 protected:
  void descend(UpdatePiece& piece, const torch::Tensor& gradient) const;
};

/// AdamW, Loshchilov and Hutter 2019, Algorithm 2: the values decay by lr * weight_decay beside Adam's step;
/// torch.optim.AdamW.
struct AdamW : Adam {
  AdamW() { weight_decay = 1e-2; }
  void update(UpdatePiece& piece) const override;
};

/// Stochastic gradient descent with momentum, plain or Nesterov's (Sutskever et al. 2013); torch.optim.SGD.
struct Sgd : UpdateRule {
  double momentum = 0;
  bool nesterov = false;

  void fields(Fields& f) override;
  std::vector<std::string> state() const override;
  void update(UpdatePiece& piece) const override;
};

/// RMSprop, Tieleman and Hinton 2012 (Coursera, lecture 6e), eps outside of the root; torch.optim.RMSprop.
struct RmsProp : UpdateRule {
  double alpha = 0.99;
  double eps = 1e-8;
  double momentum = 0;

  RmsProp() { lr = 1e-2; }
  void fields(Fields& f) override;
  std::vector<std::string> state() const override;
  void update(UpdatePiece& piece) const override;
};

}  // namespace portraitseg
