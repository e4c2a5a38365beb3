#include "portraitseg/report/run_page.h"

#include <regex>

#include <gmock/gmock.h>

#include "portraitseg/report/run_report.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunPage page_of(std::int64_t epochs) {
  RunPage page;
  page.name = "my run";
  page.epochs = 300;
  page.selected_by = "iou_foreground";
  page.progress.train_images = 1447;
  for (std::int64_t epoch = 1; epoch <= epochs; ++epoch) {
    EpochRecord record;
    record.epoch = epoch;
    record.lr = 0.001;
    record.train_loss = 1.5;
    record.loss_terms = {{"cross_entropy.mask.label", 1.25}, {"lovasz_hinge.mask.label", 0.25}};
    record.validation = {{"iou_foreground", 90.5}, {"boundary_f1_15", 71.25}};
    record.val_protocol = "clova";
    record.val_images = 289;
    record.val_list_sha256 = "0123456789abcdef";
    page.progress.history.push_back(record);
  }
  page.progress.epoch = epochs;
  page.progress.best.epoch = epochs;
  page.progress.best.value = 90.5;
  page.config = "model: {name: sinet}\n";
  page.environment = R"({"commit": "abc123", "threads": 2})";
  page.samples = {{"00001", 64, 192, "PNG"}};
  return page;
}

TEST(RunPage, HoldsFiguresProtocolConfigurationEnvironmentAndSamples) {
  const std::string html = run_page(page_of(3));
  for (const char* text :
       {"<title>my run</title>", "Epoch 3 of 300", "epoch 3 with <b>iou_foreground 90.50</b>",
        "protocol clova", "n = 289", "sha256 01234567.", "best 3", "lovasz_hinge.mask.label", "total",
        "boundary_f1_15", "model: {name: sinet}", "<th>commit</th><td>abc123</td>",
        "<th>threads</th><td>2</td>", "src=\"data:image/png;base64,UE5H\""})
    EXPECT_THAT(html, HasSubstr(text));
}

TEST(RunPage, AsksForNothingAndRunsNothing) {
  const std::string html = run_page(page_of(3));
  for (const char* text :
       {"<script", "javascript:", "@import", "url(", "http:", "https:", "onload", "<iframe"})
    EXPECT_THAT(html, Not(HasSubstr(text)));
  const std::regex reference("(src|href)=\"(?!data:)");
  EXPECT_FALSE(std::regex_search(html, reference));
}

TEST(RunPage, NoNameEndsATag) {
  RunPage page = page_of(1);
  const std::string name = "</title><script>alert(1)</script>\"'&";
  page.name = page.selected_by = page.config = page.samples[0].id = name;
  page.progress.history[0].loss_terms = {{name, 1}};
  page.progress.history[0].val_protocol = name;
  page.environment = R"({"</td><script>": "<script>"})";
  EXPECT_THAT(run_page(page), Not(HasSubstr("<script")));
}

TEST(RunPage, EveryTagThatIsOpenedIsClosed) {
  const std::string html = run_page(page_of(2));
  for (const char* tag :
       {"html", "head", "body", "style", "div", "figure", "figcaption", "svg", "table",   "tr",
        "td",   "th",   "text", "rect",  "p",   "span",   "b",          "i",   "details", "pre"}) {
    const auto count = [&](const std::string& pattern) {
      const std::regex regex(pattern);
      return std::distance(std::sregex_iterator(html.begin(), html.end(), regex), {});
    };
    EXPECT_EQ(count(std::string("<") + tag + "[ >\n]"), count(std::string("</") + tag + ">")) << tag;
  }
}

TEST(RunPage, StandsBeforeTheFirstEpochAndWithoutEnvironmentToo) {
  RunPage page = page_of(0);
  page.environment = "";
  const std::string html = run_page(page);
  EXPECT_THAT(html, HasSubstr("No epoch is finished yet."));
  EXPECT_THAT(html, Not(HasSubstr("Environment")));
}

TEST(RunPage, ASingleLossTermIsTheTotal) {
  RunPage page = page_of(2);
  for (auto& record : page.progress.history) record.loss_terms.erase("lovasz_hinge.mask.label");
  EXPECT_THAT(run_page(page), Not(HasSubstr("total")));
}

TEST(SamplePicture, ShowsImageLabelAndPredictionSideBySide) {
  const cv::Mat image(40, 20, CV_8UC3, cv::Scalar(10, 20, 30));
  cv::Mat label = cv::Mat::zeros(40, 20, CV_8UC1), prediction = label.clone();
  label.rowRange(0, 10).setTo(1);
  label.rowRange(30, 40).setTo(kIgnore);
  prediction.rowRange(5, 15).setTo(1);
  const cv::Mat picture = sample_picture(image, label, prediction, Protocol::Counting::kForeground, 192);
  ASSERT_EQ(picture.size(), cv::Size(60, 40));  // smaller ones stay as they are
  EXPECT_EQ(picture.at<cv::Vec3b>(2, 10), cv::Vec3b(10, 20, 30));
  EXPECT_EQ(picture.at<cv::Vec3b>(2, 30), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(picture.at<cv::Vec3b>(20, 30), cv::Vec3b(0, 0, 0));
  EXPECT_EQ(picture.at<cv::Vec3b>(35, 30), cv::Vec3b(128, 128, 128));
  EXPECT_EQ(picture.at<cv::Vec3b>(20, 50), cv::Vec3b(10, 20, 30));
  const auto missed = picture.at<cv::Vec3b>(2, 50), agreed = picture.at<cv::Vec3b>(7, 50),
             wrong = picture.at<cv::Vec3b>(12, 50);
  EXPECT_GT(missed[0], missed[1] + 50);  // blue
  EXPECT_GT(agreed[1], agreed[0] + 30);  // green
  EXPECT_GT(wrong[2], wrong[1] + 50);    // red
  EXPECT_EQ(sample_picture(image, label, prediction, Protocol::Counting::kForeground, 20).size(),
            cv::Size(30, 20));
}

TEST(HasPictures, AreTenToTwentyOneEpochsWithTheFirstAndTheLast) {
  for (const std::int64_t epochs : {1, 2, 19, 20, 39, 41, 300, 1001}) {
    std::int64_t count = 0;
    for (std::int64_t epoch = 1; epoch <= epochs; ++epoch) count += has_pictures(epoch, epochs) ? 1 : 0;
    EXPECT_TRUE(has_pictures(1, epochs) && has_pictures(epochs, epochs)) << epochs;
    EXPECT_GE(count, std::min<std::int64_t>(epochs, 10));
    EXPECT_LE(count, 21);
  }
}

}  // namespace
}  // namespace portraitseg
