#include "portraitseg/core/text.h"

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace portraitseg {
namespace {

TEST(PatternDistance, IsNothingWhereThePatternFits) {
  for (const auto& [pattern, text] : {std::pair("encoder.*", "encoder.level1.conv.weight"),
                                      {"*.bias", "a.b.bias"},
                                      {"*", ""},
                                      {"*", "a"},
                                      {"", ""},
                                      {"a.?.b", "a.1.b"},
                                      {"*a*b*", "xxaybyabz"},
                                      {"a**b", "ab"},
                                      {"stage[0].w", "stage[0].w"}}) {
    EXPECT_EQ(pattern_distance(pattern, text), 0u) << pattern << " " << text;
  }
}

TEST(PatternDistance, CountsTheCharactersThatDoNotFit) {
  const std::vector<std::tuple<std::string, std::string, std::size_t>> cases = {
      {"encodr.*", "encoder.level1.conv", 1},
      {"*.bais", "level1.bias", 2},
      {"?", "", 1},
      {"", "abc", 3},
      {"a.?.b", "a.10.b", 1},
      {"encoder", "encoder.bn", 3},
      {"a*c", "b", 2}};
  for (const auto& [pattern, text, distance] : cases)
    EXPECT_EQ(pattern_distance(pattern, text), distance) << pattern << " " << text;
}

TEST(CsvLine, HasEveryCellAndOneCommaFewer) {
  EXPECT_EQ(csv_line({"a", "b", "c"}), "a,b,c\n");
  EXPECT_EQ(csv_line({"", "b", ""}), ",b,\n");
  EXPECT_EQ(csv_line({"", "", "c"}), ",,c\n");
  EXPECT_EQ(csv_line({"1,5", "a \"b\"", "c\nd"}), "\"1,5\",\"a \"\"b\"\"\",\"c\nd\"\n");
  EXPECT_EQ(csv_line({}), "\n");
}

TEST(HtmlText, EndsNeitherTagNorAttribute) {
  EXPECT_EQ(html_text("a<b> & \"c\" 'd' \xc3\xa4"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; \xc3\xa4");
}

TEST(TexText, SetsEveryCharacterAsItself) {
  EXPECT_EQ(tex_text("a_b #1 50% {x} $y & ~ ^ \\"),
            "a\\_b \\#1 50\\% \\{x\\} \\$y \\& \\textasciitilde{} \\textasciicircum{} \\textbackslash{}");
  EXPECT_EQ(tex_text("92 \xC2\xB1 1, <0.001"), "92 $\\pm$ 1, $<$0.001");
  EXPECT_EQ(tex_text("\"mIoU\" and \"IoU\""), "``mIoU'' and ``IoU''");
}

TEST(MarkdownText, KeepsACellWhole) {
  EXPECT_EQ(markdown_text("a|b_c*\n<i>"), "a\\|b\\_c\\* \\<i\\>");
}

TEST(Base64, EqualsThePublishedVectors) {  // RFC 4648, section 10
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xfb\xff\xbf"), "+/+/");
}

TEST(FiniteNumber, IsTheWholeText) {
  EXPECT_EQ(finite_number("3"), 3);
  EXPECT_EQ(finite_number("-0.5"), -0.5);
  EXPECT_EQ(finite_number("1e-2"), 0.01);
  for (const char* text : {"", " 3", "3 ", "3px", "+3", "0,5", "e3", "inf", "-infinity", "nan", "1e999"})
    EXPECT_EQ(finite_number(text), std::nullopt) << text;
}

}  // namespace
}  // namespace portraitseg
