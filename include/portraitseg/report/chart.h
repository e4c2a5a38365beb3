#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace portraitseg {

/// A value at x = 1, 2, 3 ...; the line has a gap where one is not finite.
struct Curve {
  std::string name;
  std::vector<double> values;
};

struct Chart {
  std::string title;
  std::string x_title;
  std::vector<Curve> curves;
  std::size_t marked = 0;  ///< the x with a line through it; 0: none
  std::string mark_title;
};

/// The chart as <figure>: legend, then axes and curves as inline SVG, with every x's values as tooltip.
///
/// Of 20 values and more the vertical axis fits those behind the first tenth, so that how a training began does not
/// flatten the rest; what lies outside is cut off. Colours are the page's CSS variables --curve-0 ... --curve-7, --grid and --mark.
std::string chart_html(const Chart& chart);

/// Round numbers in [low, high], 1, 2 or 5 times a power of ten apart, at most `most` of them. low < high.
std::vector<double> ticks(double low, double high, int most);

}  // namespace portraitseg
