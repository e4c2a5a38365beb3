#pragma once

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// Lovasz softmax: the mean, over the classes that occur, of the Lovasz extension of 1 - IoU at the errors |[y = c] - p[c]|.
/// Berman et al. 2018, "The Lovasz-Softmax loss", Eq. 8 and 9 with `classes="present"`, as their code trains. Pixels labelled kIgnore
/// do not count; 0 if there are no others.
struct LovaszSoftmaxOptions : LossOptions {
  bool per_image = false;  ///< false: one IoU a class over all pixels of the batch; true: the images' mean

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
};

}  // namespace portraitseg
