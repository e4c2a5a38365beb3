#include "portraitseg/report/image_figure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/metrics/metrics.h"

namespace portraitseg {
namespace {

using Columns = std::vector<const std::vector<double>*>;

[[noreturn]] void refuse(const EvaluationResult& result, const std::string& problem) {
  std::string names;
  for (const auto& [name, unused] : result.figures) names += (names.empty() ? "" : ", ") + name;
  throw UserError(fmt::format("{}: {}; it has: {}", result.folder.string(), problem, names));
}

/// The list's classes, as many as have columns.
std::int64_t classes_of(const EvaluationResult& result) {
  std::int64_t classes = 0;
  while (result.numbers.count(fmt::format("class{}_tp", classes)) > 0) ++classes;
  return classes;
}

/// The result's columns of these names; empty if one is missing.
Columns columns_of(const EvaluationResult& result, const std::vector<std::string>& names) {
  Columns columns;
  for (const auto& name : names) {
    const auto found = result.numbers.find(name);
    if (found == result.numbers.end()) return {};
    columns.push_back(&found->second);
  }
  return columns;
}

/// One row an image, empty where a number is missing.
std::vector<std::vector<double>> rows_of(const Columns& columns) {
  std::vector<std::vector<double>> rows(columns.front()->size());
  for (std::size_t image = 0; image < rows.size(); ++image) {
    for (const auto* column : columns) rows[image].push_back((*column)[image]);
    if (std::any_of(rows[image].begin(), rows[image].end(), [](double v) { return std::isnan(v); }))
      rows[image].clear();
  }
  return rows;
}

struct Definition {
  Figure figure;
  Columns columns;
};

/// Of the metric whose columns the result has.
std::optional<Definition> definition_of(const EvaluationResult& result, const std::string& name) {
  const MetricRules rules = {std::max<std::int64_t>(2, classes_of(result)), result.empty_union};
  for (const auto& known : metrics().names()) {
    const Metric metric = metrics().at(known).make(rules);
    const Columns columns = columns_of(result, metric.columns);
    if (columns.empty()) continue;
    for (const Figure& figure : metric.figures) {
      if (figure.name == name) return Definition{figure, columns};
    }
  }
  return std::nullopt;
}

}  // namespace

double ImageFigure::over(const Draw& images) const {
  if (images.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::vector<double> sums(rows[images.front()].size(), 0.0);
  for (const std::size_t image : images) {
    for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += rows[image][k];
  }
  return whole ? whole(sums) : sums[0] / static_cast<double>(images.size());
}

ImageFigure image_figure(const EvaluationResult& result, const std::string& name) {
  const bool known = std::any_of(result.figures.begin(), result.figures.end(),
                                 [&](const auto& figure) { return figure.first == name; });
  if (!known) refuse(result, "no figure '" + name + "'");
  ImageFigure figure;
  figure.name = figure.title = name;
  const auto definition = definition_of(result, name);
  if (definition) figure.title = definition->figure.title;
  if (definition && definition->figure.reduction == Reduction::kWholeSet) {
    figure.rows = rows_of(definition->columns);
    figure.whole = definition->figure.formula;
    return figure;
  }
  const Columns own = columns_of(result, {name});
  if (own.empty()) refuse(result, "per_image.csv has no column of the figure '" + name + "'");
  figure.rows = rows_of(own);
  if (!definition && result.means.count(name) == 0)
    refuse(result, "'" + name + "' is no mean over images, and no figure that this version knows");
  return figure;
}

std::vector<std::string> default_figures(const EvaluationResult& result) {
  std::vector<std::string> chosen;
  const auto add = [&](const std::string& name) {
    for (const auto& [known, unused] : result.figures) {
      if (known == name) chosen.push_back(name);
    }
  };
  add("iou_foreground");
  add("boundary_f1_15");
  if (chosen.empty()) add("miou");
  if (chosen.empty()) refuse(result, "name a figure by --metric");
  return chosen;
}

}  // namespace portraitseg
