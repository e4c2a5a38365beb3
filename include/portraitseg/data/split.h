#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "portraitseg/data/dataset.h"
#include "portraitseg/data/scan.h"

namespace portraitseg {

/// Which group an image belongs to: one person, one photographer, one film.
using GroupOf = std::function<std::string(const Sample&)>;

/// Each image for itself.
GroupOf group_by_id();

/// The value of an attribute. The result throws DataError for an image without it, naming those that it has.
GroupOf group_by_attribute(const std::string& name);

/// What the regular expression (ECMAScript) finds in the id: its first group, or all of the match if it has none.
/// The result throws DataError for an id in which nothing is found.
/// @throws UserError if it is no regular expression.
GroupOf group_by_pattern(const std::string& pattern);

struct SplitEntry {
  std::string line;  ///< as a list names it
  std::string group;
};

/// The entries of a data set, in its order. `line` is the line of the list where the list is a text that names one
/// image a line, and the id otherwise. Every image is read: only then are its id and attributes known.
/// @throws DataError for an image that cannot be used.
std::vector<SplitEntry> split_entries(const Dataset& dataset, const GroupOf& group_of,
                                      const ScanOptions& options);

/// Divides items into parts so that all items of a group are in one part.
///
/// The groups are taken in random order, each by the part that lacks most items of its share. Part p then gets
/// share[p] of the items to within one item, or with groups to about the size of the largest group.
/// The draw of a group is keyed by seed and group name: the result depends on nothing else, not on the items' order.
///
/// @param shares of the parts; at least 0, sum 1
/// @return for each part the items, in ascending order
/// @throws UserError for other shares, and if a part with a share would stay empty.
std::vector<std::vector<std::int64_t>> split(const std::vector<std::string>& groups,
                                             const std::vector<double>& shares, std::uint64_t seed);

}  // namespace portraitseg
