#include "portraitseg/report/comparison_table.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/report/text_table.h"

#include "report/figure_text.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

// --- Text ----------------------------------------------------------------------------------------------------------

std::string forced(const Comparison& all) {
  return all.warnings.empty() ? "" : "Forced: ";
}

// --- Pairs ---------------------------------------------------------------------------------------------------------

/// "p = 0.72 (permutation), 0.20 (Wilcoxon)", and what is left of them where there are several comparisons.
std::string p_clause(const PairedComparison& pair, std::size_t comparisons) {
  const bool by_image = !std::isnan(pair.wilcoxon);
  std::string text = p_text(pair.p) + " (permutation)";
  if (by_image) text += ", " + p_value_text(pair.wilcoxon) + " (Wilcoxon)";
  if (comparisons < 2) return text;
  text += fmt::format(", corrected for {} comparisons {}", comparisons, p_value_text(pair.p_holm));
  return text + (by_image ? ", " + p_value_text(pair.wilcoxon_holm) : "") + " (Holm)";
}

std::string pairs_table(const Comparison& comparison) {
  const bool several = comparison.pairs.size() > 1;
  std::vector<Row> rows = {{"A - B", "figure", "A", "B", "A - B",
                            percent_text(comparison.resampling.confidence) + " interval", "A higher / lower",
                            "p"}};
  if (several) rows[0].emplace_back("Holm");
  rows[0].emplace_back("Wilcoxon p");
  if (several) rows[0].emplace_back("Holm");
  for (const auto& pair : comparison.pairs) {
    const bool by_image = !std::isnan(pair.wilcoxon);
    rows.push_back({pair.a + " - " + pair.b, pair.title, number_text(pair.value_a), number_text(pair.value_b),
                    signed_text(pair.difference), interval_text(pair.interval),
                    by_image ? fmt::format("{} / {}", pair.higher, pair.lower) : "-", p_value_text(pair.p)});
    if (several) rows.back().push_back(p_value_text(pair.p_holm));
    rows.back().push_back(p_value_text(pair.wilcoxon));
    if (several) rows.back().push_back(p_value_text(pair.wilcoxon_holm));
  }
  return aligned_table(rows, 2);
}

/// How the images taken one by one speak against what the mean says; "" if they do not.
std::string other_side(const PairedComparison& pair, bool distinguished) {
  if (std::isnan(pair.wilcoxon_holm) || pair.wilcoxon_holm > kSignificant) return "";
  const bool same_way = (pair.difference > 0) == (pair.higher > pair.lower);
  if (distinguished && same_way) return "";
  return fmt::format("; image by image {} is higher on {} and lower on {}", pair.a, pair.higher, pair.lower);
}

// --- Seeds ---------------------------------------------------------------------------------------------------------

std::string seeds_table(const Comparison& comparison) {
  std::vector<Row> rows = {{"figure", "of", "n", "mean", "sd", percent_text(kConfidence) + " interval (t)"}};
  for (const auto& seeds : comparison.seeds) {
    for (const auto& side : {seeds.a, seeds.b})
      rows.push_back({seeds.title, side.name, std::to_string(side.values.size()), number_text(side.mean),
                      number_text(side.sd), interval_text(side.interval)});
    rows.push_back({seeds.title, "difference", "", signed_text(seeds.welch.difference), "",
                    interval_text(seeds.welch.interval)});
  }
  return aligned_table(rows, 2);
}

// --- Groups --------------------------------------------------------------------------------------------------------

std::string gap_text(const GroupGap& gap, double confidence) {
  if (gap.higher.empty()) return "largest gap: there are no two groups to compare\n";
  return fmt::format("largest gap: {} {} ({} bootstrap) between \"{}\" and \"{}\"{}\n",
                     number_text(gap.difference), interval_text(gap.interval), percent_text(confidence),
                     gap.higher, gap.lower,
                     std::isnan(gap.p) ? "" : fmt::format(", {} (groups dealt at random)", p_text(gap.p)));
}

std::string groups_table(const FigureByGroup& table, double confidence) {
  std::vector<Row> rows = {{"group", "n", "value", percent_text(confidence) + " interval", ""}};
  for (const auto& group : table.groups) {
    rows.push_back({group.group, std::to_string(group.images), number_text(group.value),
                    interval_text(group.interval), group.left_out ? "not in the gap" : ""});
  }
  return fmt::format("{} of {} by {}\n", table.title, table.result, table.by) + aligned_table(rows, 1) +
         gap_text(table.gap, confidence);
}

// --- JSON ----------------------------------------------------------------------------------------------------------

Json json_of(const Interval& interval) {
  return std::isnan(interval.low) ? Json() : Json{interval.low, interval.high};
}

Json json_of(const PairedComparison& pair, const Comparison& all) {
  return {{"a", pair.a},
          {"b", pair.b},
          {"figure", pair.figure},
          {"images", pair.images},
          {"left_out", pair.left_out},
          {"value_a", pair.value_a},
          {"value_b", pair.value_b},
          {"difference", pair.difference},
          {"interval", json_of(pair.interval)},
          {"images_higher", pair.higher},
          {"images_lower", pair.lower},
          {"p_permutation", pair.p},
          {"p_permutation_holm", pair.p_holm},
          {"p_wilcoxon", pair.wilcoxon},
          {"p_wilcoxon_holm", pair.wilcoxon_holm},
          {"sentence", sentence(pair, all)}};
}

Json json_of(const SeedFigure& side) {
  return {{"name", side.name},
          {"values", side.values},
          {"mean", side.mean},
          {"sd", side.sd},
          {"interval", json_of(side.interval)}};
}

Json json_of(const SeedComparison& seeds, const Comparison& all) {
  return {{"figure", seeds.figure},
          {"a", json_of(seeds.a)},
          {"b", json_of(seeds.b)},
          {"difference", seeds.welch.difference},
          {"interval", json_of(seeds.welch.interval)},
          {"degrees", seeds.welch.degrees},
          {"p_welch", seeds.welch.p},
          {"p_welch_holm", seeds.p_holm},
          {"sentence", sentence(seeds, all)}};
}

Json json_of(const FigureByGroup& table) {
  Json groups = Json::array();
  for (const auto& group : table.groups) {
    groups.push_back({{"group", group.group},
                      {"n", group.images},
                      {"value", group.value},
                      {"interval", json_of(group.interval)},
                      {"left_out", group.left_out}});
  }
  Json gap;
  if (!table.gap.higher.empty()) {
    gap = {{"higher", table.gap.higher},
           {"lower", table.gap.lower},
           {"difference", table.gap.difference},
           {"interval", json_of(table.gap.interval)},
           {"p", table.gap.p}};
  }
  return {{"result", table.result},
          {"by", table.by},
          {"figure", table.figure},
          {"groups", groups},
          {"largest_gap", gap}};
}

}  // namespace

std::string sentence(const PairedComparison& pair, const Comparison& all) {
  const std::string title = short_title(pair.title);
  if (pair.images < 2) {
    return fmt::format("{}One image is too few to tell {} and {} apart: {} differs by {}.", forced(all),
                       pair.a, pair.b, title, number_text(pair.difference, 2));
  }
  if (pair.difference == 0 && pair.interval.low == 0 && pair.interval.high == 0) {
    return fmt::format("{}{} and {} do not differ in {} on these {} images.", forced(all), pair.a, pair.b,
                       title, pair.images);
  }
  const std::string kind = fmt::format("({} paired bootstrap)", percent_text(all.resampling.confidence));
  const std::string p = p_clause(pair, all.pairs.size());
  if (pair.p_holm > kSignificant) {
    return fmt::format(
        "{}{} and {} are not distinguishable on these {} images: {} differs by {} {} {}, {}{}.", forced(all),
        pair.a, pair.b, pair.images, title, number_text(pair.difference, 2), interval_text(pair.interval, 2),
        kind, p, other_side(pair, false));
  }
  const bool a_leads = pair.difference > 0;
  const Interval interval = a_leads ? pair.interval : Interval{-pair.interval.high, -pair.interval.low};
  return fmt::format("{}On these {} images {} is higher for {} than for {}, by {} {} {}, {}{}.", forced(all),
                     pair.images, title, a_leads ? pair.a : pair.b, a_leads ? pair.b : pair.a,
                     number_text(std::abs(pair.difference), 2), interval_text(interval, 2), kind, p,
                     other_side(pair, true));
}

std::string sentence(const SeedComparison& seeds, const Comparison& all) {
  const std::string title = short_title(seeds.title);
  const std::string counts = fmt::format("{} and {} trainings", seeds.a.values.size(), seeds.b.values.size());
  if (std::isnan(seeds.welch.p)) {
    return fmt::format(
        "{}{} of {} and {} differs by {}, but with {} nobody can say what another seed would give.",
        forced(all), title, seeds.a.name, seeds.b.name, number_text(seeds.welch.difference, 2), counts);
  }
  const std::string corrected = all.seeds.size() < 2
                                    ? ""
                                    : fmt::format(", corrected for {} comparisons {} (Holm)",
                                                  all.seeds.size(), p_value_text(seeds.p_holm));
  const std::string what =
      fmt::format("by {} {} ({} Welch interval over {}), {} (Welch){}",
                  number_text(seeds.welch.difference, 2), interval_text(seeds.welch.interval, 2),
                  percent_text(kConfidence), counts, p_text(seeds.welch.p), corrected);
  return seeds.p_holm > kSignificant ? fmt::format("{}{} and {} are not distinguishable: {} differs {}.",
                                                   forced(all), seeds.a.name, seeds.b.name, title, what)
                                     : fmt::format("{}{} differs between {} and {} {}.", forced(all), title,
                                                   seeds.a.name, seeds.b.name, what);
}

std::string comparison_table(const Comparison& comparison, const std::vector<FigureByGroup>& groups) {
  std::string text =
      fmt::format("{} (protocol {:.8}): n = {} of {} (sha256 {:.8})\n", comparison.protocol,
                  comparison.protocol_hash, comparison.images, comparison.list, comparison.list_sha256);
  for (const auto& warning : comparison.warnings)
    text += fmt::format("forced, over the {} images that all have: {}\n", comparison.images, warning);
  if (comparison.batch_means)
    text += "the protocol's own figures are means over batches; compared are means over images\n";
  if (!comparison.pairs.empty()) text += "\n" + pairs_table(comparison) + "\n";
  if (!comparison.seeds.empty()) text += "\n" + seeds_table(comparison) + "\n";
  for (const auto& pair : comparison.pairs) {
    text += sentence(pair, comparison) + "\n";
    if (pair.left_out > 0)
      text += fmt::format("{} images without {} in both are left out.\n", pair.left_out, pair.title);
  }
  for (const auto& seeds : comparison.seeds) text += sentence(seeds, comparison) + "\n";
  const Resampling& how = comparison.resampling;
  for (const auto& table : groups) text += "\n" + groups_table(table, how.confidence);
  if (!comparison.pairs.empty() || !groups.empty())
    text += fmt::format("\nResampled: the images, {} times, seed {}.", how.resamples, how.seed);
  if (!comparison.pairs.empty())
    text += " What another training of the same network would give is not in it.";
  if (!comparison.seeds.empty())
    text +=
        "\nWhat varies: the training. The images are the same for all; what others would give is not in it.";
  return text + "\n";
}

std::string comparison_json(const Comparison& comparison, const std::vector<FigureByGroup>& groups) {
  Json pairs = Json::array(), seeds = Json::array(), tables = Json::array();
  for (const auto& pair : comparison.pairs) pairs.push_back(json_of(pair, comparison));
  for (const auto& of_seeds : comparison.seeds) seeds.push_back(json_of(of_seeds, comparison));
  for (const auto& table : groups) tables.push_back(json_of(table));
  const Resampling& how = comparison.resampling;
  const Json json = {
      {"protocol", comparison.protocol},
      {"protocol_hash", comparison.protocol_hash},
      {"list", comparison.list},
      {"list_sha256", comparison.list_sha256},
      {"n", comparison.images},
      {"means_over", "images"},
      {"forced", comparison.warnings},
      {"bootstrap", {{"resamples", how.resamples}, {"seed", how.seed}, {"confidence", how.confidence}}},
      {"pairs", pairs},
      {"seeds", seeds},
      {"groups", tables}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace portraitseg
