#pragma once

#include <string>
#include <vector>

#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// {"results": [{"network", "weights", "weights_sha256", "config_sha256", "protocol", "protocol_hash", "protocol_rules",
/// "figure", "list", "list_sha256", "n", "network_size", "skipped", "metrics": {NAME: percent, null where undefined}}]}.
std::string results_json(const std::vector<Evaluation>& evaluations);

/// The same as a table for a terminal. Of one network: one column a protocol and list. Of several: a table for each protocol and
/// list, one column a network.
/// @param names of the evaluations' networks, one each
std::string results_table(const std::vector<Evaluation>& evaluations, const std::vector<std::string>& names);

/// Of one network.
std::string results_table(const std::vector<Evaluation>& evaluations);

}  // namespace portraitseg
