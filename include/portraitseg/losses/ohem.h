#pragma once

#include "portraitseg/losses/loss.h"

namespace portraitseg {

/// Cross-entropy of the hardest pixels only: the mean of -log p[y] over the pixels with p[y] < threshold, but of at least the share
/// `least` of those that are not labelled kIgnore; 0 if there are none. All pixels of the batch are ranked together.
/// Shrivastava et al. 2016, "Training Region-based Object Detectors with Online Hard Example Mining", with the threshold of Wu et al.
/// 2016, "High-performance Semantic Segmentation Using Very Deep Fully Convolutional Networks".
struct OhemOptions : LossOptions {
  double threshold = 0.7;
  double least = 1.0 / 16;

  void fields(Fields& f) override;
  std::unique_ptr<Loss> build() const override;
};

}  // namespace portraitseg
