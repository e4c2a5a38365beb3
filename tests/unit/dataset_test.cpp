#include <fstream>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/eg1800.h"
#include "portraitseg/data/folders.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// Writes small images and masks in any layout.
class DatasetTest : public ::testing::Test {
 protected:
  void write(const std::string& image, const std::string& mask, int foreground,
             cv::Size mask_size = {20, 30}) {
    for (const auto& file : {image, mask}) fs::create_directories((root() / file).parent_path());
    cv::imwrite((root() / image).string(), cv::Mat(30, 20, CV_8UC3, cv::Scalar(10, 20, 30)));
    cv::Mat values = cv::Mat::zeros(mask_size, CV_8U);
    values(cv::Rect(5, 5, 10, 10)).setTo(foreground);
    cv::imwrite((root() / mask).string(), values);
  }
  void write_list(const std::string& name, const std::string& text) { std::ofstream(root() / name) << text; }
  fs::path root() const { return folder_.path(); }

  std::unique_ptr<Dataset> open(DatasetOptions&& options, const std::string& list,
                                OnError on_error = OnError::kFail) const {
    options.root = root().string();
    return options.open(list, on_error);
  }
  std::string error(DatasetOptions&& options, const std::string& list) const {
    try {
      const auto dataset = open(std::move(options), list);
      for (std::int64_t i = 0; i < dataset->size(); ++i) dataset->get(i);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }
  static void expect_square(const Sample& sample, const std::string& id) {
    EXPECT_EQ(sample.id, id);
    EXPECT_EQ(sample.image.size(), cv::Size(20, 30));
    EXPECT_EQ(cv::countNonZero(sample.mask == 1), 100);
    EXPECT_EQ(cv::countNonZero(sample.mask), 100);
  }

 private:
  testing::TemporaryFolder folder_;
};

using Eg1800 = DatasetTest;
using Folders = DatasetTest;

TEST_F(Eg1800, ReadsPortraitNetsPackWithMasks01) {
  write("EG1800/Images/00001.png", "EG1800/Labels/00001.png", 1);
  write("EG1800/Images/00012.png", "EG1800/Labels/00012.png", 1);
  write_list("list.txt", "00012.png\n00001.png");
  const auto dataset = open(Eg1800Options(), "list.txt");
  ASSERT_EQ(dataset->size(), 2);
  expect_square(dataset->get(0), "00012");
  expect_square(dataset->get(1), "00001");
  EXPECT_EQ(dataset->list, fs::absolute(root() / "list.txt"));
  EXPECT_EQ(dataset->list_sha256, sha256("00012.png\n00001.png"));
}

TEST_F(Eg1800, ReadsClovasPackWithBareNumbersAndMasks0255) {
  write("Portrait/images_data_crop/00007.jpg", "Portrait/GT_png/00007_mask.png", 255);
  fs::create_directories(root() / "Portrait");
  write_list("Portrait/train.txt", "7\n");
  const auto dataset = open(Eg1800Options(), "train.txt");
  ASSERT_EQ(dataset->size(), 1);
  expect_square(dataset->get(0), "00007");
}

TEST_F(Eg1800, ReadsImagesAndLabelsWithMasks0200) {
  write("Images/00003.jpg", "Labels/00003.png", 200);
  write_list("list.txt", "00003.jpg\n");
  expect_square(open(Eg1800Options(), (root() / "list.txt").string())->get(0), "00003");
}

TEST_F(Eg1800, WrongFoldersAreNamed) {
  EXPECT_THAT(error(Eg1800Options(), "list.txt"), HasSubstr("no EG1800 here; expected Images/ and Labels/"));
  Eg1800Options options;
  options.root = (root() / "none").string();
  EXPECT_THROW(options.open("list.txt", OnError::kFail), DataError);
}

TEST_F(Folders, ListsAreFoundHereOrBelowTheRoot) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write_list("list.txt", "a.jpg\n");
  EXPECT_EQ(open(FoldersOptions(), "list.txt")->size(), 1);
  EXPECT_THAT(error(FoldersOptions(), "other.txt"), HasSubstr("other.txt: no such list"));
}

TEST_F(Folders, UnusableEntriesAreRefusedWithTheirPath) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write("Images/b.jpg", "Labels/b.png", 1, {21, 30});
  write("Images/c.jpg", "Labels/c.png", 1);
  fs::remove(root() / "Labels/c.png");
  write("Images/d.jpg", "Labels/d.png", 0);
  write_list("empty.txt", "\n \n");
  write_list("size.txt", "a.jpg\nb.jpg\n");
  write_list("mask.txt", "a.jpg\nc.jpg\n");
  write_list("image.txt", "a.jpg\nzz.jpg\n");
  write_list("background.txt", "d.jpg\n");
  EXPECT_THAT(error(FoldersOptions(), "empty.txt"), HasSubstr("empty.txt: the list is empty"));
  EXPECT_THAT(error(FoldersOptions(), "size.txt"), HasSubstr("Labels/b.png: the mask is 30x21, its image"));
  EXPECT_THAT(error(FoldersOptions(), "mask.txt"), HasSubstr("Labels/c.png: image without mask"));
  EXPECT_THAT(error(FoldersOptions(), "image.txt"), HasSubstr("Images/zz.jpg: no such image"));
  EXPECT_THAT(error(FoldersOptions(), "background.txt"), HasSubstr("all 1 masks are all background"));
}

TEST_F(Folders, SkippedEntriesAreListed) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write_list("list.txt", "a.jpg\nzz.jpg\n");
  const auto dataset = open(FoldersOptions(), "list.txt", OnError::kSkip);
  EXPECT_EQ(dataset->size(), 1);
  ASSERT_EQ(dataset->skipped.size(), 1u);
  EXPECT_THAT(dataset->skipped[0], HasSubstr("zz.jpg"));
}

TEST_F(Folders, SubfoldersKeepImagesOfOneNameApart) {
  write("Images/a/1.jpg", "Labels/a/1.png", 1);
  write("Images/b/1.jpg", "Labels/b/1.png", 1);
  write_list("list.txt", "a/1.jpg\nb/1.jpg\n");
  const auto dataset = open(FoldersOptions(), "list.txt");
  expect_square(dataset->get(0), "a/1");
  expect_square(dataset->get(1), "b/1");
}

TEST_F(Folders, AnImageNamedTwiceIsRefused) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write_list("list.txt", "a.jpg\na.jpg\n");
  EXPECT_THAT(error(FoldersOptions(), "list.txt"), HasSubstr("names 'a' twice"));
}

TEST_F(Folders, MasksOfTwoEncodingsAreNoSet) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write("Images/b.jpg", "Labels/b.png", 255);
  write_list("list.txt", "a.jpg\nb.jpg\n");
  EXPECT_THAT(error(FoldersOptions(), "list.txt"), HasSubstr("a.png: marks the portrait by 1, but"));
}

TEST_F(Folders, AListOfTheSameNameInTheWorkingFolderIsNotTakenForTheSetsOwn) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write_list("list.txt", "a.jpg\n");
  const testing::TemporaryFolder elsewhere;
  std::ofstream(elsewhere.path() / "list.txt") << "b.jpg\n";
  const fs::path before = fs::current_path();
  fs::current_path(elsewhere.path());
  const auto dataset = open(FoldersOptions(), "list.txt");
  fs::current_path(before);
  EXPECT_EQ(dataset->list, fs::absolute(root() / "list.txt"));
}

TEST_F(Folders, AMaskThatDoesNotFitTheEncodingOfTheSetIsNamed) {
  std::string list;
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(100 + i);
    write("Images/" + name + ".png", "Labels/" + name + ".png", i == 98 ? 77 : 1);
    list += name + ".png\n";
  }
  write_list("list.txt", list);
  EXPECT_THAT(error(FoldersOptions(), "list.txt"), HasSubstr("Labels/198.png"));
}

}  // namespace
}  // namespace portraitseg
