#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "portraitseg/engine/evaluator.h"

namespace portraitseg {

/// {"results": [{"network", "weights", "weights_sha256", "config_sha256", "protocol", "protocol_hash", "protocol_rules",
/// "figure", "list", "list_sha256", "n", "network_size", "skipped", "metrics": {NAME: percent, null where undefined}}]}.
std::string results_json(const std::vector<Evaluation>& evaluations);

/// What a table shows of an evaluation.
struct ResultSummary {
  std::string protocol, protocol_hash, list, list_sha256;
  std::size_t images = 0, skipped = 0;
  std::vector<std::int64_t> network_size;  ///< height, width of the network's input
  std::vector<FigureValue> figures;
};

std::vector<ResultSummary> summaries_of(const std::vector<Evaluation>& evaluations);

/// @param json results_json() of what was planned
/// @param planned evaluations that need no images, in the order of the summaries: they know the figures' titles
std::vector<ResultSummary> stored_summaries(const std::string& json, const std::vector<Evaluation>& planned);

/// For a terminal. Of one network: one column a protocol and list. Of several: a table for each protocol and list, one column a
/// network.
/// @param names of the results' networks, one each
std::string results_table(const std::vector<ResultSummary>& results, const std::vector<std::string>& names);

/// Of one network.
std::string results_table(const std::vector<ResultSummary>& results);

}  // namespace portraitseg
