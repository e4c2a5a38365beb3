#pragma once

#include <string>

#include "portraitseg/report/ablation.h"

namespace portraitseg {

// Drawings of a sweep as <figure>, in the colours that chart_html() uses.

/// An axis's values and above each its trials as points, their means joined by a line. Numbers stand where they belong, by a factor
/// where they span more than one power of ten; other values stand side by side.
std::string effect_html(const Ablation& ablation, const FigureTables& tables, const AxisTable& axis);

/// A line a trial over the axes to the figure, the better the stronger its colour; "" where fewer than two trials are measured.
std::string parallel_html(const Ablation& ablation, const FigureTables& tables);

/// Whether all of an axis's values are numbers, and at least two.
bool is_numeric(const Ablation& ablation, const std::string& axis);

}  // namespace portraitseg
