#include "portraitseg/data/split.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <regex>
#include <tuple>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/random.h"

namespace portraitseg {
namespace {

/// A list that names each image in a line of its own, in the data set's order? JSON or CSV are none.
bool names_each(const std::vector<std::string>& lines, const std::vector<std::string>& ids) {
  return std::equal(
      lines.begin(), lines.end(), ids.begin(), ids.end(), [](const std::string& line, const std::string& id) {
        std::string stem = std::filesystem::path(id).stem().string();
        stem.erase(0, std::min(stem.find_first_not_of('0'), stem.size()));  // 00007 is listed as 7
        return line.find(stem) != std::string::npos;
      });
}

std::uint64_t draw_of(const std::string& group, std::uint64_t seed) {
  const std::uint64_t key = std::stoull(sha256(group).substr(0, 16), nullptr, 16);
  return Random(seed, Purpose::kSplit, {key}).next();
}

struct Group {
  std::uint64_t draw;
  std::string name;
  std::vector<std::int64_t> items;
};

std::vector<Group> in_random_order(const std::vector<std::string>& groups, std::uint64_t seed) {
  std::map<std::string, std::vector<std::int64_t>> items;
  for (std::size_t i = 0; i < groups.size(); ++i) items[groups[i]].push_back(static_cast<std::int64_t>(i));
  std::vector<Group> order;
  for (auto& [name, own] : items) order.push_back({draw_of(name, seed), name, std::move(own)});
  std::sort(order.begin(), order.end(), [](const Group& a, const Group& b) {
    return std::tie(a.draw, a.name) < std::tie(b.draw, b.name);
  });
  return order;
}

}  // namespace

GroupOf group_by_id() {
  return [](const Sample& sample) { return sample.id; };
}

GroupOf group_by_attribute(const std::string& name) {
  return [name](const Sample& sample) {
    const auto found = sample.attributes.find(name);
    if (found != sample.attributes.end()) return found->second;
    std::vector<std::string> known;
    for (const auto& [attribute, unused] : sample.attributes) known.push_back(attribute);
    throw DataError(sample.id,
                    "has no attribute '" + name + "'" +
                        (known.empty() ? "; the data set has none at all" : suggestion(name, known)));
  };
}

GroupOf group_by_pattern(const std::string& pattern) {
  std::regex expression;
  try {
    expression = pattern;
  } catch (const std::regex_error& error) {
    throw UserError("'" + pattern + "' is no regular expression: " + error.what());
  }
  return [pattern, expression](const Sample& sample) {
    std::smatch match;
    if (!std::regex_search(sample.id, match, expression))
      throw DataError(sample.id, "'" + pattern + "' finds no group in this id");
    return match.str(match.size() > 1 ? 1 : 0);
  };
}

std::vector<SplitEntry> split_entries(const Dataset& dataset, const GroupOf& group_of,
                                      const ScanOptions& options) {
  std::vector<std::string> ids, groups;
  scan(
      dataset, options, [&](const Sample& sample) { return std::make_pair(sample.id, group_of(sample)); },
      [&](std::pair<std::string, std::string> seen) {
        ids.push_back(std::move(seen.first));
        groups.push_back(std::move(seen.second));
      },
      [](const std::string&, const DataError&) { throw; });
  std::vector<std::string> lines;
  if (dataset.list.is_absolute()) lines = read_lines(dataset.list);  // else the name of a split or a pattern
  if (!names_each(lines, ids)) lines = ids;
  std::vector<SplitEntry> entries;
  for (std::size_t i = 0; i < ids.size(); ++i) entries.push_back({std::move(lines[i]), std::move(groups[i])});
  return entries;
}

std::vector<std::vector<std::int64_t>> split(const std::vector<std::string>& groups,
                                             const std::vector<double>& shares, std::uint64_t seed) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (std::any_of(shares.begin(), shares.end(), [](double share) { return !(share >= 0); }) ||
      !(std::abs(sum - 1) < 1e-6)) {
    throw UserError("the shares must not be negative and their sum must be 1");
  }
  std::vector<std::vector<std::int64_t>> parts(shares.size());
  const auto lack = [&](std::size_t part) {
    return shares[part] * static_cast<double>(groups.size()) - static_cast<double>(parts[part].size());
  };
  const auto order = in_random_order(groups, seed);
  for (const Group& group : order) {
    std::size_t chosen = 0;
    for (std::size_t part = 1; part < parts.size(); ++part) {
      if (lack(part) > lack(chosen)) chosen = part;
    }
    parts[chosen].insert(parts[chosen].end(), group.items.begin(), group.items.end());
  }
  for (std::size_t part = 0; part < parts.size(); ++part) {
    std::sort(parts[part].begin(), parts[part].end());
    if (parts[part].empty() && shares[part] > 0) {
      throw UserError(std::to_string(groups.size()) + " images in " + std::to_string(order.size()) +
                      " groups are too few for these shares: part " + std::to_string(part + 1) +
                      " would be empty");
    }
  }
  return parts;
}

}  // namespace portraitseg
