#pragma once

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// PortraitNet's boundary loss, Zhang et al. 2019, Eq. 2: the mean of -(1 - p)^gamma * log p over the pixels whose label
/// y is not kIgnore, p = softmax(z)[y]; 0 if there are none. The factor is a weight: no gradient passes through it, as
/// in the reference (util/focal_loss.py). No class weights; the reference trains without.
struct FocalOptions : LossOptions {
  double gamma = 2;  ///< 0: cross-entropy

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
};

}  // namespace portraitseg
