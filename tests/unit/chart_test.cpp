#include "portraitseg/report/chart.h"

#include <cmath>
#include <limits>
#include <regex>
#include <set>

#include <gmock/gmock.h>

namespace portraitseg {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Chart chart_of(const std::vector<double>& values) {
  Chart chart;
  chart.title = "loss";
  chart.x_title = "epoch";
  chart.curves = {{"total", values}};
  return chart;
}

/// The commands of the curves, e.g. "M 50 20".
std::vector<std::string> commands(const std::string& html) {
  std::vector<std::string> all;
  const std::regex path("class=\"curve\"[^>]* d=\"([^\"]*)\""), command("[A-Za-z][^A-Za-z]*");
  for (std::sregex_iterator curve(html.begin(), html.end(), path), end; curve != end; ++curve) {
    const std::string d = (*curve)[1];
    for (std::sregex_iterator one(d.begin(), d.end(), command); one != end; ++one) all.push_back(one->str());
  }
  return all;
}

/// The y of each point, in px from the top.
std::vector<double> heights(const std::string& html) {
  std::vector<double> all;
  for (const auto& command : commands(html)) {
    if (command[0] != 'h') all.push_back(std::stod(command.substr(command.find(' '))));
  }
  return all;
}

TEST(Ticks, AreRoundAndFewAndWithin) {
  EXPECT_THAT(ticks(0, 1, 5),
              ElementsAre(0, DoubleNear(0.2, 1e-12), DoubleNear(0.4, 1e-12), DoubleNear(0.6, 1e-12),
                          DoubleNear(0.8, 1e-12), DoubleNear(1, 1e-12)));
  EXPECT_THAT(ticks(-3, 101, 4), ElementsAre(0, 50, 100));
  for (const double low : {-1e6, -0.37, 0.0, 2.9e-7, 94.999}) {
    for (const double size : {1e-8, 0.0123, 1.0, 77.0, 4e9}) {
      const auto all = ticks(low, low + size, 6);
      EXPECT_GE(all.size(), 2U) << low << " " << size;
      EXPECT_LE(all.size(), 7U) << low << " " << size;
      for (const double tick : all) EXPECT_TRUE(tick >= low - size / 100 && tick <= low + size * 1.01);
    }
  }
}

TEST(ChartHtml, HigherValuesLieHigherAndInOrder) {
  const auto y = heights(chart_html(chart_of({1, 3, 2})));
  ASSERT_EQ(y.size(), 3U);
  EXPECT_LT(y[1], y[2]);
  EXPECT_LT(y[2], y[0]);
  EXPECT_NEAR(y[2] - y[1], y[0] - y[2], 0.2);
}

TEST(ChartHtml, HasAGapWhereAValueIsNotFinite) {
  const auto drawn = commands(chart_html(chart_of({1, 2, kNan, 4, 5})));
  EXPECT_EQ(std::count_if(drawn.begin(), drawn.end(), [](const auto& c) { return c[0] == 'M'; }), 2);
  EXPECT_EQ(heights(chart_html(chart_of({1, 2, kNan, 4, 5}))).size(), 4U);
}

TEST(ChartHtml, FirstTenthDoesNotFlattenTheRest) {
  std::vector<double> values(40, 1);
  values[0] = 1e6;
  values[39] = 2;
  const auto y = heights(chart_html(chart_of(values)));
  EXPECT_GT(y[38] - y[39], 100);
}

TEST(ChartHtml, HoldsNoNumberThatIsNone) {
  for (const auto& values : std::vector<std::vector<double>>{{},
                                                             {5},
                                                             {0, 0, 0},
                                                             {kNan},
                                                             {kNan, 1},
                                                             {std::numeric_limits<double>::infinity(), 1, 2},
                                                             {1e300, -1e300}}) {
    Chart chart = chart_of(values);
    chart.marked = 1;
    std::string html = chart_html(chart);
    html = std::regex_replace(html, std::regex("<title>[^<]*</title>"), "");
    EXPECT_THAT(html, Not(::testing::AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
  }
}

TEST(ChartHtml, TwoDozenCurvesAllLookDifferent) {
  Chart chart = chart_of({1, 2});
  chart.curves.resize(24, chart.curves[0]);
  const std::string html = chart_html(chart);
  for (const char* pattern : {"<i style=\"[^\"]*\"", "class=\"curve\" style=\"[^\"]*\""}) {
    const std::regex regex(pattern);
    std::set<std::string> styles;
    for (auto it = std::sregex_iterator(html.begin(), html.end(), regex); it != std::sregex_iterator(); ++it)
      styles.insert(it->str());
    EXPECT_EQ(styles.size(), 24U) << pattern;
  }
}

TEST(ChartHtml, NamesCurvesAxisAndMarkWithoutLettingThemEndATag) {
  Chart chart = chart_of({1, 2});
  chart.curves[0].name = "a<b>&";
  chart.marked = 2;
  chart.mark_title = "best 2";
  const std::string html = chart_html(chart);
  EXPECT_THAT(html, HasSubstr("a&lt;b&gt;&amp;</span>"));
  EXPECT_THAT(html, HasSubstr(">epoch</text>"));
  EXPECT_THAT(html, HasSubstr(">best 2</text>"));
  EXPECT_THAT(html, HasSubstr("<title>epoch 2\na&lt;b&gt;&amp; 2</title>"));
  EXPECT_THAT(html, Not(HasSubstr("a<b>")));
}

}  // namespace
}  // namespace portraitseg
