#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"
#include "portraitseg/report/comparison_table.h"
#include "portraitseg/report/plot.h"

#include "report/evaluation_sections.h"
#include "report/figure_text.h"

namespace portraitseg {
namespace {

constexpr std::size_t kManyPairs = 6;

struct MeasuredFigure {
  std::string title;
  double value = 0;
  Interval interval;
};

/// Over the images that have it, resampled as the comparison was.
MeasuredFigure measured(const EvaluationPage& page, std::size_t result, const std::string& name) {
  const ImageFigure figure = image_figure(page.results[result], name);
  Draw images;
  for (std::size_t i = 0; i < figure.rows.size(); ++i) {
    if (!figure.rows[i].empty()) images.push_back(i);
  }
  const auto over = [&](const Draw& draw) {
    Draw drawn;
    for (const std::size_t member : draw) drawn.push_back(images[member]);
    return figure.over(drawn);
  };
  return {figure.title, figure.over(images),
          bootstrap_interval(images.size(), over, page.comparison.resampling)};
}

/// Better than every other result, and each difference distinguishable.
bool is_best(const EvaluationPage& page, const std::string& name, const std::string& figure) {
  std::size_t beaten = 0;
  for (const PairedComparison& pair : page.comparison.pairs) {
    if (pair.figure != figure || !(pair.p_holm <= kSignificant)) continue;
    const bool a_is_better = (pair.difference > 0) != lower_is_better(figure);
    if ((a_is_better ? pair.a : pair.b) == name) ++beaten;
  }
  return page.names.size() > 1 && beaten == page.names.size() - 1;
}

std::string value_cell(const MeasuredFigure& figure, bool best) {
  return fmt::format("<td class=\"figure\"><span{}>{}</span><small>{}</small></td>",
                     best ? " class=\"best\" title=\"best\"" : "", number_text(figure.value, 2),
                     interval_text(figure.interval, 2));
}

// --- Groups --------------------------------------------------------------------------------------------------------

std::string gap_text(const FigureByGroup& table, double confidence) {
  const GroupGap& gap = table.gap;
  if (gap.higher.empty()) return fmt::format("{}: there are no two groups to compare.", table.result);
  return fmt::format("{}: the largest gap is {} {} ({} bootstrap) between \"{}\" and \"{}\"{}.", table.result,
                     number_text(gap.difference, 2), interval_text(gap.interval, 2), percent_text(confidence),
                     gap.higher, gap.lower,
                     std::isnan(gap.p) ? ""
                                       : fmt::format(", p {} {} (groups dealt at random)",
                                                     gap.p < 0.001 ? "" : "=", p_value_text(gap.p)));
}

std::string groups_table(const std::vector<const FigureByGroup*>& tables) {
  std::string html = "<div class=\"scroll\"><table>\n<tr><th scope=\"col\">" + html_text(tables[0]->by) +
                     "</th><th scope=\"col\" class=\"figure\">images</th>";
  for (const auto* table : tables)
    html += "<th scope=\"col\" class=\"figure\">" + html_text(table->result) + "</th>";
  html += "</tr>\n";
  for (std::size_t row = 0; row < tables[0]->groups.size(); ++row) {
    const GroupFigure& first = tables[0]->groups[row];
    html += fmt::format("<tr><th scope=\"row\">{}{}</th><td class=\"figure\">{}</td>", html_text(first.group),
                        first.left_out ? " <small>(not in the gap)</small>" : "", first.images);
    for (const auto* table : tables) {
      if (row >= table->groups.size() || table->groups[row].group != first.group) {
        html += "<td class=\"figure\">-</td>";
        continue;
      }
      html += value_cell({"", table->groups[row].value, table->groups[row].interval}, false);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string groups_plot(const std::vector<const FigureByGroup*>& tables) {
  ForestPlot plot{
      tables[0]->title + " by " + tables[0]->by, short_title(tables[0]->title), {}, false, "", ""};
  for (std::size_t row = 0; row < tables[0]->groups.size(); ++row) {
    for (std::size_t t = 0; t < tables.size(); ++t) {
      if (row >= tables[t]->groups.size()) continue;
      const GroupFigure& group = tables[t]->groups[row];
      plot.rows.push_back({fmt::format("{}: {} (n = {})", group.group, tables[t]->result, group.images),
                           group.value, group.interval, !group.left_out, t});
    }
  }
  return forest_html(plot);
}

}  // namespace

std::vector<std::string> headline(const EvaluationPage& page) {
  std::vector<std::string> sentences;
  const Comparison& all = page.comparison;
  for (const PairedComparison& pair : all.pairs) {
    if (all.pairs.size() <= kManyPairs || pair.figure == page.figures.front())
      sentences.push_back(sentence(pair, all));
  }
  if (!sentences.empty()) return sentences;
  std::string text = page.names.front() + ":";
  for (std::size_t i = 0; i < page.figures.size(); ++i) {
    const MeasuredFigure figure = measured(page, 0, page.figures[i]);
    text += fmt::format("{} {} {} {}", i == 0 ? "" : ",", short_title(figure.title),
                        number_text(figure.value, 2), interval_text(figure.interval, 2));
  }
  return {text +
          fmt::format(" on {} images ({} bootstrap).", all.images, percent_text(all.resampling.confidence))};
}

std::string figures_section(const EvaluationPage& page) {
  const auto count = page.names.size();
  std::string head = "<tr><th scope=\"col\">model</th>", rows;
  bool any_best = false;
  for (std::size_t r = 0; r < count; ++r) {
    rows += "<tr><th scope=\"row\" class=\"wrap\">" + html_text(page.names[r]) + "</th>";
    for (const std::string& name : page.figures) {
      const MeasuredFigure figure = measured(page, r, name);
      const bool best = is_best(page, page.names[r], name);
      any_best = any_best || best;
      rows += value_cell(figure, best);
      if (r == 0)
        head += "<th scope=\"col\" class=\"figure\">" + html_text(short_title(figure.title)) + "</th>";
    }
    rows += "</tr>\n";
  }
  const Resampling& how = page.comparison.resampling;
  std::string note = fmt::format(
      "Percent unless the title says otherwise. In brackets: {} bootstrap interval, "
      "the images drawn {} times, seed {}.",
      percent_text(how.confidence), how.resamples, how.seed);
  if (count > 1 && any_best)
    note += " &#9733; better than every other, distinguishably (Holm-corrected p &le; 0.05).";
  if (count > 1 && !any_best)
    note += " None is marked as best: none can be told apart from all others on these images.";
  return "<h2>Which one is better</h2>\n<div class=\"scroll\"><table>\n" + head + "</tr>\n" + rows +
         "</table></div>\n<p class=\"quiet\">" + note +
         " What another training of the same network would give is not in it.</p>\n";
}

std::string differences_section(const EvaluationPage& page) {
  if (page.comparison.pairs.empty()) return "";
  std::string rows, plots;
  for (const std::string& figure : page.figures) {
    ForestPlot plot{"", "difference over the same images", {}, true, "", ""};
    for (const PairedComparison& pair : page.comparison.pairs) {
      if (pair.figure != figure) continue;
      const bool distinct = pair.p_holm <= kSignificant;
      plot.title = short_title(pair.title) + ": paired differences";
      plot.rows.push_back({pair.a + " \xE2\x88\x92 " + pair.b, pair.difference, pair.interval, distinct, 0});
      if (plot.rows.size() == 1) {
        plot.left = page.names.size() == 2 ? pair.b + " higher" : "second higher";
        plot.right = page.names.size() == 2 ? pair.a + " higher" : "first higher";
      }
      rows += fmt::format(
          "<tr><th scope=\"row\" class=\"wrap\">{} &minus; {}</th><td>{}</td><td "
          "class=\"figure\">{}<small>{}</small></td><td class=\"figure\">{}</td><td "
          "class=\"figure\">{}</td><td "
          "class=\"figure\">{}</td><td class=\"figure\">{}</td></tr>\n",
          html_text(pair.a), html_text(pair.b), html_text(short_title(pair.title)),
          signed_text(pair.difference, 2), interval_text(pair.interval, 2),
          std::isnan(pair.wilcoxon) ? "-" : fmt::format("{} / {}", pair.higher, pair.lower),
          html_text(p_value_text(pair.p)), html_text(p_value_text(pair.p_holm)),
          html_text(p_value_text(pair.wilcoxon)));
    }
    plots += forest_html(plot);
  }
  return "<h2>By how much</h2>\n<div class=\"grid2\">\n" + plots +
         "</div>\n<p class=\"quiet\">Bars: paired bootstrap intervals. A filled circle can be told apart "
         "from 0 "
         "(Holm-corrected p &le; 0.05), an empty one cannot.</p>\n<div class=\"scroll\"><table>\n<tr><th "
         "scope=\"col\">A &minus; B</th><th scope=\"col\">figure</th><th scope=\"col\" "
         "class=\"figure\">difference</th><th scope=\"col\" class=\"figure\">images A<br>higher / "
         "lower</th><th "
         "scope=\"col\" class=\"figure\">p<br>permutation</th><th scope=\"col\" "
         "class=\"figure\">p<br>Holm</th><th "
         "scope=\"col\" class=\"figure\">p<br>Wilcoxon</th></tr>\n" +
         rows + "</table></div>\n";
}

std::string groups_section(const EvaluationPage& page) {
  std::string html;
  for (const std::string& figure : page.figures) {
    std::vector<const FigureByGroup*> tables;
    for (const FigureByGroup& table : page.groups) {
      if (table.figure == figure) tables.push_back(&table);
    }
    if (tables.empty()) continue;
    html += "<h3>" + html_text(short_title(tables[0]->title)) + "</h3>\n<div class=\"grid2\">\n<div>\n" +
            groups_table(tables);
    for (const auto* table : tables)
      html += "<p>" + html_text(gap_text(*table, page.comparison.resampling.confidence)) + "</p>\n";
    html += "</div>\n" + groups_plot(tables) + "</div>\n";
  }
  if (html.empty()) return "";
  return "<h2>By " + html_text(page.groups.front().by) + "</h2>\n" + html +
         "<p class=\"quiet\">In brackets and as bars: bootstrap intervals over each group's images. Groups "
         "that are "
         "too small (under 20 images unless told) or have no value are not in the gap; their circles are "
         "empty.</p>\n";
}

std::string all_figures_section(const EvaluationPage& page) {
  std::string head = "<tr><th scope=\"col\">figure</th>", rows;
  for (const std::string& name : page.names)
    head += "<th scope=\"col\" class=\"figure\">" + html_text(name) + "</th>";
  for (const auto& [name, unused] : page.results.front().figures) {
    rows += "<tr><th scope=\"row\">" + html_text(name) + "</th>";
    for (const EvaluationResult& result : page.results) {
      const std::string& wanted = name;
      const auto found = std::find_if(result.figures.begin(), result.figures.end(),
                                      [&](const auto& figure) { return figure.first == wanted; });
      rows += "<td class=\"figure\">" +
              (found == result.figures.end() ? "-" : number_text(found->second, 3)) + "</td>";
    }
    rows += "</tr>\n";
  }
  const std::string scope =
      page.comparison.warnings.empty() ? "" : "<p class=\"quiet\">Each over its own list, as measured.</p>\n";
  return "<h2>All figures</h2>\n" + scope + "<div class=\"scroll\"><table>\n" + head + "</tr>\n" + rows +
         "</table></div>\n";
}

}  // namespace portraitseg
