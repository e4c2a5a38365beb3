#pragma once

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// Soft Dice loss: 1 - the classes' mean of (2 sum p y + s) / (sum p + sum y + s), with p the softmax (one channel: the sigmoid, and
/// the portrait as the only class), over all pixels of the batch that are not labelled kIgnore; 0 if there are none.
/// Milletari et al. 2016, "V-Net", Eq. 3, without its squares; s as in Sudre et al. 2017. A class that is nowhere in the batch costs
/// what is predicted of it: s is small against an image.
struct DiceOptions : LossOptions {
  double smooth = 1;  ///< s

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
};

}  // namespace portraitseg
