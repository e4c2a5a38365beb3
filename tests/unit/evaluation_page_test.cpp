#include "portraitseg/report/evaluation_page.h"

#include <regex>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "support/handmade_evaluation.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using testing::HandmadeEvaluation;
using ::testing::HasSubstr;
using ::testing::Not;

/// Two evaluations of 24 images, b two points below a, with pictures of one.
class EvaluationPageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<double> of_a, of_b;
    for (int i = 0; i < 24; ++i) {
      of_a.push_back(90 + i % 7);
      of_b.push_back(of_a.back() - 2 - 0.01 * i);
    }
    HandmadeEvaluation::of(of_a).write(folder_.path() / "a");
    HandmadeEvaluation::of(of_b).write(folder_.path() / "b");
  }

  EvaluationPage page(const std::vector<std::string>& names = {"a", "b"}) const {
    EvaluationPage page;
    std::vector<Contender> contenders;
    for (std::size_t i = 0; i < names.size(); ++i) {
      page.results.push_back(read_evaluation(folder_.path() / (i == 0 ? "a" : "b")));
      contenders.push_back({names[i], {page.results.back()}});
    }
    page.names = names;
    page.figures = {"iou_foreground"};
    ComparisonOptions options;
    options.resampling.resamples = 500;
    page.comparison = compare(contenders, options);
    cv::Mat label = cv::Mat::zeros(32, 32, CV_8UC1), image(32, 32, CV_8UC3, cv::Scalar(90, 120, 150));
    label.rowRange(8, 24).setTo(1);
    const EvaluatedView view{image, label, cv::Mat::zeros(32, 32, CV_8UC1)};
    page.pictures.worst = {picture_row(3, std::vector<EvaluatedView>(names.size(), view), false, 16)};
    page.pictures.errors.resize(names.size());
    for (ErrorMap& errors : page.pictures.errors) errors.add(view.label, view.prediction);
    return page;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(EvaluationPageTest, SaysWhichIsBetterByHowMuchAndWhere) {
  const std::string html = evaluation_page(page());
  for (const char* text :
       {"<title>Evaluation: a, b</title>", "foreground IoU is higher for a than for b, by 2.1",
        "class=\"best\"", "a &minus; b", "Where they fail", "Worst, by the mean of all models",
        "prediction of b, foreground IoU 90.97", "<td class=\"card\" colspan=\"2\">SINet.pth</td>",
        "data:image/jpeg;base64,"})
    EXPECT_THAT(html, HasSubstr(text));
  EXPECT_TRUE(is_evaluation_page(html));
  EXPECT_FALSE(is_evaluation_page("<!DOCTYPE html>"));
}

TEST_F(EvaluationPageTest, NoneIsBestWhereNoneCanBeToldApart) {
  HandmadeEvaluation same = HandmadeEvaluation::of(std::vector<double>(24, 90));
  same.images[0].second[0] = "91";
  same.write(folder_.path() / "a");
  same.images[0].second[0] = "90";
  same.images[1].second[0] = "91";
  same.write(folder_.path() / "b");
  const std::string html = evaluation_page(page());
  EXPECT_THAT(html, HasSubstr("are not distinguishable on these 24 images"));
  EXPECT_THAT(html, Not(HasSubstr("class=\"best\"")));
}

TEST_F(EvaluationPageTest, OfOneResultThereIsNothingToCompare) {
  const std::string html = evaluation_page(page({"a"}));
  EXPECT_THAT(html, HasSubstr("a: foreground IoU 92.75"));
  EXPECT_THAT(html, Not(HasSubstr("By how much")));
  EXPECT_THAT(html, Not(HasSubstr("class=\"best\"")));
}

TEST_F(EvaluationPageTest, WithoutPicturesItSaysWhy) {
  EvaluationPage bare = page();
  bare.pictures = {};
  bare.pictures.missing = "data/test.txt: <gone>";
  const std::string html = evaluation_page(bare);
  EXPECT_THAT(html, HasSubstr("data/test.txt: &lt;gone&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
}

TEST_F(EvaluationPageTest, AsksForNothingAndRunsNothing) {
  const std::string html = evaluation_page(page());
  for (const char* text : {"<script", "javascript:", "@import", "url(", "http", "onload", "<iframe"})
    EXPECT_THAT(html, Not(HasSubstr(text)));
  const std::regex reference("(src|href)=\"(?!data:)");
  EXPECT_FALSE(std::regex_search(html, reference));
}

TEST_F(EvaluationPageTest, NoNameEndsATag) {
  const std::string name = "</title><script>alert(1)</script>\"'&";
  HandmadeEvaluation hostile = HandmadeEvaluation::of({80, 90, 70, 60});
  for (auto& image : hostile.images) image.first = "\"" + image.first + "<script>&\"\"\"";
  hostile.list = "\"" + std::string("<script>") + "\"";
  hostile.write(folder_.path() / "a");
  EvaluationPage escaped = page({"a"});
  escaped.names[0] = escaped.comparison.list = escaped.comparison.protocol = name;
  escaped.results[0].figures.emplace_back(name, 1);
  escaped.comparison.warnings = {name};
  escaped.groups = {
      {name, name, "iou_foreground", name, {{name, 4, 1, {0, 2}, false}}, {name, name, 1, {0, 2}, 1}}};
  EXPECT_THAT(evaluation_page(escaped), Not(HasSubstr("<script")));
}

TEST_F(EvaluationPageTest, EveryTagThatIsOpenedIsClosed) {
  const std::string html = evaluation_page(page());
  for (const char* tag :
       {"html", "head", "body", "style", "div", "figure", "figcaption", "svg", "table", "tr", "td",
        "th",   "text", "p",    "span",  "b",   "i",      "small",      "h2",  "h3",    "h4"}) {
    const auto count = [&](const std::string& pattern) {
      const std::regex regex(pattern);
      return std::distance(std::sregex_iterator(html.begin(), html.end(), regex), {});
    };
    EXPECT_EQ(count(std::string("<") + tag + "[ >\n]"), count(std::string("</") + tag + ">")) << tag;
  }
}

TEST(PictureRow, ShowsWhatWasMissedInBlueAndWhatWasTakenInRed) {
  cv::Mat label = cv::Mat::zeros(64, 64, CV_8UC1), prediction = label.clone();
  label.colRange(0, 32).setTo(1);
  prediction.rowRange(0, 32).setTo(1);
  const cv::Mat image(128, 128, CV_8UC3, cv::Scalar(128, 128, 128));
  const PictureRow row = picture_row(7, {{image, label, prediction}}, false, 64);
  EXPECT_EQ(row.image, 7U);
  ASSERT_EQ(row.predictions.size(), 1U);
  EXPECT_EQ(row.predictions[0].width, 64);
  const std::string& jpeg = row.predictions[0].jpeg;
  const cv::Mat shown = cv::imdecode(std::vector<unsigned char>(jpeg.begin(), jpeg.end()), cv::IMREAD_COLOR);
  const auto strongest = [&](int y, int x) {
    const cv::Vec3b bgr = shown.at<cv::Vec3b>(y, x);
    return std::max_element(bgr.val, bgr.val + 3) - bgr.val;
  };
  EXPECT_EQ(strongest(16, 16), 1);  // agreed: green
  EXPECT_EQ(strongest(48, 16), 0);  // missed: blue
  EXPECT_EQ(strongest(16, 48), 2);  // background taken for portrait: red
  EXPECT_NEAR(shown.at<cv::Vec3b>(48, 48)[0], 128, 8);
}

}  // namespace
}  // namespace portraitseg
