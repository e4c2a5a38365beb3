#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/config.h"
#include "portraitseg/core/error.h"
#include "portraitseg/core/text.h"
#include "portraitseg/metrics/metrics.h"
#include "portraitseg/report/ablation.h"

#include "report/figure_text.h"

namespace portraitseg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
const std::string kAveraged = "ema_";  // before a figure of averaged weights

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

const std::string& value_of(const Ablation& ablation, std::size_t trial, std::size_t axis) {
  return ablation.trials[trial].values[axis];
}

// --- What is asked for ---------------------------------------------------------------------------------------------

void require_axis(const Ablation& ablation, const char* option, const std::string& axis) {
  if (!contains(ablation.axes, axis))
    throw UserError(std::string(option) + ": no axis is called '" + axis + "'" +
                    suggestion(axis, ablation.axes));
}

/// As written, or as the same number: 1e-2 is 0.01.
std::string base_of(const Ablation& ablation, const std::string& axis, const AblationOptions& options) {
  const std::vector<std::string> known = ablation.values(axis);
  const auto asked = options.base.find(axis);
  if (asked == options.base.end()) return known.empty() ? "" : known.front();
  if (contains(known, asked->second)) return asked->second;
  for (const auto& value : known) {
    if (finite_number(value) && finite_number(value) == finite_number(asked->second)) return value;
  }
  throw UserError("--base: " + axis + " has no value '" + asked->second + "'" +
                  suggestion(asked->second, known));
}

std::vector<std::string> axes_of(const Ablation& ablation, const AblationOptions& options) {
  for (const auto& axis : options.by) require_axis(ablation, "--by", axis);
  for (const auto& [axis, unused] : options.base) require_axis(ablation, "--base", axis);
  std::vector<std::string> axes = options.by.empty() ? ablation.variant_axes() : std::vector<std::string>();
  for (const auto& axis : options.by) {
    if (!contains(axes, axis)) axes.push_back(axis);
  }
  for (const auto& [axis, unused] : options.base) {
    if (!contains(axes, axis))
      throw UserError(fmt::format("--base: {} is not among the compared axes ({}); --by names others", axis,
                                  fmt::join(axes, ", ")));
  }
  return axes;
}

/// Of some trial, in the alphabet's order.
std::vector<std::string> figures_of(const Measurement& measurement) {
  std::map<std::string, bool> names;
  for (const auto& [unused, figures] : measurement.trials) {
    for (const auto& [name, value] : figures) names[name] = names[name] || std::isfinite(value);
  }
  std::vector<std::string> finite;
  for (const auto& [name, is_finite] : names) {
    if (is_finite) finite.push_back(name);
  }
  return finite;
}

std::vector<std::string> chosen_figures(const Ablation& ablation, const Measurement& measurement,
                                        const AblationOptions& options) {
  const std::vector<std::string> known = figures_of(measurement);
  std::vector<std::string> wanted = options.figures;
  if (wanted.empty()) {
    wanted = {ablation.judged_by, "iou_foreground", "miou"};
    if (contains(known, ablation.judged_by)) wanted.erase(wanted.begin() + 1);
    for (const auto& name : known) {
      if (name.rfind("boundary", 0) == 0) wanted.push_back(name);
    }
  }
  std::vector<std::string> chosen;
  for (const auto& name : wanted) {
    if (contains(known, name) && !contains(chosen, name)) chosen.push_back(name);
  }
  return chosen;
}

void check_figures(const Ablation& ablation, const AblationOptions& options) {
  std::vector<std::string> known;
  for (const Measurement& measurement : ablation.measurements) {
    for (const auto& name : figures_of(measurement)) {
      if (!contains(known, name)) known.push_back(name);
    }
  }
  for (const auto& name : options.figures) {
    if (!known.empty() && !contains(known, name))
      throw UserError("--figure: no trial has the figure '" + name + "'" + suggestion(name, known));
  }
}

/// As the metrics call it; a class's own figure and the like has its name alone.
std::string title_of(const std::string& name) {
  const bool averaged = name.rfind(kAveraged, 0) == 0;
  const std::string plain = averaged ? name.substr(kAveraged.size()) : name;
  for (const auto& metric : metrics().names()) {
    for (const Figure& figure : metrics().at(metric).make({}).figures) {
      if (figure.name == plain) return short_title(figure.title) + (averaged ? " of averaged weights" : "");
    }
  }
  return name;
}

// --- Tables --------------------------------------------------------------------------------------------------------

using Values = std::map<std::size_t, double>;

FigureSample sample_of(const Ablation& ablation, const std::vector<std::size_t>& trials,
                       const Values& values) {
  FigureSample sample;
  sample.trials = trials.size();
  for (const std::size_t trial : trials) {
    if (ablation.trials[trial].state == kStoppedEarly) ++sample.stopped_early;
    const auto found = values.find(trial);
    if (found != values.end()) sample.values.push_back(found->second);
  }
  sample.mean = mean(sample.values);
  sample.sd = standard_deviation(sample.values);
  sample.interval = t_interval(sample.values);
  return sample;
}

/// Of perturbed images a paper's figure is not, nor by another protocol than the one that it names.
std::optional<double> paper_figure(const Ablation& ablation, const Measurement& measurement,
                                   const std::map<std::string, std::string>& values,
                                   const std::string& figure) {
  const std::string& protocol = measurement.how.protocol;
  if (protocol.find('+') != std::string::npos) return std::nullopt;
  if (!ablation.paper_protocol.empty() && ablation.paper_protocol != protocol) return std::nullopt;
  for (const PaperFigures& paper : ablation.paper_figures) {
    const auto found = paper.figures.find(figure);
    if (paper.values == values && found != paper.figures.end()) return found->second;
  }
  return std::nullopt;
}

/// A trial's values of the other axes.
std::vector<std::string> others(const Ablation& ablation, std::size_t trial, std::size_t axis) {
  std::vector<std::string> values = ablation.trials[trial].values;
  values.erase(values.begin() + static_cast<std::ptrdiff_t>(axis));
  return values;
}

MatchedDifference difference_of(const Ablation& ablation, std::size_t axis, const std::string& value,
                                const std::string& base, const Values& figures) {
  std::map<std::vector<std::string>, double> of_base;  // by the values of the other axes
  for (const auto& [trial, figure] : figures) {
    if (value_of(ablation, trial, axis) == base) of_base[others(ablation, trial, axis)] = figure;
  }
  MatchedDifference result;
  for (const auto& [trial, figure] : figures) {
    if (value_of(ablation, trial, axis) != value) continue;
    const auto match = of_base.find(others(ablation, trial, axis));
    if (match != of_base.end()) result.differences.push_back(figure - match->second);
  }
  result.mean = mean(result.differences);
  result.p = result.p_holm = paired_t_test(result.differences);
  result.interval = std::isnan(result.p) ? Interval{kNone, kNone} : t_interval(result.differences);
  return result;
}

/// Whether each of more than two values occurs once, always beside others of the other axes.
bool is_drawn(const Ablation& ablation, std::size_t axis) {
  std::set<std::string> values;
  std::set<std::vector<std::string>> beside;
  for (std::size_t i = 0; i < ablation.trials.size(); ++i) {
    if (!values.insert(value_of(ablation, i, axis)).second) return false;
    if (!beside.insert(others(ablation, i, axis)).second) return false;
  }
  return values.size() > 2;
}

AxisTable axis_table(const Ablation& ablation, const Measurement& measurement, const std::string& figure,
                     const std::string& name, const std::string& base) {
  const Values figures = measurement.values(figure);
  const std::size_t axis = ablation.place(name);
  AxisTable table{name, base, {}, is_drawn(ablation, axis)};
  for (const auto& value : ablation.values(name)) {
    std::vector<std::size_t> trials;
    for (std::size_t i = 0; i < ablation.trials.size(); ++i) {
      if (value_of(ablation, i, axis) == value) trials.push_back(i);
    }
    AxisRow row{value, sample_of(ablation, trials, figures), std::nullopt};
    row.sample.paper = paper_figure(ablation, measurement, {{name, value}}, figure);
    if (value != base) row.difference = difference_of(ablation, axis, value, base, figures);
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::vector<VariantRow> variant_rows(const Ablation& ablation, const Measurement& measurement,
                                     const std::string& figure) {
  const std::vector<std::string> axes = ablation.variant_axes();
  if (axes.size() == 1) return {};
  std::vector<std::pair<std::vector<std::string>, std::vector<std::size_t>>> variants;
  for (std::size_t i = 0; i < ablation.trials.size(); ++i) {
    std::vector<std::string> values;
    for (const auto& axis : axes) values.push_back(value_of(ablation, i, ablation.place(axis)));
    auto found =
        std::find_if(variants.begin(), variants.end(), [&](const auto& v) { return v.first == values; });
    if (found == variants.end()) found = variants.insert(variants.end(), {values, {}});
    found->second.push_back(i);
  }
  const Values figures = measurement.values(figure);
  std::vector<VariantRow> rows;
  for (const auto& [values, trials] : variants) {
    std::map<std::string, std::string> by_axis;
    const AblationTrial& first = ablation.trials[trials.front()];
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const bool named = first.unnamed.count(ablation.place(axes[a])) == 0;
      if (named && !values[a].empty()) by_axis[axes[a]] = values[a];
    }
    VariantRow row{values, ablation.label(trials.front(), false), sample_of(ablation, trials, figures)};
    row.sample.paper = paper_figure(ablation, measurement, by_axis, figure);
    rows.push_back(std::move(row));
  }
  return rows;
}

void correct(FigureTables& tables) {
  std::vector<MatchedDifference*> all;
  for (AxisTable& axis : tables.axes) {
    for (AxisRow& row : axis.rows) {
      if (row.difference) all.push_back(&*row.difference);
    }
  }
  std::vector<double> p;
  for (const auto* difference : all) p.push_back(difference->p);
  const std::vector<double> corrected = holm(p);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i]->p_holm = corrected[i];
    if (!std::isnan(p[i])) ++tables.comparisons;
  }
}

FigureTables figure_tables(const Ablation& ablation, std::size_t m, const std::string& figure,
                           const std::vector<std::pair<std::string, std::string>>& axes) {
  const Measurement& measurement = ablation.measurements[m];
  FigureTables tables;
  tables.measurement = m;
  tables.figure = figure;
  tables.title = title_of(figure);
  for (const auto& [axis, base] : axes)
    tables.axes.push_back(axis_table(ablation, measurement, figure, axis, base));
  tables.variants = variant_rows(ablation, measurement, figure);
  correct(tables);
  const double sign = lower_is_better(figure) ? -1 : 1;
  double best = -std::numeric_limits<double>::infinity();
  for (const auto& [trial, value] : measurement.values(figure)) {
    if (sign * value <= best) continue;
    best = sign * value;
    tables.best = trial;
    tables.best_value = value;
  }
  return tables;
}

}  // namespace

std::vector<FigureTables> ablation_tables(const Ablation& ablation, const AblationOptions& options) {
  std::vector<std::pair<std::string, std::string>> axes;
  for (const auto& axis : axes_of(ablation, options))
    axes.emplace_back(axis, base_of(ablation, axis, options));
  check_figures(ablation, options);
  std::vector<FigureTables> all;
  for (std::size_t m = 0; m < ablation.measurements.size(); ++m) {
    for (const auto& figure : chosen_figures(ablation, ablation.measurements[m], options))
      all.push_back(figure_tables(ablation, m, figure, axes));
  }
  return all;
}

bool is_distinguishable(const MatchedDifference& difference) {
  return difference.p_holm <= kSignificant;
}

std::string sentence(const FigureTables& tables, const AxisTable& axis, const AxisRow& row) {
  // "2 and 1" says little.
  const bool named = tables.axes.size() > 1 || finite_number(row.value) || finite_number(axis.base);
  const std::string value = (named ? axis.axis + "=" : "") + shown_value(row.value);
  const std::string base = (named ? axis.axis + "=" : "") + shown_value(axis.base);
  const MatchedDifference& difference = *row.difference;
  const std::size_t n = difference.differences.size();
  if (n == 0)
    return fmt::format("{} and {} have no measured pair of trials that are given the same value in all else.",
                       value, base);
  const std::string size = number_text(std::abs(difference.mean), 2);
  if (n == 1) {
    return fmt::format(
        "{} of {} and {} differs by {} in the one pair that there is (n = 1): nobody can say what another "
        "seed "
        "would give.",
        tables.title, value, base, number_text(difference.mean, 2));
  }
  if (std::isnan(difference.p)) {
    return fmt::format(
        "{} of {} and {} differs by {} in each of {} pairs: without a spread there is no test.", tables.title,
        value, base, number_text(difference.mean, 2), n);
  }
  if (difference.mean == 0 && difference.p == 1)
    return fmt::format("{} and {} do not differ in {} over {} pairs.", value, base, tables.title, n);
  const bool leads = difference.mean > 0, distinct = is_distinguishable(difference);
  const Interval& own = difference.interval;
  const Interval shown = leads || !distinct ? own : Interval{-own.high, -own.low};
  const std::string corrected = tables.comparisons < 2
                                    ? ""
                                    : fmt::format(", corrected for {} comparisons {} (Holm)",
                                                  tables.comparisons, p_value_text(difference.p_holm));
  const std::string what = fmt::format("{} ({} paired t interval), {} (paired t){}", interval_text(shown, 2),
                                       percent_text(kConfidence), p_text(difference.p), corrected);
  if (!distinct) {
    return fmt::format("{} and {} are not distinguishable over {} pairs: {} differs by {} {}.", value, base,
                       n, tables.title, number_text(difference.mean, 2), what);
  }
  return fmt::format("Over {} pairs {} is higher for {} than for {}, by {} {}.", n, tables.title,
                     leads ? value : base, leads ? base : value, size, what);
}

}  // namespace portraitseg
