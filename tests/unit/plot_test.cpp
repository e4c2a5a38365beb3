#include "portraitseg/report/plot.h"

#include <limits>

#include <gmock/gmock.h>

namespace portraitseg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

TEST(Plot, ALineHasAGapWhereThereIsNoValue) {
  Plot plot;
  plot.x = {"x", 0, 4};
  plot.series = {{"a", {{0, 0}, {1, 1}, {2, kNone}, {3, 1}}, {}}};
  // x: 50 + 338 / 4 a unit; y: 240 at 0, 14 at 1
  EXPECT_THAT(plot_html(plot), HasSubstr("d=\"M50.0 240.0h0L134.5 14.0M303.5 14.0h0\""));
}

TEST(Plot, LinesDifferInTheirDashesToo) {
  Plot plot;
  plot.series = {{"a", {{0, 0}}, {}}, {"b", {{0, 0}}, {}}};
  EXPECT_THAT(plot_html(plot), HasSubstr("--curve-0)\""));
  EXPECT_THAT(plot_html(plot), HasSubstr("--curve-1);stroke-dasharray:7 4\""));
}

TEST(Plot, NoTextEndsATag) {
  const std::string text = "<script>\"'&";
  Plot plot;
  plot.kind = Plot::Kind::kPoints;
  plot.title = plot.x.title = plot.y.title = text;
  plot.series = {{text, {{0.5, 0.5}}, {text}}};
  plot.notes = {{text, {0.5, 0.5}}};
  EXPECT_THAT(plot_html(plot), Not(HasSubstr("<script")));
  plot.kind = Plot::Kind::kLines;
  EXPECT_THAT(plot_html(plot), Not(HasSubstr("<script")));
  ForestPlot forest{text, text, {{text, 1, {0, 2}, true, 0}}, true, text, text};
  EXPECT_THAT(forest_html(forest), Not(HasSubstr("<script")));
}

TEST(ForestPlot, TheAxisHoldsEveryIntervalAndZero) {
  const ForestPlot plot{"t",  "x", {{"a", 2, {1, 3}, true, 0}, {"b", 2.5, {kNone, kNone}, false, 1}},
                        true, "",  ""};
  const std::string html = forest_html(plot);
  // 0 to 3 and 8 % beside: x(0) = 16 + 368 * 0.24 / 3.48
  EXPECT_THAT(html, HasSubstr("class=\"mark\" x1=\"41.4\""));
  EXPECT_THAT(html, HasSubstr("d=\"M147.1 29v10m0 -5H358.6m0 -5v10\""));
  EXPECT_THAT(html, HasSubstr("fill:var(--back)"));  // b can not be told apart
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST(ForestPlot, WithoutAnyValueItIsEmpty) {
  const std::string html = forest_html({"t", "x", {{"a", kNone, {kNone, kNone}, true, 0}}, false, "", ""});
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace portraitseg
