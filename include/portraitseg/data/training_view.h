#pragma once

#include <cstdint>

#include "portraitseg/data/augment.h"
#include "portraitseg/data/preprocessing.h"

namespace portraitseg {

/// Whose random numbers a view is made with: it depends on nothing else.
struct ViewKey {
  std::uint64_t seed = 1;
  std::int64_t epoch = 0;  ///< from 0
  std::int64_t index = 0;  ///< of the sample in its data set
};

/// A sample as a training sees it, before normalisation: at the network's size, augmented, the label smoothed as
/// `preprocessing.label_smoothing` says (not where the prior was moved: PortraitNet smooths only untouched labels).
/// Without `augment.affine` the sample is first placed as in evaluation.
Augmented training_view(const Sample& sample, const ViewKey& key, const Preprocessing& preprocessing,
                        const AugmentOptions& augment);

}  // namespace portraitseg
