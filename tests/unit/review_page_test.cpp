#include "portraitseg/report/review_page.h"

#include <regex>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ReviewEntry entry(const std::string& file, double confidence = 0.97) {
  return {file, "review/" + file, {confidence, 0.96, 0.95, 0.5, 1}};
}

/// The page's data, as JSON that nothing in it can end.
nlohmann::json entries_of(const std::string& page) {
  const std::string start = "const entries = [\n";
  const auto from = page.find(start) + start.size();
  std::string list = page.substr(from, page.find("];\n", from) - from);
  if (!list.empty()) list.erase(list.rfind(','));
  return nlohmann::json::parse("[" + list + "]");
}

TEST(ReviewPage, HoldsEveryEntryInOrderWithItsFigures) {
  const auto entries = entries_of(review_page("t", "k", {entry("b.png", 0.99), entry("a.png", 0.96)}));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].at("file"), "b.png");
  EXPECT_EQ(entries[1].at("overlay"), "review/a.png");
  EXPECT_EQ(entries[1].at("confidence"), 0.96);
}

TEST(ReviewPage, NoNameEndsTheScriptOrTheTitle) {
  const std::string name = "</script><img src=x onerror=alert(1)>\"'\\\n&\xe2\x80\xa8.png";
  const std::string page = review_page("<b>\"R&D\"</b>", name, {entry(name)});
  EXPECT_EQ(entries_of(page)[0].at("file"), name);
  EXPECT_THAT(page, AllOf(Not(HasSubstr("onerror=alert(1)>\"'")), Not(HasSubstr("\xe2\x80\xa8")),
                          HasSubstr("<title>&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt;</title>")));
  const std::regex end("</script>");
  EXPECT_EQ(std::distance(std::sregex_iterator(page.begin(), page.end(), end), std::sregex_iterator()), 1);
}

TEST(ReviewPage, HasItsKeysAndNothingFromElsewhere) {
  const std::string page = review_page("t", "k", {entry("a.png")});
  for (const char* part :
       {"a: () => decide(\"a\")", "ArrowRight: () => decide(\"a\")", "r: () => decide(\"r\")",
        "ArrowLeft: () => decide(\"r\")", "u: undo", "Backspace: undo",
        "const key = \"portraitseg review k\"", "link.download = \"accepted.txt\"", "entry.file + \"\\n\""})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("http://")), Not(HasSubstr("https://"))));
}

TEST(ReviewOverlay, TintsThePortraitAndLeavesTheRest) {
  const cv::Mat image(100, 80, CV_8UC3, cv::Scalar::all(100));
  cv::Mat mask = cv::Mat::zeros(100, 80, CV_8UC1);
  mask(cv::Rect(20, 20, 40, 60)).setTo(1);
  mask(cv::Rect(0, 0, 5, 5)).setTo(255);
  const cv::Mat overlay = review_overlay(image, mask, 1000);
  EXPECT_EQ(overlay.size(), image.size());
  EXPECT_EQ(overlay.at<cv::Vec3b>(10, 70), cv::Vec3b(100, 100, 100));
  EXPECT_EQ(overlay.at<cv::Vec3b>(2, 2), cv::Vec3b(100, 100, 100));
  EXPECT_GT(overlay.at<cv::Vec3b>(50, 40)[1], 120);
  EXPECT_EQ(overlay.at<cv::Vec3b>(50, 20)[1], 200);  // the outline
  EXPECT_EQ(review_overlay(image, mask, 50).size(), cv::Size(40, 50));
}

TEST(RejectedCsv, NamesTheReasonsAndQuotesTheIds) {
  EXPECT_EQ(rejected_csv({{0, "a,\"b\"", {0.9, 0.8, 0.7, 0.6, 0.5}, "scattered"}, {1, "c", {}, ""}}),
            "id,confidence,agreement,boundary_f1,share,largest_component,reason\n"
            "\"a,\"\"b\"\"\",0.9000,0.8000,0.7000,0.6000,0.5000,scattered\n");
}

}  // namespace
}  // namespace portraitseg
