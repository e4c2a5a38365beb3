#pragma once

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// PortraitNet's consistency constraint loss, Zhang et al. 2019, Eq. 6: T^2 times the mean of q * log(q / p), with
/// p = softmax(z / T) of the image after texture augmentation and q = softmax(z' / T) of the same image before it. q is the
/// teacher: no gradient passes to it. The mean is over all N * C * H * W elements, as in the reference (myTrain/train.py,
/// loss_KL), which is 1 / C of the mean over pixels.
struct ConsistencyOptions : LossOptions {
  double temperature = 1;

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
  Counterpart counterpart() const override { return Counterpart::kDeformed; }
};

}  // namespace portraitseg
