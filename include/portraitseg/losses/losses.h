#pragma once

#include <string>

#include "portraitseg/core/registry.h"
#include "portraitseg/losses/loss.h"

namespace portraitseg {

using LossRegistry = OptionsRegistry<LossOptions>;

/// Every loss.
const LossRegistry& losses();

/// Which of a batch's images the network's output is of.
enum class View {
  kImage,     ///< fully augmented
  kDeformed,  ///< the same before colour, blur and noise: PortraitNet's A, where kImage is its A'
};

/// One entry of the list `losses:`: weight * loss(output, target). The total is their sum.
/// A loss that compares views has neither `target` nor `view`.
struct LossTerm : Selection<LossOptions> {
  std::string output = "mask";   ///< of the network: mask | boundary
  std::string target = "label";  ///< of the batch, see target_names()
  View view = View::kImage;
  double weight = 1;

  LossTerm() : Selection("cross_entropy", losses()) {}
  void fields(Fields& f);
  bool needs_deformed() const { return view == View::kDeformed || options->compares_views(); }
  std::string title() const;  ///< its column in metrics.csv
};

}  // namespace portraitseg
