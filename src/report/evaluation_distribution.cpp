#include <algorithm>
#include <cmath>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"
#include "portraitseg/report/plot.h"

#include "report/evaluation_sections.h"
#include "report/figure_text.h"

namespace portraitseg {
namespace {

constexpr std::size_t kNamed = 10;   // images in the table of the lowest
constexpr std::size_t kTips = 3000;  // points of a scatter plot with tooltips
constexpr double kSeldom = 0.01;     // share of images that an axis may leave out
constexpr std::size_t kBeside = 4;   // points with their names beside them

std::vector<double> known(const std::vector<double>& values) {
  std::vector<double> result;
  std::copy_if(values.begin(), values.end(), std::back_inserter(result),
               [](double v) { return !std::isnan(v); });
  return result;
}

/// From the lowest value, but for a few far below the others, to the highest.
PlotAxis axis_of(const std::string& title, const std::vector<const std::vector<double>*>& columns,
                 double seldom) {
  std::vector<double> all;
  for (const auto* column : columns) {
    const std::vector<double> values = known(*column);
    all.insert(all.end(), values.begin(), values.end());
  }
  PlotAxis axis{title, 0, 1};
  if (all.empty()) return axis;
  axis.low = std::floor(quantile(all, seldom));
  axis.high = std::max(axis.low + 1, std::ceil(*std::max_element(all.begin(), all.end())));
  return axis;
}

/// Share of the images at or below each value, as steps.
PlotSeries shares_below(const std::string& name, std::vector<double> values, const PlotAxis& axis) {
  std::sort(values.begin(), values.end());
  PlotSeries series{name, {{axis.low, 0}}, {}};
  const double percent = 100.0 / static_cast<double>(std::max<std::size_t>(values.size(), 1));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = std::max(values[i], axis.low);
    series.points.emplace_back(x, percent * static_cast<double>(i));
    series.points.emplace_back(x, percent * static_cast<double>(i + 1));
  }
  series.points.emplace_back(axis.high, values.empty() ? 0 : 100);
  return series;
}

std::string distribution_plot(const EvaluationPage& page, const std::string& figure,
                              const std::string& title) {
  std::vector<const std::vector<double>*> columns;
  for (const EvaluationResult& result : page.results) columns.push_back(&result.numbers.at(figure));
  Plot plot;
  plot.title = "Images at or below a value";
  plot.x = axis_of(title + ", of an image", columns, kSeldom);
  plot.y = {"percent of the images", 0, 100};
  for (std::size_t r = 0; r < page.results.size(); ++r)
    plot.series.push_back(shares_below(page.names[r], known(*columns[r]), plot.x));
  return plot_html(plot);
}

/// The images furthest from the diagonal.
std::vector<std::size_t> furthest_apart(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<std::size_t> order(a.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto distance = [&](std::size_t i) {
    const double d = std::abs(a[i] - b[i]);
    return std::isnan(d) ? -1 : d;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t k) { return distance(i) > distance(k); });
  order.resize(std::min(order.size(), kBeside));
  return order;
}

std::string scatter_plot(const EvaluationPage& page, const std::string& figure, const std::string& title) {
  if (page.results.size() != 2) return "";
  const auto &a = page.results[0].numbers.at(figure), &b = page.results[1].numbers.at(figure);
  Plot plot;
  plot.kind = Plot::Kind::kPoints;
  plot.title = fmt::format("{} of each image: {} against {}", title, page.names[1], page.names[0]);
  plot.x = axis_of(page.names[0], {&a, &b}, 0);
  plot.y = {page.names[1], plot.x.low, plot.x.high};
  plot.diagonal = true;
  PlotSeries points;
  for (std::size_t i = 0; i < a.size(); ++i) {
    points.points.emplace_back(a[i], b[i]);
    if (a.size() <= kTips)
      points.tips.push_back(fmt::format("{}: {} {}, {} {}", page.results[0].ids[i], page.names[0],
                                        number_text(a[i], 2), page.names[1], number_text(b[i], 2)));
  }
  for (const std::size_t i : furthest_apart(a, b)) {
    if (!std::isnan(a[i] - b[i])) plot.notes.push_back({page.results[0].ids[i], {a[i], b[i]}});
  }
  plot.series.push_back(points);
  return plot_html(plot);
}

std::string lowest_table(const EvaluationPage& page, const std::string& figure, const std::string& title) {
  std::string head = "<tr><th scope=\"col\">image</th>", rows;
  for (const std::string& name : page.names)
    head += "<th scope=\"col\" class=\"figure\">" + html_text(name) + "</th>";
  for (const std::size_t image : choose_images(quality_by_image(page.results, figure), kNamed).worst) {
    rows += "<tr><th scope=\"row\" class=\"wrap\">" + html_text(page.results[0].ids[image]) + "</th>";
    for (const EvaluationResult& result : page.results)
      rows += "<td class=\"figure\">" + number_text(result.numbers.at(figure)[image], 2) + "</td>";
    rows += "</tr>\n";
  }
  return "<div>\n<h3>Worst images, by the mean of all models</h3>\n<div class=\"scroll\"><table>\n<caption "
         "class=\"quiet\">" +
         html_text(title) + "</caption>\n" + head + "</tr>\n" + rows + "</table></div>\n</div>\n";
}

}  // namespace

std::string distribution_section(const EvaluationPage& page) {
  const std::string& figure = page.figures.front();
  const std::string title = short_title(image_figure(page.results.front(), figure).title);
  return "<h2>Image by image</h2>\n<div class=\"grid2\">\n" + distribution_plot(page, figure, title) +
         scatter_plot(page, figure, title) + lowest_table(page, figure, title) + "</div>\n";
}

}  // namespace portraitseg
