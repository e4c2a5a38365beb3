#pragma once

#include <string>
#include <utility>
#include <vector>

#include "portraitseg/data/preprocessing.h"
#include "portraitseg/data/statistics.h"
#include "portraitseg/data/verify.h"

namespace portraitseg {

/// The lists with their counts, then one line a finding; of many findings of one kind in one list the first
/// 100 if they are errors, the first 10 if they are remarks.
std::string verify_table(const DatasetReport& report);
std::string verify_json(const DatasetReport& report);  ///< with all findings

/// The figures of a list.
struct ListStatistics {
  std::string name;
  std::string list_sha256;
  DatasetStatistics figures;
};

/// Figures for a person, channels in the given order, and the lines of a configuration that follow from them.
std::string statistics_table(const ListStatistics& list, ChannelOrder order);
std::string statistics_json(const std::vector<ListStatistics>& lists, ChannelOrder order);

}  // namespace portraitseg
