#include "portraitseg/report/ablation_files.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

#include "report/ablation_rows.h"
#include "report/figure_text.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

std::string paper_text(const FigureSample& sample) {
  return sample.paper ? fmt::format("{}", *sample.paper) : "";
}

// --- CSV -----------------------------------------------------------------------------------------------------------

std::string cell(double value) {
  return std::isfinite(value) ? fmt::format("{:.10g}", value) : "";
}

/// @param difference of a variant or a base value none
std::string sample_line(const Ablation& ablation, const FigureTables& tables, const std::string& axis,
                        const std::string& value, const FigureSample& sample, const std::string& base,
                        const std::optional<MatchedDifference>& difference) {
  const TrialFigures& how = ablation.measurements[tables.measurement].how;
  std::vector<std::string> cells = {how.validation ? "validation" : "evaluation",
                                    how.averaged ? "averaged" : "plain",
                                    how.protocol,
                                    how.protocol_hash,
                                    how.list,
                                    how.list_sha256,
                                    std::to_string(how.images),
                                    tables.figure,
                                    axis,
                                    value,
                                    std::to_string(sample.values.size()),
                                    std::to_string(sample.trials),
                                    std::to_string(sample.stopped_early),
                                    cell(sample.mean),
                                    cell(sample.sd),
                                    base};
  if (difference) {
    cells.push_back(std::to_string(difference->differences.size()));
    for (const double number : {difference->mean, difference->interval.low, difference->interval.high,
                                difference->p, difference->p_holm})
      cells.push_back(cell(number));
  } else {
    cells.resize(cells.size() + 6);
  }
  cells.push_back(paper_text(sample));
  return csv_line(cells);
}

// --- Markdown ------------------------------------------------------------------------------------------------------

std::string markdown_with_title(const TextTable& table) {
  return "### " + markdown_text(table.title) + "\n\n" + markdown_table(table) + "\n";
}

std::string markdown_tables(const Ablation& ablation, const FigureTables& tables) {
  std::string text;
  for (const AxisTable& axis : tables.axes) {
    text += markdown_with_title(axis_rows(ablation, tables, axis));
    if (axis.drawn) text += markdown_text(drawn_text(axis)) + "\n\n";
    for (const AxisRow& row : axis.rows) {
      if (row.difference && !axis.drawn) text += markdown_text(sentence(tables, axis, row)) + "\n\n";
    }
  }
  return text + (tables.variants.empty() ? "" : markdown_with_title(variant_rows(ablation, tables)));
}

// --- JSON ----------------------------------------------------------------------------------------------------------

Json json_of(const Interval& interval) {
  return std::isnan(interval.low) ? Json() : Json{interval.low, interval.high};
}

Json json_of(const FigureSample& sample) {
  Json json = {{"trials", sample.trials},
               {"stopped_early", sample.stopped_early},
               {"n", sample.values.size()},
               {"values", sample.values},
               {"mean", sample.mean},
               {"sd", sample.sd},
               {"interval", json_of(sample.interval)}};
  if (sample.paper) json["paper"] = *sample.paper;
  return json;
}

Json json_of(const FigureTables& tables, const AxisTable& axis) {
  Json rows = Json::array();
  for (const AxisRow& row : axis.rows) {
    Json json = json_of(row.sample);
    json["value"] = row.value;
    if (row.difference) {
      const MatchedDifference& difference = *row.difference;
      json["difference"] = {{"pairs", difference.differences.size()},
                            {"differences", difference.differences},
                            {"mean", difference.mean},
                            {"interval", json_of(difference.interval)},
                            {"p", difference.p},
                            {"p_holm", difference.p_holm},
                            {"sentence", sentence(tables, axis, row)}};
    }
    rows.push_back(json);
  }
  return {{"axis", axis.axis}, {"base", axis.base}, {"drawn", axis.drawn}, {"values", rows}};
}

Json json_of(const Ablation& ablation, const FigureTables& tables) {
  Json axes = Json::array(), variants = Json::array();
  for (const AxisTable& axis : tables.axes) axes.push_back(json_of(tables, axis));
  for (const VariantRow& row : tables.variants) {
    variants.push_back(json_of(row.sample));
    variants.back()["variant"] = row.label;
  }
  const TrialFigures& how = ablation.measurements[tables.measurement].how;
  const AblationTrial& best = ablation.trials[tables.best];
  return {{"source", how.validation ? "validation" : "evaluation"},
          {"averaged_weights", how.averaged},
          {"protocol", how.protocol},
          {"protocol_hash", how.protocol_hash.empty() ? Json() : Json(how.protocol_hash)},
          {"list", how.list},
          {"list_sha256", how.list_sha256},
          {"n", how.images},
          {"figure", tables.figure},
          {"title", tables.title},
          {"comparisons", tables.comparisons},
          {"axes", axes},
          {"variants", variants},
          {"best",
           {{"trial", best.id},
            {"label", ablation.label(tables.best)},
            {"folder", best.folder},
            {"value", tables.best_value}}}};
}

Json json_of(const Ablation& ablation, std::size_t i) {
  const AblationTrial& trial = ablation.trials[i];
  Json settings = Json::object();
  for (std::size_t a = 0; a < ablation.axes.size(); ++a) {
    if (!trial.values[a].empty() && trial.unnamed.count(a) == 0) settings[ablation.axes[a]] = trial.values[a];
  }
  Json json = {{"id", trial.id},          {"settings", settings},   {"state", trial.state},
               {"folder", trial.folder},  {"epochs", trial.epochs}, {"best_epoch", trial.best_epoch},
               {"seconds", trial.seconds}};
  if (!trial.error.empty()) json["error"] = trial.error;
  return json;
}

}  // namespace

// --- Parts ---------------------------------------------------------------------------------------------------------

std::string mean_text(const FigureSample& sample) {
  const std::string spread = std::isnan(sample.sd) ? "" : " \xC2\xB1 " + number_text(sample.sd, 2);
  return number_text(sample.mean, 2) + spread;
}

std::string count_text(const FigureSample& sample) {
  const std::string n = std::to_string(sample.values.size());
  return sample.values.size() == sample.trials ? n : n + " of " + std::to_string(sample.trials);
}

std::string difference_text(const MatchedDifference& difference) {
  const std::string size = signed_text(difference.mean, 2);
  const std::size_t n = difference.differences.size();
  if (n == 0) return "-";
  return size + (std::isnan(difference.interval.low) ? fmt::format(" (n = {})", n)
                                                     : " " + interval_text(difference.interval, 2));
}

TextTable axis_rows(const Ablation& ablation, const FigureTables& tables, const AxisTable& axis) {
  TextTable table;
  table.title =
      fmt::format("{} by {}: {}", tables.title, axis.axis, ablation.measurements[tables.measurement].text());
  const bool paper = has_paper(axis.rows);
  table.rows = {{axis.axis, "n", "mean \xC2\xB1 sd"}};
  if (!axis.drawn)
    table.rows[0].insert(table.rows[0].end(),
                         {"to " + shown_value(axis.base) + ", " + percent_text(kConfidence) + " interval",
                          "pairs", "p", "p Holm"});
  if (paper) table.rows[0].emplace_back("paper");
  for (const AxisRow& row : axis.rows) {
    table.rows.push_back({shown_value(row.value), count_text(row.sample), mean_text(row.sample)});
    if (!axis.drawn && row.difference) {
      const MatchedDifference& difference = *row.difference;
      table.rows.back().insert(table.rows.back().end(),
                               {difference_text(difference), std::to_string(difference.differences.size()),
                                p_value_text(difference.p), p_value_text(difference.p_holm)});
    } else if (!axis.drawn) {
      table.rows.back().resize(7);
    }
    if (paper) table.rows.back().push_back(paper_text(row.sample));
  }
  return table;
}

TextTable variant_rows(const Ablation& ablation, const FigureTables& tables) {
  TextTable table;
  table.title =
      fmt::format("{} of all variants: {}", tables.title, ablation.measurements[tables.measurement].text());
  const bool paper = has_paper(tables.variants);
  const bool repeated = std::any_of(tables.variants.begin(), tables.variants.end(),
                                    [](const auto& row) { return !std::isnan(row.sample.interval.low); });
  table.rows = {{"variant", "n", "mean \xC2\xB1 sd"}};
  if (repeated) table.rows[0].push_back("mean, " + percent_text(kConfidence) + " interval");
  if (paper) table.rows[0].emplace_back("paper");
  for (const VariantRow& row : tables.variants) {
    table.rows.push_back({row.label, count_text(row.sample), mean_text(row.sample)});
    if (repeated) table.rows.back().push_back(interval_text(row.sample.interval, 2));
    if (paper) table.rows.back().push_back(paper_text(row.sample));
  }
  return table;
}

std::string best_text(const Ablation& ablation, const FigureTables& tables) {
  const AblationTrial& trial = ablation.trials[tables.best];
  // Averaged weights have a best epoch of their own, which a trial does not hold.
  const bool averaged = ablation.measurements[tables.measurement].how.averaged;
  const std::string epoch =
      averaged ? "" : fmt::format(", best epoch {} of {}", trial.best_epoch, trial.epochs);
  return fmt::format("Best {}: {} in trial {} ({}){}, {}", tables.title, number_text(tables.best_value, 2),
                     trial.id, ablation.label(tables.best), epoch, trial.folder);
}

std::string drawn_text(const AxisTable& axis) {
  return fmt::format("The {} values of {} occur once each, so no two trials differ in it alone.",
                     axis.rows.size(), axis.axis);
}

std::string stopped_early_text(const Ablation& ablation) {
  const auto states = ablation.states();
  const auto stopped = states.find(kStoppedEarly);
  if (stopped == states.end()) return "";
  return fmt::format(
      "{} of {} trials {} stopped early: means, differences and p are over those that were not, whose "
      "figures at an early epoch were the better ones, and are biased by that choice.",
      stopped->second, ablation.trials.size(), stopped->second == 1 ? "was" : "were");
}

std::string progress_text(const Ablation& ablation) {
  auto states = ablation.states();
  const std::size_t finished = states[kFinished];
  states.erase(kFinished);
  std::string rest;
  for (const auto& [state, count] : states)
    rest += fmt::format("{}{} {}", rest.empty() ? "; " : ", ", count, state);
  return fmt::format("{} of {} trials are finished{}.", finished, ablation.trials.size(), rest);
}

std::vector<std::string> ablation_notes(const Ablation& ablation, const std::vector<FigureTables>& tables) {
  std::vector<std::string> notes;
  const std::string stopped = stopped_early_text(ablation);
  if (!stopped.empty()) notes.push_back(stopped);
  for (const Measurement& measurement : ablation.measurements) {
    if (measurement.how.validation)
      notes.push_back(
          fmt::format("The validation's figures are those of the epoch with the best {} on the very list "
                      "that chose it: they "
                      "are optimistic, the more so the more epochs there were to choose from.",
                      ablation.judged_by));
  }
  const auto chosen_on = std::find_if(ablation.measurements.begin(), ablation.measurements.end(),
                                      [](const Measurement& m) { return m.how.validation; });
  for (std::size_t m = 0; m < ablation.measurements.size(); ++m) {
    const TrialFigures& how = ablation.measurements[m].how;
    if (chosen_on != ablation.measurements.end() && !how.validation &&
        how.list_sha256 == chosen_on->how.list_sha256) {
      notes.push_back("The same holds for the evaluation by " + ablation.short_name(m) +
                      ", which is on that list, too.");
    }
  }
  if (!tables.empty())
    notes.push_back(fmt::format(
        "Percent unless the figure's name says otherwise. Mean and sd are over all finished trials with the "
        "value, differences over the pairs of trials that are equal on every other axis, seed included: "
        "their "
        "mean, the {} t interval, p of the paired t test, corrected by Holm for all comparisons of a figure "
        "by "
        "one protocol on one list. A variant's interval is that of its mean, t. What other images would give "
        "is not in it.",
        percent_text(kConfidence)));
  if (!tables.empty() && ablation.variant_axes().size() > 1)
    notes.emplace_back(
        "Where there are several axes, pairs of other settings count as further pairs: the interval takes "
        "them for "
        "independent, and a difference that depends on the other axes for chance.");
  const std::string by =
      ablation.paper_protocol.empty() ? "" : ", by the protocol " + ablation.paper_protocol;
  if (!ablation.paper_figures.empty()) notes.push_back("Paper: " + ablation.paper + by + ".");
  return notes;
}

std::string ablation_text(const Ablation& ablation, const std::vector<FigureTables>& tables) {
  std::string text = "sweep " + ablation.name + ": " + progress_text(ablation) + "\n";
  const std::string stopped = stopped_early_text(ablation);
  if (!stopped.empty()) text += stopped + "\n";
  std::vector<std::string> others;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (i > 0 && tables[i].measurement == tables[i - 1].measurement) {
      if (std::find(others.begin(), others.end(), tables[i].figure) == others.end())
        others.push_back(tables[i].figure);
      continue;
    }
    text += "\n" + tables[i].title + ", " + ablation.measurements[tables[i].measurement].text() + "\n";
    for (const AxisTable& axis : tables[i].axes) {
      const TextTable table = axis_rows(ablation, tables[i], axis);
      text += "\n" + aligned_table(table.rows, table.left);
      if (axis.drawn) text += drawn_text(axis) + "\n";
      for (const AxisRow& row : axis.rows) {
        if (row.difference && !axis.drawn) text += sentence(tables[i], axis, row) + "\n";
      }
    }
    if (tables[i].axes.empty() && !tables[i].variants.empty()) {
      const TextTable table = variant_rows(ablation, tables[i]);
      text += "\n" + aligned_table(table.rows, table.left);
    }
    text += best_text(ablation, tables[i]) + "\n";
  }
  for (const AblationTrial& trial : ablation.trials) {
    if (!trial.error.empty()) text += "\nfailed: " + trial.id + ": " + trial.error;
  }
  if (text.back() != '\n') text += "\n";
  if (!others.empty()) text += fmt::format("\nreport.html has the same of {}\n", fmt::join(others, ", "));
  return text;
}

std::string ablation_csv(const Ablation& ablation, const std::vector<FigureTables>& tables) {
  std::string text =
      csv_line({"source",        "weights", "protocol", "protocol_hash", "list",  "list_sha256",
                "images",        "figure",  "axis",     "value",         "n",     "trials",
                "stopped_early", "mean",    "sd",       "base",          "pairs", "difference",
                "low",           "high",    "p",        "p_holm",        "paper"});
  for (const FigureTables& figure : tables) {
    for (const AxisTable& axis : figure.axes) {
      for (const AxisRow& row : axis.rows)
        text += sample_line(ablation, figure, axis.axis, row.value, row.sample, axis.base, row.difference);
    }
    for (const VariantRow& row : figure.variants)
      text += sample_line(ablation, figure, "variant", row.label, row.sample, "", std::nullopt);
  }
  return text;
}

std::string ablation_markdown(const Ablation& ablation, const std::vector<FigureTables>& tables) {
  std::string text = "# Sweep " + markdown_text(ablation.name) + "\n\n" + progress_text(ablation) + "\n";
  for (const FigureTables& figure : tables) {
    text += "\n## " + markdown_text(figure.title) + ", " +
            markdown_text(ablation.measurements[figure.measurement].text()) + "\n\n" +
            markdown_tables(ablation, figure) + markdown_text(best_text(ablation, figure)) + "\n";
  }
  for (const auto& note : ablation_notes(ablation, tables)) text += "\n" + markdown_text(note) + "\n";
  return text;
}

std::string ablation_tex(const Ablation& ablation, const std::vector<FigureTables>& tables) {
  std::string text = "% \\usepackage{booktabs}\n";
  const std::string stopped = stopped_early_text(ablation);
  for (const auto& note : ablation_notes(ablation, tables)) text += "% " + tex_text(note) + "\n";
  for (const FigureTables& figure : tables) {
    const auto with_caption = [&](TextTable table, const auto& rows, bool compared) {
      table.title += ".";
      if (compared && figure.comparisons > 0)
        table.title += fmt::format(
            " Differences over pairs of trials that are equal in all else; paired t tests, Holm-corrected "
            "for {} "
            "comparison{}.",
            figure.comparisons, figure.comparisons == 1 ? "" : "s");
      if (has_paper(rows)) table.title += " Paper: " + ablation.paper + ".";
      if (!stopped.empty()) table.title += " " + stopped;
      return "\n" + tex_table(table);
    };
    for (const AxisTable& axis : figure.axes)
      text += with_caption(axis_rows(ablation, figure, axis), axis.rows, !axis.drawn);
    if (!figure.variants.empty())
      text += with_caption(variant_rows(ablation, figure), figure.variants, false);
  }
  return text;
}

std::string ablation_json(const Ablation& ablation, const std::vector<FigureTables>& tables) {
  Json trials = Json::array(), figures = Json::array();
  for (std::size_t i = 0; i < ablation.trials.size(); ++i) trials.push_back(json_of(ablation, i));
  for (const FigureTables& figure : tables) figures.push_back(json_of(ablation, figure));
  const Json json = {{"sweep", ablation.name},
                     {"axes", ablation.axes},
                     {"states", ablation.states()},
                     {"judged_by", ablation.judged_by},
                     {"paper", ablation.paper.empty() ? Json() : Json(ablation.paper)},
                     {"notes", ablation_notes(ablation, tables)},
                     {"figures", figures},
                     {"trials", trials}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace portraitseg
