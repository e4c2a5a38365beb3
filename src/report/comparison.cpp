#include "portraitseg/report/comparison.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Draw all_of(std::size_t n) {
  Draw all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

// --- What may be compared ------------------------------------------------------------------------------------------

/// "A: clova (3d50d089), B: native (a1b2c3d4)" if what the function says of them differs, else "".
template <class Text>
std::string clash(const std::string& what, const EvaluationResult& a, const EvaluationResult& b,
                  Text&& text) {
  if (text(a) == text(b)) return "";
  return fmt::format("{} differ: {} has {}, {} has {}", what, a.folder.string(), text(a), b.folder.string(),
                     text(b));
}

/// The images that one of them has alone: "2 images more (00012, ...)".
std::string images_alone(const EvaluationResult& has, const EvaluationResult& lacks) {
  std::vector<std::string> alone;
  std::set_difference(has.ids.begin(), has.ids.end(), lacks.ids.begin(), lacks.ids.end(),
                      std::back_inserter(alone));
  return alone.empty() ? "none"
                       : fmt::format("{} ({}{})", alone.size(), alone[0], alone.size() > 1 ? " ..." : "");
}

/// "224x224", at which it was measured; "" where the table does not say.
std::string size_of_first(const EvaluationResult& result) {
  const auto height = result.numbers.find("height"), width = result.numbers.find("width");
  if (result.ids.empty() || height == result.numbers.end() || width == result.numbers.end()) return "";
  return fmt::format("{}x{}", height->second[0], width->second[0]);
}

std::vector<std::string> clashes(const EvaluationResult& a, const EvaluationResult& b) {
  std::vector<std::string> found = {
      clash("protocols", a, b,
            [](const EvaluationResult& r) { return fmt::format("{} ({:.8})", r.protocol, r.protocol_hash); }),
      clash("lists", a, b, [](const EvaluationResult& r) {
        return fmt::format("{} (sha256 {:.8})", r.list, r.list_sha256);
      })};
  if (a.protocol_hash == b.protocol_hash) found[0].clear();  // another name for the same rules
  if (a.list_sha256 == b.list_sha256) found[1].clear();
  found.push_back(clash("sizes of the first image", a, b, size_of_first));
  if (a.ids != b.ids) {
    found.back().clear();  // another image
    found.push_back(fmt::format("images differ: {} alone has {}, {} alone has {}", a.folder.string(),
                                images_alone(a, b), b.folder.string(), images_alone(b, a)));
  }
  found.erase(std::remove(found.begin(), found.end(), ""), found.end());
  return found;
}

// --- Pairs ---------------------------------------------------------------------------------------------------------

/// Both without the images that either lacks.
std::size_t keep_shared(ImageFigure& a, ImageFigure& b) {
  std::vector<std::vector<double>> rows_a, rows_b;
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    if (a.rows[i].empty() || b.rows[i].empty()) continue;
    rows_a.push_back(a.rows[i]);
    rows_b.push_back(b.rows[i]);
  }
  const std::size_t left_out = a.rows.size() - rows_a.size();
  a.rows = rows_a;
  b.rows = rows_b;
  return left_out;
}

double exchange_p(const ImageFigure& a, const ImageFigure& b, const Resampling& how) {
  ImageFigure first = a, second = b;
  const Draw all = all_of(a.rows.size());
  return exchange_test(
      a.rows.size(),
      [&](const std::vector<char>& exchanged) {
        for (std::size_t i = 0; i < exchanged.size(); ++i) {
          first.rows[i] = exchanged[i] != 0 ? b.rows[i] : a.rows[i];
          second.rows[i] = exchanged[i] != 0 ? a.rows[i] : b.rows[i];
        }
        return first.over(all) - second.over(all);
      },
      how);
}

PairedComparison paired(const Contender& of_a, const Contender& of_b, const std::string& figure,
                        const Resampling& how) {
  ImageFigure a = image_figure(of_a.results.front(), figure);
  ImageFigure b = image_figure(of_b.results.front(), figure);
  PairedComparison pair;
  pair.left_out = keep_shared(a, b);
  pair.a = of_a.name;
  pair.b = of_b.name;
  pair.figure = figure;
  pair.title = a.title;
  pair.images = a.rows.size();
  if (pair.images == 0)
    throw UserError(fmt::format("no image has the figure '{}' in both {} and {}", figure, pair.a, pair.b));
  pair.value_a = a.over(all_of(pair.images));
  pair.value_b = b.over(all_of(pair.images));
  pair.difference = pair.value_a - pair.value_b;
  if (std::isnan(pair.difference)) {
    throw UserError(fmt::format("the figure '{}' is undefined in {}", figure,
                                std::isnan(pair.value_a) ? pair.a : pair.b));
  }
  pair.wilcoxon = kNone;
  if (a.whole) {
    pair.interval = bootstrap_interval(
        pair.images, [&](const Draw& images) { return a.over(images) - b.over(images); }, how);
    pair.p = exchange_p(a, b, how);
    return pair;
  }
  std::vector<double> differences;
  for (std::size_t i = 0; i < pair.images; ++i) differences.push_back(a.rows[i][0] - b.rows[i][0]);
  pair.difference = mean(differences);
  pair.interval = bootstrap_mean(differences, how);
  pair.higher = static_cast<std::size_t>(
      std::count_if(differences.begin(), differences.end(), [](double d) { return d > 0; }));
  pair.lower = static_cast<std::size_t>(
      std::count_if(differences.begin(), differences.end(), [](double d) { return d < 0; }));
  pair.p = sign_flip_test(differences, how);
  pair.wilcoxon = wilcoxon(differences).p;
  return pair;
}

// --- Seeds ---------------------------------------------------------------------------------------------------------

/// Over the images that have the figure.
double value_of(const ImageFigure& figure) {
  Draw images;
  for (std::size_t i = 0; i < figure.rows.size(); ++i) {
    if (!figure.rows[i].empty()) images.push_back(i);
  }
  return figure.over(images);
}

SeedFigure seed_figure(const Contender& contender, const std::string& figure) {
  SeedFigure seeds;
  seeds.name = contender.name;
  for (const auto& result : contender.results) {
    seeds.values.push_back(value_of(image_figure(result, figure)));
    if (std::isnan(seeds.values.back()))
      throw UserError(fmt::format("{}: the figure '{}' is undefined", result.folder.string(), figure));
  }
  seeds.mean = mean(seeds.values);
  seeds.sd = standard_deviation(seeds.values);
  seeds.interval = t_interval(seeds.values);
  return seeds;
}

template <class Of, class To>
void correct(std::vector<Of>& comparisons, double (*p)(const Of&), To&& to) {
  std::vector<double> values;
  for (const auto& comparison : comparisons) values.push_back(p(comparison));
  const std::vector<double> corrected = holm(values);
  for (std::size_t i = 0; i < comparisons.size(); ++i) to(comparisons[i]) = corrected[i];
}

// --- Groups --------------------------------------------------------------------------------------------------------

const std::string kWithout = "(none)";

/// A value that is a bound belongs to the lower quartile. @param values one an image, not a number: none
std::vector<ImageGroup> quartiles(const std::vector<double>& values) {
  std::vector<double> known;
  std::copy_if(values.begin(), values.end(), std::back_inserter(known),
               [](double v) { return !std::isnan(v); });
  std::vector<double> bounds;
  for (const double p : {0.0, 0.25, 0.5, 0.75, 1.0}) bounds.push_back(quantile(known, p));
  std::vector<ImageGroup> groups;
  for (std::size_t q = 0; q < 4; ++q)
    groups.push_back({fmt::format("{:.4g} to {:.4g}", bounds[q], bounds[q + 1]), {}});
  groups.push_back({kWithout, {}});
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::size_t q = std::isnan(values[i]) ? 4 : 0;
    while (q < 3 && values[i] > bounds[q + 1]) ++q;
    groups[q].images.push_back(i);
  }
  return groups;
}

std::vector<ImageGroup> by_value(const std::vector<std::string>& values) {
  std::map<std::string, Draw> images;
  for (std::size_t i = 0; i < values.size(); ++i) images[values[i]].push_back(i);
  std::vector<ImageGroup> groups;
  for (const auto& [value, of_value] : images) {
    if (!value.empty()) groups.push_back({value, of_value});
  }
  groups.push_back({kWithout, images[""]});
  return groups;
}

std::vector<ImageGroup> by_table(const EvaluationResult& result, const GroupOptions& options) {
  std::vector<std::string> values;
  std::size_t known = 0;
  for (const auto& id : result.ids) {
    const auto found = options.attributes.find(id);
    known += found == options.attributes.end() ? 0 : 1;
    values.push_back(found == options.attributes.end() ? "" : found->second);
  }
  if (known == 0) {
    throw UserError(
        fmt::format("the table of attributes has none of the images of {}; its ids look like '{}', "
                    "the images' like '{}'",
                    result.folder.string(), options.attributes.begin()->first, result.ids[0]));
  }
  return by_value(values);
}

GroupGap gap_of(const ImageFigure& figure, const std::vector<ImageGroup>& groups, const Resampling& how) {
  GroupGap gap;
  gap.difference = gap.p = gap.interval.low = gap.interval.high = kNone;
  if (groups.size() < 2) return gap;
  const auto by_figure = [&](const ImageGroup& a, const ImageGroup& b) {
    return figure.over(a.images) < figure.over(b.images);
  };
  const auto [lowest, highest] = std::minmax_element(groups.begin(), groups.end(), by_figure);
  gap.higher = highest->name;
  gap.lower = lowest->name;
  gap.difference = figure.over(highest->images) - figure.over(lowest->images);
  const auto over = [&](const ImageGroup& group, const Draw& members) {
    Draw images;
    for (const std::size_t member : members) images.push_back(group.images[member]);
    return figure.over(images);
  };
  const ImageGroup &top = *highest, &bottom = *lowest;
  gap.interval = bootstrap_interval(
      top.images.size(), bottom.images.size(),
      [&](const Draw& of_top, const Draw& of_bottom) { return over(top, of_top) - over(bottom, of_bottom); },
      how);
  if (figure.whole) return gap;
  std::vector<std::vector<double>> values;
  for (const auto& group : groups) {
    values.emplace_back();
    for (const std::size_t image : group.images) values.back().push_back(figure.rows[image][0]);
  }
  gap.p = largest_gap_test(values, how);
  return gap;
}

}  // namespace

std::vector<std::string> align(std::vector<Contender>& contenders, bool force) {
  std::vector<EvaluationResult*> results;
  for (auto& contender : contenders) {
    for (auto& result : contender.results) results.push_back(&result);
  }
  std::vector<std::string> forced;
  std::vector<std::string> shared = results.front()->ids;
  for (const EvaluationResult* result : results) {
    for (const auto& found : clashes(*results.front(), *result)) {
      if (!force) throw UserError(found + "; --force compares them over the images that all have");
      forced.push_back(found);
    }
    std::vector<std::string> rest;
    std::set_intersection(shared.begin(), shared.end(), result->ids.begin(), result->ids.end(),
                          std::back_inserter(rest));
    shared = rest;
    if (shared.empty())
      throw UserError(fmt::format("{} and {} have no image in common", results.front()->folder.string(),
                                  result->folder.string()));
  }
  if (!forced.empty()) {
    for (EvaluationResult* result : results) *result = result->of_images(shared);
  }
  return forced;
}

Comparison compare(std::vector<Contender> contenders, const ComparisonOptions& options) {
  Comparison comparison;
  comparison.warnings = align(contenders, options.force);
  const EvaluationResult& first = contenders.front().results.front();
  comparison.protocol = first.protocol;
  comparison.protocol_hash = first.protocol_hash;
  comparison.batch_means = first.batch_means;
  comparison.list = first.list;
  comparison.list_sha256 = first.list_sha256;
  comparison.images = first.ids.size();
  comparison.resampling = options.resampling;
  const auto figures = options.figures.empty() ? default_figures(first) : options.figures;
  const bool seeds = std::any_of(contenders.begin(), contenders.end(),
                                 [](const Contender& contender) { return contender.results.size() > 1; });
  for (std::size_t a = 0; a < contenders.size(); ++a) {
    for (std::size_t b = a + 1; b < contenders.size(); ++b) {
      for (const auto& figure : figures) {
        if (!seeds) {
          comparison.pairs.push_back(paired(contenders[a], contenders[b], figure, options.resampling));
          continue;
        }
        SeedComparison of_seeds;
        of_seeds.figure = figure;
        of_seeds.title = image_figure(contenders[a].results.front(), figure).title;
        of_seeds.a = seed_figure(contenders[a], figure);
        of_seeds.b = seed_figure(contenders[b], figure);
        of_seeds.welch = welch(of_seeds.a.values, of_seeds.b.values);
        comparison.seeds.push_back(of_seeds);
      }
    }
  }
  correct<PairedComparison>(
      comparison.pairs, [](const PairedComparison& pair) { return pair.p; },
      [](PairedComparison& pair) -> double& { return pair.p_holm; });
  correct<PairedComparison>(
      comparison.pairs, [](const PairedComparison& pair) { return pair.wilcoxon; },
      [](PairedComparison& pair) -> double& { return pair.wilcoxon_holm; });
  correct<SeedComparison>(
      comparison.seeds, [](const SeedComparison& of_seeds) { return of_seeds.welch.p; },
      [](SeedComparison& of_seeds) -> double& { return of_seeds.p_holm; });
  return comparison;
}

std::vector<ImageGroup> image_groups(const EvaluationResult& result, const GroupOptions& options) {
  if (!options.attributes.empty()) return by_table(result, options);
  const auto attribute = result.attributes.find(options.name);
  if (attribute != result.attributes.end()) return by_value(attribute->second);
  const auto numbers = result.numbers.find(options.name);
  if (numbers != result.numbers.end()) return quartiles(numbers->second);
  std::string known;
  for (const auto& [name, unused] : result.attributes) known += name + ", ";
  for (const char* name : {"foreground_share", "brightness"}) {
    if (result.numbers.count(name) > 0) known += std::string(name) + ", ";
  }
  throw UserError(fmt::format("{}: the images have no attribute '{}'; known: {}a column of --attributes",
                              result.folder.string(), options.name, known));
}

FigureByGroup by_group(const std::string& name, const EvaluationResult& result,
                       const std::string& figure_name, const std::vector<ImageGroup>& groups,
                       const GroupOptions& options) {
  const ImageFigure figure = image_figure(result, figure_name);
  FigureByGroup table;
  table.result = name;
  table.by = options.name;
  table.figure = figure_name;
  table.title = figure.title;
  std::vector<ImageGroup> compared;
  for (ImageGroup group : groups) {
    group.images.erase(std::remove_if(group.images.begin(), group.images.end(),
                                      [&](std::size_t image) { return figure.rows[image].empty(); }),
                       group.images.end());
    if (group.images.empty()) continue;
    GroupFigure row;
    row.group = group.name;
    row.images = group.images.size();
    row.value = figure.over(group.images);
    row.left_out = group.name == kWithout || row.images < options.smallest || std::isnan(row.value);
    row.interval = bootstrap_interval(
        row.images,
        [&](const Draw& members) {
          Draw images;
          for (const std::size_t member : members) images.push_back(group.images[member]);
          return figure.over(images);
        },
        options.resampling);
    if (!row.left_out) compared.push_back(group);
    table.groups.push_back(row);
  }
  table.gap = gap_of(figure, compared, options.resampling);
  return table;
}

}  // namespace portraitseg
