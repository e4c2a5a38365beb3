#include "report/ablation_plots.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/text.h"
#include "portraitseg/report/chart.h"

#include "report/figure_text.h"

namespace portraitseg {
namespace {

// px of the drawings, which the page scales
constexpr double kWidth = 400, kHeight = 250, kLeft = 50, kRight = 14, kTop = 14, kBottom = 46;
constexpr double kParallelHeight = 300, kParallelTop = 40, kParallelBottom = 20;
constexpr double kSpread = 0.06;  // of an axis, over which the trials of a value lie in the figure's order
constexpr std::size_t kMostLabels = 12;  // below an axis

/// Where the values of an axis stand, from 0 to 1.
class Scale {
 public:
  Scale(const Ablation& ablation, const std::string& axis)
      : values_(ablation.values(axis)), numeric_(is_numeric(ablation, axis)) {
    if (!numeric_) return;
    std::sort(values_.begin(), values_.end(), [](const std::string& a, const std::string& b) {
      return *finite_number(a) < *finite_number(b);
    });
    low_ = *finite_number(values_.front());
    high_ = *finite_number(values_.back());
    by_factor_ = low_ > 0 && high_ / low_ > 10;
  }

  double at(const std::string& value) const {
    if (numeric_) return (level(*finite_number(value)) - level(low_)) / (level(high_) - level(low_));
    const auto place = std::find(values_.begin(), values_.end(), value) - values_.begin();
    return values_.size() < 2 ? 0.5 : static_cast<double>(place) / static_cast<double>(values_.size() - 1);
  }

  /// As many as there is room for; of numbers those that keep their distance.
  std::vector<std::string> labels() const {
    std::vector<std::string> chosen;
    for (const auto& value : values_) {
      const bool room = chosen.empty() || at(value) - at(chosen.back()) > 0.8 / kMostLabels;
      if (!numeric_ ? values_.size() <= kMostLabels : room) chosen.push_back(value);
    }
    return chosen;
  }

  const std::vector<std::string>& values() const { return values_; }

 private:
  double level(double value) const { return by_factor_ ? std::log(value) : value; }

  std::vector<std::string> values_;
  bool numeric_ = false, by_factor_ = false;
  double low_ = 0, high_ = 1;
};

struct Reach {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void widen(double share) {
    if (low > high) low = 0, high = 1;
    const double margin = high > low ? share * (high - low) : std::max(0.01 * std::abs(high), 1e-9);
    low -= margin;
    high += margin;
  }
};

/// Cut so that neighbours do not touch.
std::string shortened(const std::string& text, std::size_t most) {
  const std::string shown = shown_value(text);
  if (shown.size() <= most) return shown;
  std::size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) --end;  // no half character
  return shown.substr(0, end) + "\xE2\x80\xA6";
}

std::string figure_html(const std::string& title, double height, const std::string& svg) {
  const std::string text = html_text(title);
  return fmt::format(
      "<figure class=\"chart\">\n<figcaption><b>{0}</b></figcaption>\n<svg viewBox=\"0 0 {1} {2}\" "
      "role=\"img\" aria-label=\"{0}\">\n{3}</svg>\n</figure>\n",
      text, kWidth, height, svg);
}

std::string point(double x, double y, const std::string& tip) {
  return fmt::format(
      "<circle class=\"point\" style=\"fill:var(--curve-0)\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\">"
      "<title>{}</title></circle>\n",
      x, y, html_text(tip));
}

}  // namespace

bool is_numeric(const Ablation& ablation, const std::string& axis) {
  const auto values = ablation.values(axis);
  return values.size() > 1 && std::all_of(values.begin(), values.end(),
                                          [](const auto& v) { return finite_number(v).has_value(); });
}

std::string effect_html(const Ablation& ablation, const FigureTables& tables, const AxisTable& axis) {
  const Scale scale(ablation, axis.axis);
  Reach reach;
  for (const AxisRow& row : axis.rows) {
    for (const double value : row.sample.values) reach.add(value);
  }
  reach.widen(0.1);
  const double inset = scale.values().size() > 1
                           ? 0.5 / static_cast<double>(std::min<std::size_t>(scale.values().size(), 6))
                           : 0;
  const auto x = [&](const std::string& value) {
    return kLeft + (kWidth - kLeft - kRight) * (inset + (1 - 2 * inset) * scale.at(value));
  };
  const auto y = [&](double value) {
    return kTop + (kHeight - kTop - kBottom) * (reach.high - value) / (reach.high - reach.low);
  };
  std::string svg;
  for (const double value : ticks(reach.low, reach.high, 6)) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text x=\"{3}\" "
        "y=\"{4:.1f}\" text-anchor=\"end\">{5:.6g}</text>\n",
        kLeft, kWidth - kRight, y(value), kLeft - 6, y(value) + 4, value);
  }
  const auto labels = scale.labels();
  const std::size_t room = std::max<std::size_t>(4, 50 / std::max<std::size_t>(labels.size(), 1));
  for (const auto& value : labels)
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x(value),
                       kHeight - kBottom + 16, html_text(shortened(value, room)));
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 8, html_text(axis.axis));
  svg += fmt::format("<path class=\"axis\" d=\"M{} {}V{}H{}\"/>\n", kLeft, kTop, kHeight - kBottom,
                     kWidth - kRight);
  std::string line;
  for (const auto& value : scale.values()) {
    const auto row = std::find_if(axis.rows.begin(), axis.rows.end(),
                                  [&](const AxisRow& other) { return other.value == value; });
    if (std::isnan(row->sample.mean)) continue;
    line += fmt::format("{}{:.1f} {:.1f}h0", line.empty() ? "M" : "L", x(value), y(row->sample.mean));
  }
  if (!line.empty()) svg += "<path class=\"curve\" style=\"stroke:var(--curve-1)\" d=\"" + line + "\"/>\n";
  const std::size_t place = ablation.place(axis.axis);
  for (std::size_t i = 0; i < ablation.trials.size(); ++i) {
    const auto value = ablation.value(tables.measurement, i, tables.figure);
    if (value)
      svg += point(x(ablation.trials[i].values[place]), y(*value),
                   ablation.label(i) + ": " + number_text(*value, 2));
  }
  return figure_html(tables.title + " by " + axis.axis, kHeight, svg);
}

std::string parallel_html(const Ablation& ablation, const FigureTables& tables) {
  std::vector<std::pair<std::size_t, double>> trials;
  Reach reach;
  for (std::size_t i = 0; i < ablation.trials.size(); ++i) {
    const auto value = ablation.value(tables.measurement, i, tables.figure);
    if (!value) continue;
    trials.emplace_back(i, *value);
    reach.add(*value);
  }
  if (trials.size() < 2) return "";
  const double low = reach.low, span = std::max(reach.high - reach.low, 1e-12);
  reach.widen(0.04);
  const double sign = lower_is_better(tables.figure) ? -1 : 1;
  std::sort(trials.begin(), trials.end(), [&](const auto& a, const auto& b) {
    return sign * a.second < sign * b.second;
  });  // the best on top
  const std::vector<std::string> axes = ablation.variant_axes();
  const double step = (kWidth - kLeft - 60) / static_cast<double>(axes.size());
  const double bottom = kParallelHeight - kParallelBottom;
  const auto x = [&](std::size_t axis) { return kLeft + step * static_cast<double>(axis); };
  const auto y = [&](double share) { return bottom - (bottom - kParallelTop) * share; };
  const auto height = [&](double value) { return y((value - reach.low) / (reach.high - reach.low)); };
  std::vector<Scale> scales;
  for (const auto& axis : axes) scales.emplace_back(ablation, axis);

  std::string svg, labels;
  for (const auto& [trial, value] : trials) {
    const double share = (value - low) / span;
    std::string path;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const double at = scales[a].at(ablation.trials[trial].values[ablation.place(axes[a])]);
      path += fmt::format("{}{:.1f} {:.1f}", a == 0 ? "M" : "L", x(a), y(at + kSpread * (share - 0.5)));
    }
    path += fmt::format("L{:.1f} {:.1f}", x(axes.size()), height(value));
    const double quality = sign > 0 ? share : 1 - share;
    svg += fmt::format(
        "<path class=\"curve\" style=\"stroke:var(--curve-0);stroke-width:1.5;stroke-opacity:{:.2f}\" "
        "d=\"{}\"><title>{}</title></path>\n",
        0.12 + 0.88 * quality * quality, path,
        html_text(ablation.label(trial) + ": " + number_text(value, 2)));
  }
  const std::size_t room = static_cast<std::size_t>(std::max(6.0, step / 7));
  for (std::size_t a = 0; a <= axes.size(); ++a) {
    const std::string anchor = a == 0 ? "start" : a == axes.size() ? "end" : "middle";
    const double title_x = a == 0 ? 8 : a == axes.size() ? kWidth - 8 : x(a);
    labels += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>\n",
                          x(a), kParallelTop - 4, bottom + 4);
    const std::string title = a < axes.size() ? axes[a] : tables.title;
    labels +=
        fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", title_x,
                    a % 2 == 0 ? 12 : 28, anchor, html_text(shortened(title, a % 2 == 0 ? 2 * room : 40)));
    if (a < axes.size()) {
      for (const auto& value : scales[a].labels())
        labels += fmt::format("<text class=\"over\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x(a) + 4,
                              y(scales[a].at(value)) + 4, html_text(shortened(value, room)));
    } else {
      for (const double value : ticks(reach.low, reach.high, 7))
        labels += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{:.6g}</text>\n", x(a) + 6, height(value) + 4,
                              value);
    }
  }
  return figure_html("Every trial, from its settings to " + tables.title, kParallelHeight, svg + labels);
}

}  // namespace portraitseg
