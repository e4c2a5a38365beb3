#pragma once

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// Knowledge distillation, Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", Sec. 2: T^2 times the mean over the
/// pixels of the classes' sum of q * log(q / p), with p = softmax(z / T) of the network and q = softmax(z' / T) of its teacher,
/// engine/teacher.h, to which no gradient passes. All pixels count: a teacher needs no label. It differs from Hinton's
/// cross-entropy with q by the teacher's entropy, which has no gradient.
struct DistillationOptions : LossOptions {
  double temperature = 4;

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
  Counterpart counterpart() const override { return Counterpart::kTeacher; }
};

}  // namespace portraitseg
