#include "portraitseg/data/verify.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/eg1800.h"
#include "portraitseg/data/folders.h"

#include "support/memory_dataset.h"
#include "support/shared_data.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryDataset;
using testing::plain_sample;

std::vector<std::string> texts(const DatasetReport& report) {
  std::vector<std::string> lines;
  for (const auto& f : report.findings)
    lines.push_back(problem_name(f.problem) + " " + f.list + " " + f.id + ": " + f.detail);
  return lines;
}

std::shared_ptr<MemoryDataset> dataset(const std::vector<Sample>& samples) {
  auto result = std::make_shared<MemoryDataset>();
  for (const auto& sample : samples) result->add(sample);
  return result;
}

TEST(Verify, FindsNothingInASoundList) {
  const auto report = verify(
      {{"a.txt", dataset({plain_sample("1", {1, 2, 3}), plain_sample("2", {4, 5, 6}, 1, {6, 5})})}}, {});
  EXPECT_THAT(texts(report), ElementsAre());
  ASSERT_EQ(report.lists.size(), 1u);
  EXPECT_EQ(report.lists[0].images, 2);
  EXPECT_EQ(report.lists[0].unusable, 0);
  EXPECT_EQ(report.lists[0].sizes, (SizeCounts{{{4, 4}, 1}, {{5, 6}, 1}}));
  EXPECT_EQ(report.distinct_images, 2);
  EXPECT_EQ(report.count(Severity::kError), 0);
}

TEST(Verify, RemarksOnMasksGreyImagesAndDuplicates) {
  Sample ignored = plain_sample("ignored", {1, 1, 2}, 0);
  ignored.mask.setTo(kIgnore);
  Sample almost_grey = plain_sample("almost", {7, 7, 7});
  almost_grey.image.at<cv::Vec3b>(3, 3) = {7, 7, 8};
  Sample stored_grey = plain_sample("stored", {8, 8, 8});
  stored_grey.channels = 1;
  Sample all_but_ignored = plain_sample("edge", {1, 1, 3}, 4);
  all_but_ignored.mask.row(3).setTo(kIgnore);
  const auto report = verify(
      {{"a.txt", dataset({plain_sample("empty", {1, 2, 3}, 0), plain_sample("full", {1, 2, 4}, 4), ignored,
                          all_but_ignored, plain_sample("grey", {9, 9, 9}), almost_grey, stored_grey,
                          plain_sample("twin", {1, 2, 3}, 0), plain_sample("other", {1, 2, 3})})}},
      {});
  EXPECT_THAT(texts(report),
              ElementsAre("empty_mask a.txt empty: the mask has no foreground",
                          "empty_mask a.txt ignored: the mask has no foreground",
                          "empty_mask a.txt twin: the mask has no foreground",
                          "all_foreground a.txt full: the mask has no background",
                          "all_foreground a.txt edge: the mask has no background",
                          "grey_file a.txt stored: is stored grey, in one channel",
                          "grey a.txt grey: is stored in colour, but B = G = R in every pixel",
                          "duplicate a.txt twin: has the pixels of empty",
                          "duplicate a.txt other: has the pixels of empty, but has another mask"));
  EXPECT_EQ(report.count(Severity::kError), 0);
  EXPECT_EQ(report.count(Severity::kRemark), 9);
  EXPECT_EQ(report.distinct_images, 7);
}

TEST(Verify, TheSamePixelsInAnotherShapeAreAnotherImage) {
  const auto report =
      verify({{"a.txt",
               dataset({plain_sample("1", {1, 2, 3}, 1, {2, 8}), plain_sample("2", {1, 2, 3}, 1, {8, 2})})}},
             {});
  EXPECT_EQ(report.distinct_images, 2);
}

TEST(Verify, LeakageBetweenListsIsAnErrorByIdAndByContent) {
  const auto report = verify(
      {{"train.txt",
        dataset({plain_sample("1", {1, 2, 3}), plain_sample("2", {4, 5, 6}), plain_sample("3", {7, 8, 9})})},
       {"val.txt", dataset({plain_sample("1", {1, 2, 3}), plain_sample("2", {9, 5, 6}),
                            plain_sample("x", {7, 8, 9}, 1)})},
       {"test.txt", dataset({plain_sample("y", {7, 8, 9})})}},
      {});
  EXPECT_THAT(texts(report),
              ElementsAre("leakage val.txt 1: the id is in train.txt, too",
                          "leakage val.txt 2: the id is in train.txt, too, with other pixels",
                          "leakage val.txt x: has the pixels of 3 in train.txt, but has another mask",
                          "leakage test.txt y: has the pixels of 3 in train.txt",
                          "leakage test.txt y: has the pixels of x in val.txt, but has another mask"));
  EXPECT_EQ(report.count(Severity::kError), 5);
  EXPECT_EQ(report.distinct_images, 4);
}

TEST(Verify, AMaskOfAnotherSizeIsAnErrorEvenWhereTheDataSetDeliversIt) {
  Sample sample = plain_sample("1", {1, 2, 3});
  sample.mask = sample.mask.rowRange(0, 3);
  const auto report = verify({{"a.txt", dataset({sample})}}, {});
  EXPECT_EQ(report.lists[0].unusable, 1);
  EXPECT_THAT(texts(report),
              ElementsAre("mask_size a.txt 1: the mask is 3x4, its image 4x4 (height x width)"));
}

TEST(Verify, FilesThatCannotBeUsedAreNamedAndTheRestIsLookedAt) {
  const testing::TemporaryFolder folder;
  const fs::path root = folder.path();
  for (const char* name : {"Images", "Labels"}) fs::create_directories(root / name);
  const auto write = [&](const std::string& id, const Sample& sample) {
    cv::imwrite((root / "Images" / (id + ".png")).string(), sample.image);
    cv::imwrite((root / "Labels" / (id + ".png")).string(), sample.mask);
  };
  const cv::Size size(40, 30);
  write("good", plain_sample("", {1, 2, 3}, 9, size));
  write("cut", plain_sample("", {2, 2, 3}, 9, size));
  write("size", plain_sample("", {3, 2, 3}, 9, size));
  write("lone", plain_sample("", {4, 2, 3}, 9, size));
  const std::string bytes = read_file(root / "Images/cut.png");
  write_file(root / "Images/cut.png", bytes.substr(0, bytes.size() / 2));
  cv::imwrite((root / "Labels/size.png").string(), cv::Mat(30, 41, CV_8UC1, cv::Scalar(1)));
  fs::remove(root / "Labels/lone.png");
  write_file(root / "a.txt", "good.png\ncut.png\nsize.png\nlone.png\n");
  FoldersOptions options;
  options.root = root.string();
  const auto report = verify({{"a.txt", options.open("a.txt", OnError::kSkip)}}, {});
  const auto lines = texts(report);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0],
              ::testing::AllOf(HasSubstr("left_out a.txt : "), HasSubstr("lone.png: image without mask")));
  EXPECT_THAT(lines[1],
              ::testing::AllOf(HasSubstr("unusable a.txt cut: "), HasSubstr("cut.png: truncated PNG")));
  EXPECT_THAT(lines[2],
              ::testing::AllOf(HasSubstr("mask_size a.txt size: "), HasSubstr("the mask is 30x41")));
  EXPECT_EQ(report.lists[0].images, 1);
  EXPECT_EQ(report.lists[0].unusable, 3);
  EXPECT_EQ(report.count(Severity::kError), 3);
}

TEST(Verify, WorkersDoNotChangeTheReportAndProgressRunsThroughAllLists) {
  const auto broken = std::make_shared<MemoryDataset>();
  for (int i = 0; i < 40; ++i) {
    broken->add([i]() -> Sample {
      if (i % 7 == 3) throw DataError(std::to_string(i), "broken");
      return plain_sample(std::to_string(i), {double(i % 5), 1, 1});
    });
  }
  const std::vector<DatasetList> lists = {{"a.txt", broken},
                                          {"b.txt", dataset({plain_sample("z", {99, 1, 1})})}};
  const auto alone = verify(lists, {0, {}});
  std::int64_t last = 0;
  const auto report = verify(lists, {4, [&](std::int64_t done, std::int64_t total) {
                                       EXPECT_EQ(done, ++last);
                                       EXPECT_EQ(total, 41);
                                     }});
  EXPECT_EQ(last, 41);
  EXPECT_EQ(texts(report), texts(alone));
  EXPECT_EQ(report.lists[0].unusable, 6);
}

TEST(Verify, Eg1800HasOneAllForegroundLabelGreyCropsAndTestImagesInItsTrainingList) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  Eg1800Options options;
  options.root = (testing::shared_root() / "data/eg1800").string();
  const auto report = verify({{"train", options.open("eg1800_train.txt", OnError::kSkip)},
                              {"test", options.open("eg1800_test.txt", OnError::kSkip)}},
                             {});
  EXPECT_EQ(report.lists[0].images, 1341);
  EXPECT_EQ(report.lists[1].images, 264);
  EXPECT_EQ(report.lists[0].unusable + report.lists[1].unusable, 0);
  EXPECT_EQ(report.lists[0].sizes, (SizeCounts{{{800, 600}, 1341}}));
  EXPECT_EQ(report.distinct_images, 1599);
  std::vector<std::string> others;
  std::size_t grey = 0;
  for (const auto& f : report.findings) {
    if (f.problem == Problem::kGrey) ++grey;
    if (f.problem != Problem::kGrey) others.push_back(problem_name(f.problem) + " " + f.list + " " + f.id);
  }
  EXPECT_THAT(others,
              ElementsAre("leakage test 00971", "leakage test 01023", "leakage test 01175",
                          "all_foreground train 02188", "grey_file train 00357", "grey_file train 01073",
                          "duplicate train 02051", "duplicate train 02359", "duplicate test 01167"));
  EXPECT_EQ(grey, 110u);
}

}  // namespace
}  // namespace portraitseg
