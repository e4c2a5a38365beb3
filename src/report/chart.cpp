#include "portraitseg/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"

namespace portraitseg {
namespace {

// px of the drawing, which the page scales
constexpr double kWidth = 400, kHeight = 240, kLeft = 50, kRight = 10, kTop = 16, kBottom = 36;
constexpr std::size_t kColors = 8;
constexpr std::size_t kMany = 20;  // values of a curve

std::size_t length(const Chart& chart) {
  std::size_t longest = 0;
  for (const Curve& curve : chart.curves) longest = std::max(longest, curve.values.size());
  return longest;
}

/// From values to px.
struct Frame {
  std::size_t count = 1;  ///< x = 1 ... count
  double low = 0, high = 1;

  explicit Frame(const Chart& chart) : count(std::max<std::size_t>(length(chart), 1)) {
    low = std::numeric_limits<double>::infinity();
    high = -low;
    for (const Curve& curve : chart.curves) {
      for (std::size_t i = count < kMany ? 0 : count / 10; i < curve.values.size(); ++i) {
        if (!std::isfinite(curve.values[i])) continue;
        low = std::min(low, curve.values[i]);
        high = std::max(high, curve.values[i]);
      }
    }
    if (low > high) low = 0, high = 1;  // no value at all
    const double margin = high > low ? 0.05 * (high - low) : std::max(0.05 * std::abs(high), 1e-9);
    low -= margin;
    high += margin;
  }

  double step() const { return (kWidth - kLeft - kRight) / static_cast<double>(count); }
  double x(double position) const { return kLeft + (position - 0.5) * step(); }
  double y(double value) const { return kTop + (kHeight - kTop - kBottom) * (high - value) / (high - low); }
};

std::string axes(const Chart& chart, const Frame& frame) {
  std::string svg;
  for (const double value : ticks(frame.low, frame.high, 6)) {
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft,
                       kWidth - kRight, frame.y(value), frame.y(value));
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.6g}</text>\n", kLeft - 6,
                       frame.y(value) + 4, value);
  }
  const auto count = static_cast<double>(frame.count);
  for (const double value : ticks(0.5, count + 0.5, 8)) {
    if (value != std::floor(value)) continue;
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", frame.x(value),
                       kHeight - kBottom + 16, value);
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 4, html_text(chart.x_title));
  return svg + fmt::format("<path class=\"axis\" d=\"M{} {}V{}H{}\"/>\n", kLeft, kTop, kHeight - kBottom,
                           kWidth - kRight);
}

std::string mark(const Chart& chart, const Frame& frame) {
  if (chart.marked == 0 || chart.marked > frame.count) return "";
  const double x = frame.x(static_cast<double>(chart.marked));
  const bool right_half = x > kWidth / 2;
  return fmt::format(
      "<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
      "<text class=\"mark\" x=\"{3:.1f}\" y=\"{4}\" text-anchor=\"{5}\">{6}</text>\n",
      x, kTop - 4, kHeight - kBottom, x + (right_half ? -4 : 4), kTop - 4, right_half ? "end" : "start",
      html_text(chart.mark_title));
}

/// Of every further round of the colours other dashes: SVG's, and the same as a background of the legend.
constexpr std::array<const char*, 3> kDashes = {"", ";stroke-dasharray:7 5", ";stroke-dasharray:2 5"};
constexpr std::array<const char*, 3> kLegendDashes = {
    "var(--curve-{0})", "repeating-linear-gradient(90deg,var(--curve-{0}) 0 4px,transparent 4px 6px)",
    "repeating-linear-gradient(90deg,var(--curve-{0}) 0 1px,transparent 1px 3px)"};

std::string curve_svg(const Curve& curve, const Frame& frame, std::size_t color) {
  std::string path;
  bool drawing = false;
  for (std::size_t i = 0; i < curve.values.size(); ++i) {
    const bool finite = std::isfinite(curve.values[i]);
    // A line of length 0 with round ends shows a value that stands alone.
    if (finite)
      path += fmt::format("{}{:.1f} {:.1f}", drawing ? "L" : "M", frame.x(static_cast<double>(i + 1)),
                          std::clamp(frame.y(curve.values[i]), -2 * kHeight, 3 * kHeight));
    if (finite && !drawing) path += "h0";
    drawing = finite;
  }
  return fmt::format("<path class=\"curve\" style=\"stroke:var(--curve-{}){}\" d=\"{}\"/>\n", color % kColors,
                     kDashes[color / kColors % kDashes.size()], path);
}

/// An invisible column at each x that tells its values.
std::string tooltips(const Chart& chart, const Frame& frame) {
  std::string svg;
  for (std::size_t i = 0; i < length(chart); ++i) {
    std::string text = fmt::format("{} {}", chart.x_title, i + 1);
    for (const Curve& curve : chart.curves) {
      if (i < curve.values.size()) text += fmt::format("\n{} {:.6g}", curve.name, curve.values[i]);
    }
    svg += fmt::format(
        "<rect class=\"tip\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\"><title>{}</title></rect>\n",
        frame.x(static_cast<double>(i + 1)) - frame.step() / 2, kTop, frame.step(), kHeight - kTop - kBottom,
        html_text(text));
  }
  return svg;
}

}  // namespace

std::vector<double> ticks(double low, double high, int most) {
  const double least = (high - low) / most;
  double step = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {2.0, 2.5, 2.0}) {  // 1, 2, 5, 10
    if (step >= least) break;
    step *= factor;
  }
  std::vector<double> values;
  // + 0 makes 0 of -0
  for (double i = std::ceil(low / step); i * step <= high; ++i) values.push_back(i * step + 0.0);
  return values;
}

std::string chart_html(const Chart& chart) {
  const Frame frame(chart);
  std::string legend, curves;
  for (std::size_t i = 0; i < chart.curves.size(); ++i) {
    const std::string background =
        fmt::format(fmt::runtime(kLegendDashes[i / kColors % kLegendDashes.size()]), i % kColors);
    legend += fmt::format("<span><i style=\"background:{}\"></i>{}</span>\n", background,
                          html_text(chart.curves[i].name));
    curves += curve_svg(chart.curves[i], frame, i);
  }
  const std::string title = html_text(chart.title);
  return fmt::format("<figure class=\"chart\">\n<figcaption><b>{}</b>\n{}</figcaption>\n", title, legend) +
         fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight, title) +
         axes(chart, frame) + mark(chart, frame) +
         fmt::format("<svg x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" viewBox=\"{0} {1} {2} {3}\">\n",
                     kLeft, kTop, kWidth - kLeft - kRight, kHeight - kTop - kBottom) +
         curves + "</svg>\n" + tooltips(chart, frame) + "</svg>\n</figure>\n";
}

}  // namespace portraitseg
