#include "portraitseg/report/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"
#include "portraitseg/report/chart.h"

namespace portraitseg {
namespace {

// px of the drawing, which the page scales
constexpr double kWidth = 400, kHeight = 280, kLeft = 50, kRight = 12, kTop = 14, kBottom = 40;
constexpr double kRowHeight = 40, kForestTop = 8, kForestSide = 16;
constexpr std::size_t kColors = 8;
constexpr std::array<const char*, 4> kDashes = {"", "7 4", "2 4", "9 4 2 4"};

std::string stroke(std::size_t series) {
  const std::string dashes = kDashes[series % kDashes.size()];
  return fmt::format("stroke:var(--curve-{}){}", series % kColors,
                     dashes.empty() ? "" : ";stroke-dasharray:" + dashes);
}

/// From values to px.
struct Frame {
  PlotAxis x_axis, y_axis;

  double x(double value) const {
    return kLeft + (kWidth - kLeft - kRight) * (value - x_axis.low) / (x_axis.high - x_axis.low);
  }
  double y(double value) const {
    return kTop + (kHeight - kTop - kBottom) * (y_axis.high - value) / (y_axis.high - y_axis.low);
  }
};

std::string axes(const Frame& frame) {
  std::string svg;
  for (const double value : ticks(frame.y_axis.low, frame.y_axis.high, 6)) {
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft,
                       kWidth - kRight, frame.y(value), frame.y(value));
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.6g}</text>\n", kLeft - 6,
                       frame.y(value) + 4, value);
  }
  for (const double value : ticks(frame.x_axis.low, frame.x_axis.high, 7))
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.6g}</text>\n", frame.x(value),
                       kHeight - kBottom + 16, value);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 6, html_text(frame.x_axis.title));
  if (!frame.y_axis.title.empty()) {
    const double middle = (kTop + kHeight - kBottom) / 2;
    svg += fmt::format(
        "<text x=\"12\" y=\"{0}\" text-anchor=\"middle\" transform=\"rotate(-90 12 {0})\">{1}"
        "</text>\n",
        middle, html_text(frame.y_axis.title));
  }
  return svg + fmt::format("<path class=\"axis\" d=\"M{} {}V{}H{}\"/>\n", kLeft, kTop, kHeight - kBottom,
                           kWidth - kRight);
}

std::string line_svg(const PlotSeries& series, const Frame& frame, std::size_t color) {
  std::string path;
  bool drawing = false;
  for (const auto& [x, y] : series.points) {
    const bool finite = std::isfinite(x) && std::isfinite(y);
    if (finite) path += fmt::format("{}{:.1f} {:.1f}", drawing ? "L" : "M", frame.x(x), frame.y(y));
    if (finite && !drawing) path += "h0";  // a value that stands alone is seen
    drawing = finite;
  }
  return fmt::format("<path class=\"curve\" style=\"{}\" d=\"{}\"/>\n", stroke(color), path);
}

std::string tip(const PlotSeries& series, std::size_t point) {
  return point < series.tips.size() ? "<title>" + html_text(series.tips[point]) + "</title>" : "";
}

std::string points_svg(const PlotSeries& series, const Frame& frame, std::size_t color) {
  std::string svg;
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const auto& [x, y] = series.points[i];
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    svg += fmt::format(
        "<circle class=\"point\" style=\"fill:var(--curve-{})\" cx=\"{:.1f}\" cy=\"{:.1f}\" "
        "r=\"3\">{}</circle>\n",
        color % kColors, frame.x(x), frame.y(y), tip(series, i));
  }
  return svg;
}

std::string notes(const Plot& plot, const Frame& frame) {
  std::string svg;
  for (const auto& [text, place] : plot.notes) {
    const double x = frame.x(place.first);
    const bool right_half = x > kWidth / 2;
    svg += fmt::format("<text class=\"note\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                       x + (right_half ? -6 : 6), frame.y(place.second) + 4, right_half ? "end" : "start",
                       html_text(text));
  }
  return svg;
}

std::string guides(const Plot& plot, const Frame& frame) {
  std::string svg;
  if (plot.zero)
    svg += fmt::format("<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>\n",
                       frame.x(0), kTop, kHeight - kBottom);
  if (plot.diagonal) {
    const double low = std::max(plot.x.low, plot.y.low), high = std::min(plot.x.high, plot.y.high);
    svg += fmt::format("<line class=\"mark\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                       frame.x(low), frame.y(low), frame.x(high), frame.y(high));
  }
  return svg;
}

std::string legend(const Plot& plot) {
  std::string html;
  if (plot.kind == Plot::Kind::kPoints) return html;
  for (std::size_t i = 0; i < plot.series.size(); ++i)
    html += fmt::format(
        "<span><svg class=\"sample\" viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path "
        "class=\"curve\" style=\"{}\" d=\"M0 4H28\"/></svg>{}</span>\n",
        stroke(i), html_text(plot.series[i].name));
  return html;
}

// --- Forest --------------------------------------------------------------------------------------------------------

/// Of the rows' values and intervals, with a margin.
PlotAxis axis_of(const ForestPlot& plot) {
  PlotAxis axis{plot.x_title, std::numeric_limits<double>::infinity(),
                -std::numeric_limits<double>::infinity()};
  const auto reach = [&](double value) {
    if (!std::isfinite(value)) return;
    axis.low = std::min(axis.low, value);
    axis.high = std::max(axis.high, value);
  };
  if (plot.zero) reach(0);
  for (const ForestRow& row : plot.rows) {
    for (const double value : {row.value, row.interval.low, row.interval.high}) reach(value);
  }
  if (axis.low > axis.high) axis.low = 0, axis.high = 1;  // no value at all
  const double margin = axis.high > axis.low ? 0.08 * (axis.high - axis.low) : 0.5;
  axis.low -= margin;
  axis.high += margin;
  return axis;
}

}  // namespace

std::string plot_html(const Plot& plot) {
  const Frame frame{plot.x, plot.y};
  std::string series;
  for (std::size_t i = 0; i < plot.series.size(); ++i)
    series += (plot.kind == Plot::Kind::kLines ? line_svg : points_svg)(plot.series[i], frame, i);
  const std::string title = html_text(plot.title);
  return fmt::format("<figure class=\"chart\">\n<figcaption><b>{}</b>\n{}</figcaption>\n", title,
                     legend(plot)) +
         fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight, title) +
         axes(frame) + guides(plot, frame) +
         fmt::format("<svg x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" viewBox=\"{0} {1} {2} {3}\">\n",
                     kLeft, kTop - 4, kWidth - kLeft - kRight + 4, kHeight - kTop - kBottom + 4) +
         series + notes(plot, frame) + "</svg>\n</svg>\n</figure>\n";
}

std::string forest_html(const ForestPlot& plot) {
  const PlotAxis axis = axis_of(plot);
  const auto x = [&](double value) {
    return kForestSide + (kWidth - 2 * kForestSide) * (value - axis.low) / (axis.high - axis.low);
  };
  const double bottom = kForestTop + kRowHeight * static_cast<double>(plot.rows.size());
  std::string svg;
  for (const double value : ticks(axis.low, axis.high, 7)) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
        "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:.6g}</text>\n",
        x(value), kForestTop, bottom, bottom + 16, value);
  }
  if (plot.zero)
    svg += fmt::format("<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>\n", x(0),
                       kForestTop, bottom);
  double y = kForestTop;
  for (const ForestRow& row : plot.rows) {
    const std::string color = fmt::format("var(--curve-{})", row.color % kColors);
    svg += fmt::format("<text class=\"label\" x=\"{}\" y=\"{}\">{}</text>\n", kForestSide, y + 14,
                       html_text(row.label));
    if (std::isfinite(row.interval.low) && std::isfinite(row.interval.high))
      svg += fmt::format(
          "<path style=\"stroke:{0};stroke-width:2;fill:none\" d=\"M{1:.1f} {2}v10m0 -5H{3:.1f}m0 "
          "-5v10\"/>\n",
          color, x(row.interval.low), y + 21, x(row.interval.high));
    if (std::isfinite(row.value))
      svg += fmt::format(
          "<circle style=\"stroke:{0};stroke-width:2;fill:{1}\" cx=\"{2:.1f}\" cy=\"{3}\" "
          "r=\"5\"/>\n",
          color, row.filled ? color : "var(--back)", x(row.value), y + 26);
    y += kRowHeight;
  }
  if (plot.zero) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{}</text>\n", kForestSide, bottom + 34,
                       html_text(plot.left));
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kWidth - kForestSide,
                       bottom + 34, html_text(plot.right));
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", kWidth / 2, bottom + 52,
                     html_text(plot.x_title));
  const std::string title = html_text(plot.title);
  return fmt::format(
      "<figure class=\"chart\">\n<figcaption><b>{0}</b></figcaption>\n<svg viewBox=\"0 0 {1} "
      "{2}\" role=\"img\" aria-label=\"{0}\">\n{3}</svg>\n</figure>\n",
      title, kWidth, bottom + 58, svg);
}

}  // namespace portraitseg
