#pragma once

#include <string>

#include "portraitseg/models/summary.h"

namespace portraitseg {

/// The layers as a table for a terminal, then outputs and totals. `model` is the network's name.
std::string summary_table(const std::string& model, const ModelSummary& summary);

/// {"model", "size": [H, W], "parameters", "multiply_adds", "multiply_adds_clova", "outputs": {"mask": [N, C, H, W]},
/// "layers": [{"key", "operator", "output", "parameters", "multiply_adds"}]}; "key" is null where there is none.
std::string summary_json(const std::string& model, const ModelSummary& summary);

/// Every network of models() with default options, at the size of its card, as a Markdown table.
std::string zoo_table();

}  // namespace portraitseg
