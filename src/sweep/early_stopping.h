#pragma once

#include <vector>

#include "portraitseg/core/config.h"
#include "portraitseg/sweep/halving.h"
#include "portraitseg/sweep/plan.h"

namespace portraitseg {

/// What the section `early_stopping` comes to for a sweep's trials. Rungs count the epochs of a trial's last stage.
/// @param section as it was written; nullptr: it was not
/// @throws ConfigError for trials that cannot be compared at rungs, or too few for one to be trained to its end
Halving halving_of(const EarlyStoppingOptions& options, const ConfigNode* section,
                   const std::vector<Trial>& trials);

}  // namespace portraitseg
