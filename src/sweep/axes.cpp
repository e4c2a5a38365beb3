#include "axes.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/text.h"

namespace portraitseg {
namespace {

using Kind = ConfigNode::Kind;

const Names<Scale> kScales = {{"linear", Scale::kLinear}, {"log", Scale::kLog}};

bool is_empty(const ConfigNode& node) {
  return node.kind == Kind::kNull || (node.items.empty() && node.entries.empty() && node.scalar.empty());
}

void add_choice(Axis& axis, Choice choice, const Place& place) {
  if (axis.find(choice.label) != nullptr)
    fail(place, "axes." + axis.name + ": the value " + choice.label + " is there twice");
  axis.choices.push_back(std::move(choice));
}

void read_range(Axis& axis, const ConfigNode& map) {
  axis.range.emplace();
  RangeOptions& range = *axis.range;
  Config::part(map).read(range);
  const std::string name = "axes." + axis.name;
  for (const char* key : {"from", "to"}) {
    if (map.find(key) == nullptr) fail(map.place, name + ": a range needs from and to");
  }
  if (range.from >= range.to) fail(map.find("to")->place, name + ".to: must be above from");
  if (range.scale == Scale::kLog && range.from <= 0)
    fail(map.find("from")->place, name + ".from: must be above 0 on a log scale");
  const std::int64_t count = range.count;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value =
        scalar_node(range.at(static_cast<double>(i) / static_cast<double>(count - 1)), map.place);
    add_choice(axis, choice_of(axis.name, value), map.place);
  }
}

bool is_map(const ConfigNode& node) {
  return node.kind == Kind::kMap || node.kind == Kind::kNull;
}

Axis read_axis(const ConfigNode::Entry& entry) {
  Axis axis = {entry.key, entry.place, false, {}, {}};
  const ConfigNode& value = entry.value;
  if (is_empty(value)) fail(entry.place, "axes." + axis.name + ": has no values");
  if (value.kind == Kind::kList) {
    for (const auto& item : value.items) add_choice(axis, choice_of(axis.name, item), item.place);
    return axis;
  }
  if (value.kind != Kind::kMap)
    fail(value.place,
         "axes." + axis.name +
             ": expected a list of values, a range {from: , to: , count: } or names of settings");
  axis.named = std::all_of(value.entries.begin(), value.entries.end(),
                           [](const auto& named) { return is_map(named.value); });
  if (!axis.named) {
    read_range(axis, value);
    return axis;
  }
  for (const auto& named : value.entries) axis.choices.push_back({named.key, named.value.entries});
  return axis;
}

}  // namespace

void RangeOptions::fields(Fields& f) {
  f("from", from, "first value");
  f("to", to, "last value");
  f("count", count, "values of a grid, both ends among them; 0: none but drawn ones", {0, kMostTrials});
  f.check(count != 1, "count", "one value is no range");
  f.choice("scale", scale, kScales, "evenly spaced, or by a factor");
  f("integer", integer, "rounded to whole numbers");
}

std::string RangeOptions::at(double position) const {
  const double value =
      scale == Scale::kLinear ? from + (to - from) * position : from * std::pow(to / from, position);
  // Six digits: what the last bits of pow() are must not decide what a trial is called.
  return fmt::format("{}", integer ? std::round(value) : *finite_number(fmt::format("{:.6g}", value)));
}

const Choice* Axis::find(const std::string& label) const {
  const auto found =
      std::find_if(choices.begin(), choices.end(), [&](const Choice& c) { return c.label == label; });
  return found == choices.end() ? nullptr : &*found;
}

std::vector<std::string> Axis::labels() const {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.label);
  return names;
}

std::vector<Axis> read_axes(const ConfigNode& axes) {
  expect(axes, Kind::kMap, "axes", "a map of axes");
  std::vector<Axis> all;
  for (const auto& entry : axes.entries) all.push_back(read_axis(entry));
  return all;
}

std::string label_of(const ConfigNode& value) {
  if (value.kind != Kind::kScalar) return value.yaml();
  const auto number = finite_number(value.scalar);
  return number ? fmt::format("{}", *number) : value.scalar;
}

ConfigNode scalar_node(const std::string& text, const Place& place) {
  ConfigNode node;
  node.kind = Kind::kScalar;
  node.scalar = text;
  node.place = place;
  return node;
}

Choice choice_of(const std::string& key, const ConfigNode& value) {
  return {label_of(value), {{key, value.place, value}}};
}

void fail(const Place& place, const std::string& message) {
  throw ConfigError(place, message);
}

void expect(const ConfigNode& node, Kind kind, const std::string& name, const char* what) {
  if (node.kind != kind && node.kind != Kind::kNull) fail(node.place, name + ": expected " + what);
}

}  // namespace portraitseg
