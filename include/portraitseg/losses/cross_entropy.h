#pragma once

#include <vector>

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// Pixel-wise cross-entropy: sum of w[y] * -log softmax(z)[y] over the sum of w[y], both over the pixels whose label y
/// is not kIgnore; 0 if there are none. clova etc/Criteria.py, PortraitNet Eq. 1.
struct CrossEntropyOptions : LossOptions {
  std::vector<double> class_weights;  ///< one a class; empty: all 1

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
};

}  // namespace portraitseg
