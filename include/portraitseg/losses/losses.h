#pragma once

#include <string>

#include "portraitseg/core/registry.h"
#include "portraitseg/losses/loss.h"

namespace portraitseg {

using LossRegistry = OptionsRegistry<LossOptions>;

/// Every loss.
const LossRegistry& losses();

/// One entry of the list `losses:`: weight * loss(output, target). The total is their sum.
struct LossTerm : Selection<LossOptions> {
  std::string output = "mask";   ///< of the network: mask | boundary
  std::string target = "label";  ///< of the batch, see target_names()
  double weight = 1;

  LossTerm() : Selection("cross_entropy", losses()) {}
  void fields(Fields& f);
  std::string title() const { return name + "." + output + "." + target; }  ///< its column in metrics.csv
};

}  // namespace portraitseg
