#pragma once

#include <string>
#include <vector>

#include "portraitseg/report/comparison.h"

namespace portraitseg {

/// What the comparison is worth in one sentence, no more than it shows.
std::string sentence(const PairedComparison& pair, const Comparison& all);
std::string sentence(const SeedComparison& seeds, const Comparison& all);

/// Tables for a terminal, then a sentence for each comparison, then what the figures are.
std::string comparison_table(const Comparison& comparison, const std::vector<FigureByGroup>& groups = {});

/// The same as JSON; null where there is no number.
std::string comparison_json(const Comparison& comparison, const std::vector<FigureByGroup>& groups = {});

}  // namespace portraitseg
