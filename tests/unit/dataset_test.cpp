#include "support/dataset_test.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "portraitseg/core/config.h"
#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/backgrounds.h"
#include "portraitseg/data/folders.h"
#include "portraitseg/data/image_list.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using Folders = testing::DatasetTest;
using ImageList = testing::DatasetTest;
using Backgrounds = testing::DatasetTest;

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

TEST_F(Folders, WhereOddMasksAreSkippedTheEncodingIsThatOfMost) {
  const auto used = [&](const std::vector<int>& portraits) {
    std::string list;
    for (std::size_t i = 0; i < portraits.size(); ++i) {
      const std::string name = std::to_string(i);
      write("Images/" + name + ".png", "Labels/" + name + ".png", portraits[i]);
      list += name + ".png\n";
    }
    write_list("list.txt", list);
    const auto dataset = open(FoldersOptions(), "list.txt", OnError::kSkip);
    std::string ids;
    for (std::int64_t i = 0; i < dataset->size(); ++i) {
      try {
        expect_square(dataset->get(i), dataset->id(i));
        ids += dataset->id(i);
      } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr("does not fit the data set's encoding"));
      }
    }
    return ids;
  };
  EXPECT_EQ(used({255, 255, 1, 255, 255, 255}), "01345");
  EXPECT_EQ(used({1, 1, 255, 1, 1, 1}), "01345");
  EXPECT_EQ(used({100, 100, 7, 1, 100}), "014");
  EXPECT_EQ(used({1, 100, 1, 100}), "02") << "the first of equals";
  EXPECT_EQ(used({255, 1, 1, 255}), "03") << "the first of equals";
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

TEST_F(Folders, APatternTakesTheImagesThatFitInTheOrderOfTheirNames) {
  for (const std::string name : {"b/2", "a/1", "c", "b/deep/3"})
    write("Images/" + name + ".jpg", "Labels/" + name + ".png", 1);
  write("Images/d.png", "Labels/d.png", 1);
  std::ofstream(root() / "Images/a/._1.jpg") << "of macOS";
  std::ofstream(root() / "Images/Thumbs.db") << "of Windows";
  EXPECT_EQ(ids(*open(FoldersOptions(), "*")), "c d");
  EXPECT_EQ(ids(*open(FoldersOptions(), "*.jpg")), "c");
  EXPECT_EQ(ids(*open(FoldersOptions(), "*/*.jpg")), "a/1 b/2");
  EXPECT_EQ(ids(*open(FoldersOptions(), "*/*/[0-9].jpg")), "b/deep/3");
  EXPECT_THAT(error(FoldersOptions(), "*.gif"), HasSubstr("Images: no image below it fits '*.gif'"));
  const auto dataset = open(FoldersOptions(), "*/*.jpg");
  EXPECT_EQ(dataset->list, "*/*.jpg");
  EXPECT_EQ(dataset->list_sha256, sha256("a/1\nb/2\n"));
  expect_square(dataset->get(1), "b/2");
}

/// Masks of one row, as the data set with these options reads them.
class FoldersOfClasses : public testing::DatasetTest {
 protected:
  void write_row(const std::vector<std::uint8_t>& values) const {
    write_image("Images/a.png", cv::Mat(1, static_cast<int>(values.size()), CV_8UC3, cv::Scalar(1, 2, 3)));
    write_image("Labels/a.png", cv::Mat(values, true).reshape(1, 1));
  }
  static FoldersOptions classes(std::int64_t count) {
    FoldersOptions options;
    options.classes = count;
    return options;
  }
  std::vector<int> row(std::int64_t count) const {
    const cv::Mat mask = open(classes(count), "*")->get(0).mask;
    return {mask.begin<std::uint8_t>(), mask.end<std::uint8_t>()};
  }
  static std::string refusal(const std::string& yaml) {
    FoldersOptions options;
    try {
      Config::parse(yaml, "c.yaml").read(options);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  }
};

TEST_F(FoldersOfClasses, ValuesAreTheClassesAnd255IsIgnored) {
  write_row({0, 2, 1, 255});
  EXPECT_THAT(row(3), ElementsAre(0, 2, 1, kIgnore));
  EXPECT_THAT(row(253), ElementsAre(0, 2, 1, kIgnore));
  EXPECT_THAT(error(classes(2), "*"), HasSubstr("Labels/a.png: mask value 2 at row 0, column 1"));
  write_row({0, 255});
  EXPECT_THAT(error(classes(2), "*"), HasSubstr("all background"));  // ignored pixels are no portrait
  EXPECT_THAT(row(0), ElementsAre(0, 1));                            // 0/255 is one of the binary encodings
  write_row({0, 254});
  EXPECT_THAT(error(classes(254), "*"), HasSubstr("mask value 254"));
  write_row({0, 0});
  EXPECT_THAT(error(classes(2), "*"), HasSubstr("all 1 masks are all background"));
  write_image("Labels/a.png", cv::Mat(1, 2, CV_8UC3, cv::Scalar(0, 0, 1)));
  EXPECT_THAT(error(classes(2), "*"), HasSubstr("Labels/a.png: a mask in colours"));
}

TEST_F(FoldersOfClasses, SamplesSayWhichOnesAMirrorExchanges) {
  write_row({0, 2, 1, 3});
  FoldersOptions options = classes(4);
  EXPECT_THAT(open(classes(4), "*")->get(0).mirrored_classes, ElementsAre());
  options.mirrored = {{3, 2}};
  EXPECT_THAT(open(std::move(options), "*")->get(0).mirrored_classes, ElementsAre(Pair(3, 2)));
}

TEST_F(FoldersOfClasses, WhatCannotBeIsRefusedWithItsPlace) {
  EXPECT_EQ(refusal("classes: 7\nmirrored: [[3, 4], [5, 6]]"), "no error");
  EXPECT_THAT(refusal("classes: 1"), HasSubstr("c.yaml:1:10: classes: expected 0 or at least 2"));
  EXPECT_THAT(refusal("classes: 255"), HasSubstr("classes: must be"));
  for (const char* pairs : {"[[3]]", "[[3, 4, 5]]", "[[3, 3]]", "[[3, 4], [4, 5]]", "[[3, 7]]", "[[]]"}) {
    EXPECT_THAT(refusal(std::string("classes: 7\nmirrored: ") + pairs),
                HasSubstr("c.yaml:2:11: mirrored: expected pairs of classes below `classes`"))
        << pairs;
  }
  EXPECT_THAT(refusal("mirrored: [[0, 1]]"), HasSubstr("mirrored: expected pairs"));
}

TEST_F(Folders, WithoutARootNothingOfTheWorkingFolderIsTaken) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write_list("list.txt", "a.jpg\n");
  const fs::path before = fs::current_path();
  fs::current_path(root());
  EXPECT_THROW(FoldersOptions().open("list.txt", OnError::kFail), UserError);
  fs::current_path(before);
}

TEST_F(Backgrounds, AFileOfTheWorkingFolderIsNotTakenForASplit) {
  write_image("a.jpg", cv::Mat(3, 2, CV_8UC3));
  const testing::TemporaryFolder elsewhere;
  std::ofstream(elsewhere.path() / "all") << "b.jpg\n";
  const fs::path before = fs::current_path();
  fs::current_path(elsewhere.path());
  const auto dataset = open(BackgroundsOptions(), "all");
  fs::current_path(before);
  EXPECT_EQ(dataset->list, "all");
  EXPECT_EQ(dataset->list_sha256, sha256("a\n"));
}

TEST_F(Folders, AnExtensionInAnotherCaseIsPointedOut) {
  write("Images/a.JPG", "Labels/a.png", 1);
  write("Images/b.jpg", "Labels/b.PNG", 1);
  write_list("image.txt", "a.jpg\n");
  write_list("mask.txt", "b.jpg\n");
  EXPECT_THAT(error(FoldersOptions(), "image.txt"),
              HasSubstr("Images/a.jpg: no such image; did you mean a.JPG?"));
  EXPECT_THAT(error(FoldersOptions(), "mask.txt"),
              HasSubstr("b.png: image without mask; did you mean b.PNG?"));
}

TEST_F(Folders, TruncatedFilesAreRefused) {
  write("Images/a.jpg", "Labels/a.png", 1);
  write_list("list.txt", "a.jpg\n");
  const std::string mask = read_file(root() / "Labels/a.png");
  std::ofstream(root() / "Labels/a.png") << mask.substr(0, mask.size() / 2);
  EXPECT_THAT(error(FoldersOptions(), "list.txt"), HasSubstr("Labels/a.png: truncated PNG"));
}

TEST_F(ImageList, ReadsBlanksCommasAndTabs) {
  write("images/a.jpg", "masks/one.png", 1);
  write("images/b.jpg", "masks/b.png", 1);
  write("im ages/ü, c.jpg", "masks/c d.png", 1);
  write_list("list.txt",
             "\xef\xbb\xbfimages/a.jpg masks/one.png\r\n\r\nimages/b.jpg , masks/b.png\r\n"
             "im ages/ü, c.jpg\tmasks/c d.png\r\n");
  const auto dataset = open(ImageListOptions(), "list.txt");
  ASSERT_EQ(dataset->size(), 3);
  expect_square(dataset->get(0), "images/a");
  expect_square(dataset->get(1), "images/b");
  expect_square(dataset->get(2), "im ages/ü, c");
}

TEST_F(ImageList, LinesThatAreNoPairAreRefused) {
  write("a.jpg", "a.png", 255);
  write_list("one.txt", "a.jpg\n");
  write_list("three.txt", "a.jpg a.png 1\n");
  write_list("gone.txt", "a.jpg b.png\n");
  write_list("half.txt", "a.jpg,\n");
  EXPECT_THAT(error(ImageListOptions(), "one.txt"), HasSubstr("one.txt: 'a.jpg' is not an image and a mask"));
  EXPECT_THAT(error(ImageListOptions(), "three.txt"),
              HasSubstr("'a.jpg a.png 1' is not an image and a mask"));
  EXPECT_THAT(error(ImageListOptions(), "gone.txt"), HasSubstr("b.png: image without mask"));
  EXPECT_THAT(error(ImageListOptions(), "half.txt"), HasSubstr("'a.jpg,' is not an image and a mask"));
}

TEST_F(Backgrounds, MasksAreAllBackground) {
  write("street.jpg", "unused/x.png", 1);
  fs::remove_all(root() / "unused");
  write("rooms/kitchen.png", "unused/x.png", 1);
  fs::remove_all(root() / "unused");
  const auto dataset = open(BackgroundsOptions(), "all");
  EXPECT_EQ(ids(*dataset), "rooms/kitchen street");
  EXPECT_EQ(dataset->get(0).mask.size(), cv::Size(20, 30));
  EXPECT_EQ(dataset->get(0).mask.type(), CV_8UC1);
  EXPECT_EQ(cv::countNonZero(dataset->get(0).mask), 0);
  EXPECT_EQ(ids(*open(BackgroundsOptions(), "*.jpg")), "street");
  write_list("list.txt", "rooms/kitchen.png\n");
  EXPECT_EQ(ids(*open(BackgroundsOptions(), "list.txt")), "rooms/kitchen");
}

TEST_F(Backgrounds, AnEmptyFolderIsRefused) {
  EXPECT_THAT(error(BackgroundsOptions(), "all"), HasSubstr("all: the list is empty"));
}

}  // namespace
}  // namespace portraitseg
