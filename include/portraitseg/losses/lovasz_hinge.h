#pragma once

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// Lovasz hinge of a single-channel output, portrait (class 1) against the rest: a convex surrogate of 1 - IoU.
/// Berman et al. 2018, "The Lovasz-Softmax loss", Sec. 2.2; clova etc/lovasz_losses.py. Pixels labelled kIgnore do not
/// count; 0 if there are no others.
struct LovaszHingeOptions : LossOptions {
  bool per_image =
      false;  ///< false, as clova trains: one IoU over all pixels of the batch; true: the images' mean

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
};

}  // namespace portraitseg
