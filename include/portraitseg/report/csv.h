#pragma once

#include <string>
#include <vector>

#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// metrics.csv: one line an epoch. No times in it, so that a resumed run's file equals an uninterrupted one's.
std::string metrics_csv(const std::vector<EpochRecord>& history);

/// per_image.csv: one line an image, the integer counts first; every figure over the list derives from it.
/// The last columns name protocol and list: no figure goes without them.
std::string per_image_csv(const Evaluation& evaluation);

}  // namespace portraitseg
