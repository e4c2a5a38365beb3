#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "portraitseg/core/config.h"

namespace portraitseg {

constexpr std::size_t kMostTrials = 10'000;

enum class Scale { kLinear, kLog };

/// {from: , to: , count: , scale: , integer: }
struct RangeOptions {
  double from = 0, to = 0;
  std::int64_t count = 0;
  Scale scale = Scale::kLinear;
  bool integer = false;

  void fields(Fields& f);

  /// @param position from 0 to 1
  std::string at(double position) const;
};

/// One of an axis's values: what it is called and what it sets.
struct Choice {
  std::string label;
  std::vector<ConfigNode::Entry> settings;
};

struct Axis {
  std::string name;
  Place place;
  bool named = false;           ///< its values are names of several settings
  std::vector<Choice> choices;  ///< empty: drawn from the range
  std::optional<RangeOptions> range;

  const Choice* find(const std::string& label) const;
  std::vector<std::string> labels() const;
};

/// The section `axes` of a sweep, see SweepPlan. @throws ConfigError
std::vector<Axis> read_axes(const ConfigNode& axes);

/// A value in short; numbers that are equal look equal: 1e-2 is 0.01.
std::string label_of(const ConfigNode& value);

ConfigNode scalar_node(const std::string& text, const Place& place);

/// @param key as an override has it
Choice choice_of(const std::string& key, const ConfigNode& value);

[[noreturn]] void fail(const Place& place, const std::string& message);

/// @throws ConfigError for a node of another kind; none is one of each.
void expect(const ConfigNode& node, ConfigNode::Kind kind, const std::string& name, const char* what);

}  // namespace portraitseg
