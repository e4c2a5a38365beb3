#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "portraitseg/report/ablation.h"
#include "portraitseg/report/text_table.h"

namespace portraitseg {

// The parts that all forms of an ablation's tables share.

std::string mean_text(const FigureSample& sample);                 ///< "92.31 ± 0.12"; "-" of none
std::string count_text(const FigureSample& sample);                ///< "3", "2 of 3"
std::string difference_text(const MatchedDifference& difference);  ///< "+0.12 [-0.30, 0.54]", "+0.12 (n = 1)"

/// Whether the paper has a figure of any of an axis's values or of the variants.
template <class Row>
bool has_paper(const std::vector<Row>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.sample.paper.has_value(); });
}

TextTable axis_rows(const Ablation& ablation, const FigureTables& tables, const AxisTable& axis);
TextTable variant_rows(const Ablation& ablation, const FigureTables& tables);

/// "Best foreground IoU: 93.61 in trial 0a1b2c3d4e5f (edge=with, trainer.seed=1), best epoch 41 of 60, runs/x/trials/0a1b2c3d4e5f";
/// of averaged weights without the epoch.
std::string best_text(const Ablation& ablation, const FigureTables& tables);

/// What early stopping does to the figures; "" where no trial was stopped early.
std::string stopped_early_text(const Ablation& ablation);

/// "The 20 values of optimizer.lr occur once each, so no two trials differ in it alone."
std::string drawn_text(const AxisTable& axis);

}  // namespace portraitseg
