#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/report/statistics.h"

namespace portraitseg {

struct PlotAxis {
  std::string title;
  double low = 0, high = 1;  ///< low < high; what lies outside is cut off
};

struct PlotSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< x, y; a line has a gap where one is not finite
  std::vector<std::string> tips;                  ///< a tooltip for each point; empty: none
};

/// Values at any x; chart.h draws those at x = 1, 2, 3 ...
struct Plot {
  enum class Kind { kLines, kPoints };

  std::string title;
  PlotAxis x, y;
  std::vector<PlotSeries> series;
  Kind kind = Kind::kLines;
  bool diagonal = false;                                                 ///< a line through x = y
  bool zero = false;                                                     ///< a line at x = 0
  std::vector<std::pair<std::string, std::pair<double, double>>> notes;  ///< texts beside points
};

/// The plot as <figure>, in the colours that chart_html() uses. Lines differ in their dashes, too, and points in their shape.
std::string plot_html(const Plot& plot);

/// A value with its interval.
struct ForestRow {
  std::string label;
  double value = 0;
  Interval interval;      ///< not a number: none
  bool filled = true;     ///< or an empty circle
  std::size_t color = 0;  ///< as the series' of that place
};

/// Rows below each other on one axis.
struct ForestPlot {
  std::string title, x_title;
  std::vector<ForestRow> rows;
  bool zero = false;        ///< the axis holds 0, with a line at it
  std::string left, right;  ///< what it means to lie left and right of 0
};

std::string forest_html(const ForestPlot& plot);

}  // namespace portraitseg
