#pragma once

#include <string>

#include "portraitseg/core/registry.h"
#include "portraitseg/data/targets.h"
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
/// A loss whose counterpart is no target has neither `target`, `edge_kernel` nor `view`.
struct LossTerm : Selection<LossOptions> {
  std::string output = "mask";   ///< of the network: mask | boundary | coarse
  std::string target = "label";  ///< of the batch, see target_names()
  std::int64_t edge_kernel = 0;  ///< of the target edge_band, px at the output's size; 0: trainer.edge_kernel
  View view = View::kImage;
  double weight = 1;

  LossTerm() : Selection("cross_entropy", losses()) {}
  void fields(Fields& f);
  bool compares_with(Counterpart counterpart) const { return options->counterpart() == counterpart; }
  bool needs_deformed() const { return view == View::kDeformed || compares_with(Counterpart::kDeformed); }
  Target target_at(std::int64_t stride) const { return {target, stride, edge_kernel}; }
  std::string title() const;  ///< its column in metrics.csv
};

}  // namespace portraitseg
