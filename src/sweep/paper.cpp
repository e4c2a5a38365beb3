#include "portraitseg/sweep/paper.h"

#include <algorithm>

#include "portraitseg/core/text.h"
#include "portraitseg/metrics/protocol.h"

#include "axes.h"

namespace portraitseg {
namespace {

using Kind = ConfigNode::Kind;

double figure_of(const ConfigNode::Entry& entry) {
  const auto number = finite_number(entry.value.scalar);
  if (entry.value.kind != Kind::kScalar || !number)
    fail(entry.value.place, "paper: expected a number for " + entry.key);
  return *number;
}

std::string value_of(const ConfigNode::Entry& entry, const std::vector<std::string>& known) {
  const std::string label = label_of(entry.value);
  if (std::find(known.begin(), known.end(), label) == known.end())
    fail(entry.value.place,
         "paper: " + entry.key + " has no value '" + label + "'" + suggestion(label, known));
  return label;
}

[[noreturn]] void refuse_key(const ConfigNode::Entry& entry,
                             const std::map<std::string, std::vector<std::string>>& axes,
                             const std::vector<std::string>& figures) {
  std::vector<std::string> known;
  for (const auto& [axis, unused] : axes) known.push_back(axis);
  known.insert(known.end(), figures.begin(), figures.end());
  fail(entry.place,
       "paper: '" + entry.key + "' is neither an axis nor a figure" + suggestion(entry.key, known));
}

}  // namespace

void PaperOptions::fields(Fields& f) {
  std::vector<std::string> known = protocols().names();
  known.insert(known.begin(), "");
  f("source", source, "the paper, its table and what the figures are");
  f.choice("protocol", protocol, known, "that its figures are by; empty: they stand beside those by any");
  f("figures", figures, "maps of axes and values, and of figures");
}

std::vector<PaperVariant> read_paper(const PaperOptions& paper,
                                     const std::map<std::string, std::vector<std::string>>& axes,
                                     const std::vector<std::string>& figures) {
  expect(paper.figures, Kind::kList, "paper.figures", "a list of maps");
  std::vector<PaperVariant> variants;
  for (const ConfigNode& item : paper.figures.items) {
    if (item.kind != Kind::kMap) fail(item.place, "paper: expected a map of axes and figures");
    PaperVariant variant;
    for (const auto& entry : item.entries) {
      const auto axis = axes.find(entry.key);
      const bool known = figures.empty() || std::count(figures.begin(), figures.end(), entry.key) > 0;
      if (axis != axes.end()) {
        variant.values[entry.key] = value_of(entry, axis->second);
      } else if (known) {
        variant.figures[entry.key] = figure_of(entry);
      } else {
        refuse_key(entry, axes, figures);
      }
    }
    if (variant.values.empty() || variant.figures.empty())
      fail(item.place, "paper: an entry needs the value of an axis, and a figure");
    const bool twice = std::any_of(variants.begin(), variants.end(),
                                   [&](const PaperVariant& other) { return other.values == variant.values; });
    if (twice) fail(item.place, "paper: these values are there twice");
    variants.push_back(std::move(variant));
  }
  if (!variants.empty() && paper.source.empty())
    fail(paper.figures.place, "paper: figures need their source");
  return variants;
}

}  // namespace portraitseg
