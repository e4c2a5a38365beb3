#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "portraitseg/core/registry.h"
#include "portraitseg/metrics/metric.h"
#include "portraitseg/metrics/protocol.h"

namespace portraitseg {

/// What a metric is made from.
struct MetricRules {
  std::int64_t classes = 2;
  double empty_union = 1;  ///< see Protocol
};

struct MetricEntry {
  Protocol::Counting counting;  ///< of the protocols that it fits
  std::function<Metric(const MetricRules&)> make;
};

using MetricRegistry = Registry<MetricEntry>;

/// Every metric that can be measured, by the name that the option --metrics takes.
const MetricRegistry& metrics();

/// What is measured unless something else is asked for.
std::vector<Metric> default_metrics(const Protocol& protocol, std::int64_t classes);

/// Those of these names, and the pixels' counts before them, which are always there; "all" are all that fit the protocol.
/// @throws UserError for an unknown name, or a metric that does not fit the protocol.
std::vector<Metric> chosen_metrics(const std::vector<std::string>& names, const Protocol& protocol,
                                   std::int64_t classes);

/// What a training measures and records of each epoch.
std::vector<Metric> recorded_metrics(const Protocol& protocol, std::int64_t classes);

}  // namespace portraitseg
