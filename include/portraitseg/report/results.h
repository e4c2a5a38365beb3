#pragma once

#include <string>
#include <vector>

#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// {"results": [{"protocol", "protocol_hash", "list", "list_sha256", "n", "skipped", "metrics": {...}}]}, figures in percent.
std::string results_json(const std::vector<Evaluation>& evaluations);

/// The same as a table for a terminal: one column an evaluation.
std::string results_table(const std::vector<Evaluation>& evaluations);

}  // namespace portraitseg
