#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"
#include "portraitseg/report/ablation_files.h"
#include "portraitseg/report/chart.h"
#include "portraitseg/report/plot.h"

#include "report/ablation_plots.h"
#include "report/ablation_rows.h"
#include "report/figure_text.h"
#include "report/page_head.h"
#include "report/page_style.h"

namespace portraitseg {
namespace {

constexpr const char* kGenerator = "<meta name=\"generator\" content=\"portraitseg sweep report\">";
constexpr std::size_t kManySentences = 6;
constexpr std::size_t kManyTrials = 8;  // whose curves are drawn one by one
constexpr std::size_t kMostCurves = 12;
constexpr std::size_t kMostRows = 40;  // of a table that shows every value

using Tables = std::vector<FigureTables>;

/// The figures of each measurement, one after the other.
std::vector<std::vector<const FigureTables*>> by_measurement(const Tables& tables) {
  std::vector<std::vector<const FigureTables*>> groups;
  for (const FigureTables& one : tables) {
    if (groups.empty() || groups.back().front()->measurement != one.measurement) groups.emplace_back();
    groups.back().push_back(&one);
  }
  return groups;
}

class Writer {
 public:
  Writer(const Ablation& ablation, const Tables& tables, const std::string& plan)
      : ablation_(ablation), tables_(tables), plan_(plan) {}

  std::string text() const {
    const std::string name = html_text(ablation_.name);
    return kPageHead + std::string(kGenerator) + "\n" + kPageStyle +
           fmt::format("<title>Sweep {0}</title>\n</head>\n<body>\n<h1>Sweep {0}</h1>\n", name) +
           introduction() + measurements() + notes() + differences() + effects() + curves() + trials() +
           plan() + "</body>\n</html>\n";
  }

 private:
  std::string introduction() const {
    std::string html = "<p>" + html_text(progress_text(ablation_)) + "</p>\n";
    for (const AblationTrial& trial : ablation_.trials) {
      if (!trial.error.empty())
        html += "<p class=\"wrap\"><b>Failed:</b> " + html_text(trial.id + ": " + trial.error) + "</p>\n";
    }
    if (tables_.empty()) return html + "<p>Nothing is measured yet, so there is nothing to compare.</p>\n";
    for (const std::string& line : headline()) html += "<p class=\"headline\">" + html_text(line) + "</p>\n";
    return html;
  }

  /// Of the first figure of every measurement; of many comparisons only those that can be told apart.
  std::vector<std::string> headline() const {
    std::vector<std::string> all, distinct;
    std::size_t tested = 0;
    const auto groups = by_measurement(tables_);
    for (const auto& group : groups) {
      const FigureTables& first = *group.front();
      const std::string where = groups.size() < 2 ? "" : ablation_.short_name(first.measurement) + ": ";
      for (const AxisTable& axis : first.axes) {
        for (const AxisRow& row : axis.rows) {
          if (!row.difference || axis.drawn) continue;
          all.push_back(where + sentence(first, axis, row));
          if (!std::isnan(row.difference->p)) ++tested;
          if (is_distinguishable(*row.difference)) distinct.push_back(all.back());
        }
      }
    }
    if (all.size() <= kManySentences) return all;
    if (tested == 0) return {"No difference has two pairs that vary, so none can be tested."};
    if (distinct.empty()) return {fmt::format("None of {} tested differences can be told from 0.", tested)};
    if (distinct.size() <= kManySentences) return distinct;
    const std::size_t more = distinct.size() - kManySentences;
    distinct.resize(kManySentences);
    distinct.push_back(fmt::format("And {} more, see the tables.", more));
    return distinct;
  }

  // --- Tables ------------------------------------------------------------------------------------------------------

  std::string measurements() const {
    std::string html;
    for (const auto& group : by_measurement(tables_)) {
      const Measurement& measurement = ablation_.measurements[group.front()->measurement];
      const TrialFigures& how = measurement.how;
      html +=
          "<h2>" +
          html_text(how.validation ? "Validation by " + how.protocol
                                   : "Evaluation by " + ablation_.short_name(group.front()->measurement)) +
          "</h2>\n<p class=\"quiet\">" + html_text(measurement.text()) + "</p>\n";
      for (std::size_t a = 0; a < group.front()->axes.size(); ++a) html += axis_section(group, a);
      html += variants_section(group);
      for (const FigureTables* one : group)
        html += "<p class=\"wrap" + std::string(one == group.front() ? "" : " quiet") + "\">" +
                html_text(best_text(ablation_, *one)) + ".</p>\n";
    }
    return html;
  }

  static std::string head_cell(const std::string& text, bool figure = true) {
    return std::string("<th scope=\"col\"") + (figure ? " class=\"figure\"" : "") + ">" + html_text(text) +
           "</th>";
  }

  static std::string paper_cell(const FigureSample& sample) {
    return "<td class=\"figure\">" + (sample.paper ? fmt::format("{}", *sample.paper) : std::string("-")) +
           "</td>";
  }

  /// Mean and spread, with their n where the row's is another.
  static std::string mean_cell(const FigureSample& sample, const FigureSample& first) {
    const std::string n = count_text(sample);
    return html_text(mean_text(sample) + (n == count_text(first) ? "" : " (n = " + n + ")"));
  }

  /// Mean and spread, below them what it is to the base.
  static std::string value_cell(const AxisRow& row, const FigureSample& first) {
    std::string mark, below;
    if (row.difference) {
      const MatchedDifference& difference = *row.difference;
      if (is_distinguishable(difference)) mark = difference.mean > 0 ? " \xE2\x96\xB2" : " \xE2\x96\xBC";
      below = difference.differences.empty() ? "no pair" : difference_text(difference);
      if (!std::isnan(difference.p_holm)) {
        const std::string p = p_value_text(difference.p_holm);
        below += "\np Holm " + p;
      }
    } else {
      below = "base";
    }
    std::string lines = html_text(below);
    const auto end = lines.find('\n');
    if (end != std::string::npos) lines.replace(end, 1, "<br>");
    return "<td class=\"figure\">" + mean_cell(row.sample, first) +
           (mark.empty() ? "" : "<b class=\"mark\" title=\"distinguishable\">" + mark + "</b>") + "<small>" +
           lines + "</small></td>";
  }

  std::string axis_section(const std::vector<const FigureTables*>& group, std::size_t a) const {
    const AxisTable& first = group.front()->axes[a];
    std::string html = "<h3>" + html_text(first.axis) + "</h3>\n";
    if (first.drawn) html += "<p>" + html_text(drawn_text(first)) + "</p>\n";
    if (first.rows.size() > kMostRows)
      return html + "<p class=\"quiet\">The table of its values is in tables.csv.</p>\n";
    std::string head = head_cell(first.axis, false) + head_cell("n"), rows;
    std::vector<bool> papers;
    for (const FigureTables* one : group) {
      head += head_cell(one->title);
      papers.push_back(has_paper(one->axes[a].rows));
      if (papers.back()) head += head_cell("the paper's");
    }
    for (std::size_t r = 0; r < first.rows.size(); ++r) {
      rows += "<tr><th scope=\"row\" class=\"wrap\">" + html_text(shown_value(first.rows[r].value)) +
              "</th><td class=\"figure\">" + count_text(first.rows[r].sample) + "</td>";
      for (std::size_t f = 0; f < group.size(); ++f) {
        const AxisRow& row = group[f]->axes[a].rows[r];
        const FigureSample& shown = first.rows[r].sample;
        rows += first.drawn ? "<td class=\"figure\">" + mean_cell(row.sample, shown) + "</td>"
                            : value_cell(row, shown);
        if (papers[f]) rows += paper_cell(row.sample);
      }
      rows += "</tr>\n";
    }
    return html + "<div class=\"scroll\"><table class=\"values\">\n<tr>" + head + "</tr>\n" + rows +
           "</table></div>\n";
  }

  std::string variants_section(const std::vector<const FigureTables*>& group) const {
    const auto& first = group.front()->variants;
    if (first.empty()) return "";
    std::string head, rows;
    for (const auto& axis : ablation_.variant_axes()) head += head_cell(axis, false);
    if (first.front().values.empty()) head += head_cell("variant", false);
    head += head_cell("n");
    std::vector<bool> papers;
    for (const FigureTables* one : group) {
      head += head_cell(one->title);
      papers.push_back(has_paper(one->variants));
      if (papers.back()) head += head_cell("the paper's");
    }
    for (std::size_t r = 0; r < first.size(); ++r) {
      rows += "<tr>";
      for (const auto& value : first[r].values) rows += "<td>" + html_text(shown_value(value)) + "</td>";
      if (first[r].values.empty()) rows += "<td>" + html_text(first[r].label) + "</td>";
      rows += "<td class=\"figure\">" + count_text(first[r].sample) + "</td>";
      for (std::size_t f = 0; f < group.size(); ++f) {
        const FigureSample& sample = group[f]->variants[r].sample;
        const std::string interval = interval_text(sample.interval, 2);
        rows += "<td class=\"figure\">" + mean_cell(sample, first[r].sample) +
                (interval == "-" ? "" : "<small>" + interval + "</small>") + "</td>";
        if (papers[f]) rows += paper_cell(sample);
      }
      rows += "</tr>\n";
    }
    const std::string table =
        "<div class=\"scroll\"><table>\n<tr>" + head + "</tr>\n" + rows + "</table></div>\n";
    if (first.size() <= kMostRows) return "<h3>All variants</h3>\n" + table;
    return fmt::format("<details>\n<summary>All {} variants</summary>\n", first.size()) + table +
           "</details>\n";
  }

  std::string notes() const {
    std::string html;
    for (const auto& note : ablation_notes(ablation_, tables_))
      html += "<p class=\"quiet\">" + html_text(note) + "</p>\n";
    if (!tables_.empty())
      html +=
          "<p class=\"quiet\">&#9650; &#9660; higher and lower than the base, distinguishably "
          "(Holm-corrected p &le; 0.05). Below the mean of a variant its t interval.</p>\n";
    return html;
  }

  // --- Drawings ----------------------------------------------------------------------------------------------------

  std::string differences() const {
    std::string plots;
    for (const FigureTables& one : tables_) {
      ForestPlot plot{one.title,
                      "difference to the base, " + ablation_.short_name(one.measurement),
                      {},
                      true,
                      "lower than the base",
                      "higher than the base"};
      for (std::size_t a = 0; a < one.axes.size(); ++a) {
        const AxisTable& axis = one.axes[a];
        for (const AxisRow& row : axis.rows) {
          if (!row.difference || axis.drawn || row.difference->differences.empty()) continue;
          const MatchedDifference& difference = *row.difference;
          plot.rows.push_back(
              {fmt::format("{}: {} \xE2\x88\x92 {} (n = {})", axis.axis, shown_value(row.value),
                           shown_value(axis.base), difference.differences.size()),
               difference.mean, difference.interval, is_distinguishable(difference), a});
        }
      }
      if (!plot.rows.empty() && plot.rows.size() <= kMostRows) plots += forest_html(plot);
    }
    if (plots.empty()) return "";
    return "<h2>By how much</h2>\n<div class=\"grid2\">\n" + plots +
           "</div>\n<p class=\"quiet\">Bars: paired t intervals; a single pair has none. A filled circle can "
           "be "
           "told apart from 0 (Holm-corrected p &le; 0.05), an empty one cannot.</p>\n";
  }

  std::string effects() const {
    if (tables_.empty()) return "";
    const FigureTables& first = tables_.front();  // the others are in the tables
    std::string plots, lines;
    for (const AxisTable& axis : first.axes) plots += effect_html(ablation_, first, axis);
    const auto axes = ablation_.variant_axes();
    const bool numeric =
        std::any_of(axes.begin(), axes.end(), [&](const auto& axis) { return is_numeric(ablation_, axis); });
    if (axes.size() > 1 || numeric) lines = parallel_html(ablation_, first);
    if (plots.empty() && lines.empty()) return "";
    const std::string note =
        lines.empty() ? "" : " Where every trial is a line, the stronger its colour the better it is.";
    return "<h2>Settings and " + html_text(first.title) + "</h2>\n<div class=\"grid2\">\n" + plots + lines +
           "</div>\n<p class=\"quiet\">Points are trials, the line joins the means." + note + "</p>\n";
  }

  /// The validation's figure of the trials by epoch.
  std::string curves() const {
    const std::string& figure = ablation_.judged_by;
    std::vector<std::size_t> with;
    for (std::size_t i = 0; i < ablation_.trials.size(); ++i) {
      const auto found = ablation_.trials[i].curves.find(figure);
      if (found != ablation_.trials[i].curves.end() && !found->second.empty()) with.push_back(i);
    }
    if (with.empty()) return "";
    Chart chart;
    chart.title = "Validation: " + figure + ", percent";
    chart.x_title = "epoch";
    std::string note;
    if (with.size() <= kManyTrials) {
      for (const std::size_t i : with)
        chart.curves.push_back({ablation_.label(i), ablation_.trials[i].curves.at(figure)});
    } else {
      chart.curves = mean_curves(with);
      note = "Each line is the mean of a variant's trials, as far as all of them have come.";
    }
    if (chart.curves.size() > kMostCurves) {
      std::stable_sort(chart.curves.begin(), chart.curves.end(),
                       [](const Curve& a, const Curve& b) { return highest(a) > highest(b); });
      note += fmt::format(" Shown are the {} of {} that came highest.", kMostCurves, chart.curves.size());
      chart.curves.resize(kMostCurves);
    }
    return "<h2>Training</h2>\n<div class=\"single\">\n" + chart_html(chart) + "</div>\n<p class=\"quiet\">" +
           html_text(note) + "</p>\n";
  }

  static double highest(const Curve& curve) {
    double top = -std::numeric_limits<double>::infinity();
    for (const double value : curve.values) top = std::isnan(value) ? top : std::max(top, value);
    return top;
  }

  std::vector<Curve> mean_curves(const std::vector<std::size_t>& trials) const {
    std::vector<std::string> labels;
    std::map<std::string, std::vector<const std::vector<double>*>> groups;
    for (const std::size_t i : trials) {
      const std::string label = ablation_.label(i, false);
      if (groups.count(label) == 0) labels.push_back(label);
      groups[label].push_back(&ablation_.trials[i].curves.at(ablation_.judged_by));
    }
    std::vector<Curve> curves;
    for (const auto& label : labels) {
      const auto& group = groups.at(label);
      std::size_t shortest = group.front()->size();
      for (const auto* values : group) shortest = std::min(shortest, values->size());
      Curve curve{label, std::vector<double>(shortest, 0.0)};
      for (const auto* values : group) {
        for (std::size_t e = 0; e < shortest; ++e)
          curve.values[e] += (*values)[e] / static_cast<double>(group.size());
      }
      curves.push_back(std::move(curve));
    }
    return curves;
  }

  // --- Trials ------------------------------------------------------------------------------------------------------

  std::string trials() const {
    std::string head = head_cell("trial", false), rows;
    for (const auto& axis : ablation_.axes) head += head_cell(axis, false);
    head += head_cell("state", false);
    const bool measured = !tables_.empty();
    if (measured) head += head_cell(tables_.front().title);
    head += head_cell("epochs") + head_cell("best") + head_cell("hours") + head_cell("folder", false);
    for (std::size_t i = 0; i < ablation_.trials.size(); ++i) {
      const AblationTrial& trial = ablation_.trials[i];
      rows += "<tr><th scope=\"row\">" + html_text(trial.id) + "</th>";
      for (const auto& value : trial.values)
        rows += "<td class=\"wrap\">" + html_text(shown_value(value)) + "</td>";
      rows += "<td>" + html_text(trial.state) + "</td>";
      if (measured) {
        const auto value = ablation_.value(tables_.front().measurement, i, tables_.front().figure);
        rows += "<td class=\"figure\">" + (value ? number_text(*value, 2) : std::string("-")) + "</td>";
      }
      const auto count = [](std::int64_t number) {
        return "<td class=\"figure\">" + (number > 0 ? std::to_string(number) : std::string("-")) + "</td>";
      };
      rows += count(trial.epochs) + count(trial.best_epoch) + "<td class=\"figure\">" +
              (trial.seconds > 0 ? number_text(trial.seconds / 3600, 2) : std::string("-")) +
              "</td><td class=\"path\">" + html_text(trial.folder) + "</td></tr>\n";
    }
    return "<h2>Trials</h2>\n<div class=\"scroll\"><table>\n<tr>" + head + "</tr>\n" + rows +
           "</table></div>\n";
  }

  std::string plan() const {
    std::string axes;
    for (const auto& axis : ablation_.axes) {
      std::string values;
      for (const auto& value : ablation_.values(axis))
        values += (values.empty() ? "" : ", ") + shown_value(value);
      axes += "<tr><th scope=\"row\">" + html_text(axis) + "</th><td class=\"card\">" + html_text(values) +
              "</td></tr>\n";
    }
    return "<h2>Plan</h2>\n<div class=\"scroll\"><table>\n" + axes +
           "</table></div>\n<details>\n<summary>sweep.yaml</summary>\n<pre>" + html_text(plan_) +
           "</pre>\n</details>\n";
  }

  const Ablation& ablation_;
  const Tables& tables_;
  const std::string& plan_;
};

}  // namespace

std::string ablation_page(const Ablation& ablation, const std::vector<FigureTables>& tables,
                          const std::string& plan) {
  return Writer(ablation, tables, plan).text();
}

bool is_ablation_page(const std::string& text) {
  return is_page_of(text, kGenerator);
}

}  // namespace portraitseg
