#include "portraitseg/report/ablation.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

bool same_measure(const TrialFigures& a, const TrialFigures& b) {
  return a.protocol == b.protocol && a.protocol_hash == b.protocol_hash && a.list_sha256 == b.list_sha256 &&
         a.images == b.images && a.averaged == b.averaged;
}

/// Whether they belong together or are at odds.
bool same_name(const TrialFigures& a, const TrialFigures& b) {
  if (a.validation || b.validation) return a.validation == b.validation;
  return a.protocol == b.protocol && a.list_sha256 == b.list_sha256 && a.averaged == b.averaged;
}

std::string measure_text(const TrialFigures& how) {
  const std::string hash = how.protocol_hash.empty() ? "" : fmt::format(" (hash {:.8})", how.protocol_hash);
  return fmt::format("protocol {}{}, {}list sha256 {:.8}, n = {}{}", how.protocol, hash,
                     how.list.empty() ? "" : how.list + ", ", how.list_sha256, how.images,
                     how.averaged ? ", averaged weights" : "");
}

}  // namespace

std::string Measurement::text() const {
  return (how.validation ? "validation by " : "") + measure_text(how);
}

std::map<std::size_t, double> Measurement::values(const std::string& figure) const {
  std::map<std::size_t, double> values;
  for (const auto& [trial, figures] : trials) {
    const auto found = figures.find(figure);
    if (found != figures.end() && std::isfinite(found->second)) values[trial] = found->second;
  }
  return values;
}

void Ablation::add(std::size_t trial, const TrialFigures& figures) {
  auto found = std::find_if(measurements.begin(), measurements.end(),
                            [&](const Measurement& other) { return same_name(other.how, figures); });
  if (found == measurements.end()) {
    found = measurements.insert(measurements.end(), {figures, {}});
    found->how.figures.clear();
  }
  if (!same_measure(found->how, figures)) {
    throw UserError(fmt::format(
        "the trials {} and {} are not measured alike, so no mean of them has a meaning: {}; and {}",
        trials[found->trials.begin()->first].id, trials[trial].id, measure_text(found->how),
        measure_text(figures)));
  }
  if (!found->trials.emplace(trial, figures.figures).second)
    throw UserError("the trial " + trials[trial].id + " is measured twice by " + measure_text(figures));
}

std::size_t Ablation::place(const std::string& axis) const {
  return static_cast<std::size_t>(std::find(axes.begin(), axes.end(), axis) - axes.begin());
}

std::vector<std::string> Ablation::values(const std::string& axis) const {
  const std::size_t column = place(axis);
  std::vector<std::string> all;
  for (const AblationTrial& trial : trials) {
    const std::string& value = trial.values[column];
    if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
  }
  return all;
}

std::string Ablation::label(std::size_t trial, bool with_seeds) const {
  std::string text;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const std::string& value = trials[trial].values[a];
    if (value.empty() || trials[trial].unnamed.count(a) > 0 || (!with_seeds && is_seed(axes[a]))) continue;
    text += (text.empty() ? "" : ", ") + axes[a] + "=" + value;
  }
  return text.empty() ? "the base" : text;
}

std::map<std::string, std::size_t> Ablation::states() const {
  std::map<std::string, std::size_t> counts;
  for (const AblationTrial& trial : trials) ++counts[trial.state];
  return counts;
}

std::vector<std::string> Ablation::variant_axes() const {
  std::vector<std::string> chosen;
  std::copy_if(axes.begin(), axes.end(), std::back_inserter(chosen),
               [](const std::string& axis) { return !is_seed(axis); });
  return chosen;
}

std::string Ablation::short_name(std::size_t m) const {
  const auto name_of = [](const TrialFigures& how) {
    const std::string list = how.validation || how.list.empty() ? "" : ", " + how.list;
    return (how.validation ? "validation, " : "") + how.protocol + list +
           (how.averaged ? ", averaged weights" : "");
  };
  const TrialFigures& how = measurements[m].how;
  const bool alone = std::count_if(measurements.begin(), measurements.end(), [&](const Measurement& other) {
                       return name_of(other.how) == name_of(how);
                     }) == 1;
  return name_of(how) + (alone ? "" : fmt::format(", list sha256 {:.8}", how.list_sha256));
}

std::optional<double> Ablation::value(std::size_t m, std::size_t trial, const std::string& figure) const {
  const auto& by_trial = measurements[m].trials;
  const auto figures = by_trial.find(trial);
  if (figures == by_trial.end()) return std::nullopt;
  const auto found = figures->second.find(figure);
  const bool measured = found != figures->second.end() && std::isfinite(found->second);
  return measured ? std::optional(found->second) : std::nullopt;
}

bool is_seed(const std::string& axis) {
  const std::string end = ".seed";
  return axis == "seed" ||
         (axis.size() > end.size() && axis.compare(axis.size() - end.size(), end.size(), end) == 0);
}

std::string shown_value(const std::string& value) {
  return value.empty() ? "(base)" : value;
}

}  // namespace portraitseg
