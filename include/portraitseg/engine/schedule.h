#pragma once

#include <cstdint>
#include <vector>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// Learning rate by epoch: lr * gamma ^ (number of milestones reached).
struct ScheduleOptions {
  std::vector<std::int64_t>
      milestones;  ///< epochs, from 0; empty: epochs / 2 and epochs - epochs / 6 (clova main.py)
  double gamma = 0.5;

  void fields(Fields& f);

  /// The factor on the learning rate in `epoch` (from 0) of `epochs`.
  double factor(std::int64_t epoch, std::int64_t epochs) const;
};

}  // namespace portraitseg
