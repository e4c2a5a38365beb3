// Data sets of many classes: EasyPortrait and Cityscapes.
#include <map>
#include <string>

#include <gmock/gmock.h>

#include "portraitseg/core/file.h"
#include "portraitseg/data/cityscapes.h"
#include "portraitseg/data/easyportrait.h"

#include "support/dataset_test.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

/// Images of one row, a pixel for each value of their mask.
class ClassDatasets : public testing::DatasetTest {
 protected:
  void write_row(const std::string& image, const std::string& mask,
                 const std::vector<std::uint8_t>& values) const {
    write_image(image, cv::Mat(1, static_cast<int>(values.size()), CV_8UC3, cv::Scalar(1, 2, 3)));
    write_image(mask, cv::Mat(values, true).reshape(1, 1));
  }
  static std::vector<int> row(const Sample& sample) {
    return std::vector<int>(sample.mask.begin<std::uint8_t>(), sample.mask.end<std::uint8_t>());
  }
};

class EasyPortrait : public ClassDatasets {
 protected:
  void write_portrait(const std::string& name) const {
    write_row("images/" + name + ".jpg", "annotations/" + name + ".png", {0, 1, 2, 3, 4, 5, 6, 7, 8});
  }
  static EasyPortraitOptions with_metadata(const std::string& file) {
    EasyPortraitOptions options;
    options.metadata = file;
    return options;
  }
  std::map<std::string, std::string> attributes(const std::string& csv) const {
    write_portrait("train/b");
    write_text("meta.csv", csv);
    return open(with_metadata("meta.csv"), "train")->get(0).attributes;
  }
};

TEST_F(EasyPortrait, TasksMapTheNineLabels) {
  write_portrait("train/a");
  const auto classes = [&](EasyPortraitOptions::Task task) {
    EasyPortraitOptions options;
    options.task = task;
    return row(open(std::move(options), "train")->get(0));
  };
  EXPECT_THAT(classes(EasyPortraitOptions::Task::kAll), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(classes(EasyPortraitOptions::Task::kPortrait), ElementsAre(0, 1, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(classes(EasyPortraitOptions::Task::kFaceParsing), ElementsAre(0, 0, 1, 2, 3, 4, 5, 6, 7));
}

TEST_F(EasyPortrait, BrowsAndEyesAreMirroredClasses) {
  write_portrait("train/a");
  const auto mirrored = [&](EasyPortraitOptions::Task task) {
    EasyPortraitOptions options;
    options.task = task;
    return open(std::move(options), "train")->get(0).mirrored_classes;
  };
  EXPECT_THAT(mirrored(EasyPortraitOptions::Task::kAll), ElementsAre(Pair(3, 4), Pair(5, 6)));
  EXPECT_THAT(mirrored(EasyPortraitOptions::Task::kFaceParsing), ElementsAre(Pair(2, 3), Pair(4, 5)));
  EXPECT_THAT(mirrored(EasyPortraitOptions::Task::kPortrait), ElementsAre());
}

TEST_F(EasyPortrait, SplitsAndListsNameImages) {
  for (const char* name : {"train/b", "train/a", "val/c"}) write_portrait(name);
  write_list("list.txt", "\xef\xbb\xbfval/c.jpg\r\ntrain/b\r\n");
  const auto train = open(EasyPortraitOptions(), "train");
  EXPECT_EQ(ids(*train), "train/a train/b");
  EXPECT_EQ(train->list, "train");
  EXPECT_EQ(train->list_sha256, sha256("train/a\ntrain/b\n"));
  EXPECT_EQ(ids(*open(EasyPortraitOptions(), "list.txt")), "val/c train/b");
  EXPECT_THAT(error(EasyPortraitOptions(), "test"), HasSubstr("test: no such list"));
}

TEST_F(EasyPortrait, MasksThatAreNoLabelsAreRefused) {
  write_row("images/train/a.jpg", "annotations/train/a.png", {0, 1, 9});
  EXPECT_THAT(error(EasyPortraitOptions(), "train"),
              HasSubstr("annotations/train/a.png: mask value 9 at row 0, column 2 does not fit"));
  write_image("annotations/train/a.png", cv::Mat(1, 3, CV_8UC3, cv::Scalar(0, 0, 8)));
  EXPECT_THAT(error(EasyPortraitOptions(), "train"), HasSubstr("annotations/train/a.png: a mask in colours"));
  write_image("annotations/train/a.png", cv::Mat(1, 3, CV_16U, cv::Scalar(256)));
  EXPECT_THAT(error(EasyPortraitOptions(), "train"), HasSubstr("mask value 256 is above 255"));
  write_image("annotations/train/a.png", cv::Mat(2, 3, CV_8U, cv::Scalar(1)));
  EXPECT_THAT(error(EasyPortraitOptions(), "train"), HasSubstr("a.png: the mask is 2x3, its image"));
  write_image("annotations/train/a.png", cv::Mat::zeros(1, 3, CV_8U));
  EXPECT_THAT(error(EasyPortraitOptions(), "train"), HasSubstr("all 1 masks are all background"));
  write_image("annotations/train/a.png",
              cv::Mat(1, 3, CV_8UC3, cv::Scalar(2, 2, 2)));  // grey stored as colour
  EXPECT_EQ(error(EasyPortraitOptions(), "train"), "no error");
}

TEST_F(EasyPortrait, MetadataIsFoundByTheNamesOfItsColumns) {
  const auto expected = ElementsAre(Pair("brightness", "0.5"), Pair("user_id", "u1"));
  EXPECT_THAT(attributes("image_name,user_id,brightness\na,u0,0.1\nb,u1,0.5\n"), expected);
  EXPECT_THAT(attributes("brightness,image_name,user_id\n0.1,a.jpg,u0\n0.5,b.jpg,u1\n"), expected);
  EXPECT_THAT(attributes("brightness;user_id;image_name\r\n0.5;u1;b\r\n"), expected);
  EXPECT_THAT(attributes("\xef\xbb\xbf"
                         "attachment_id\tuser_id\tbrightness\nb\tu1\t0.5"),
              expected);  // v1
  EXPECT_THAT(attributes(",\"image_name\",user_id,\"brightness\"\n0,\"b\",\"u1\",0.5\n"),
              expected);  // pandas' index
}

TEST_F(EasyPortrait, QuotedFieldsMayHoldAnything) {
  EXPECT_THAT(attributes("image_name,user_id\nb,\"a \"\"b\"\", c\nd\"\n"),
              ElementsAre(Pair("user_id", "a \"b\", c\nd")));
  EXPECT_THAT(attributes("image_name,user_id\nother,u1\n"), ElementsAre());  // images without a row have none
}

TEST_F(EasyPortrait, MetadataThatIsNoneIsRefused) {
  const auto refusal = [&](const std::string& csv) {
    write_portrait("train/b");
    write_text("meta.csv", csv);
    return error(with_metadata("meta.csv"), "train");
  };
  EXPECT_THAT(refusal("name,user_id\nb,u1\n"),
              HasSubstr("meta.csv: no column image_name or attachment_id; it has: name, user_id"));
  EXPECT_THAT(refusal("image_name,user_id\nb\n"), HasSubstr("meta.csv: line 2 has 1 fields, the header 2"));
  EXPECT_THAT(refusal("image_name,user_id\n\"b,u1\n"),
              HasSubstr("meta.csv: a quote that opens at line 2 is never closed"));
  EXPECT_THAT(refusal("\n"), HasSubstr("meta.csv: the table is empty"));
  EXPECT_THAT(error(with_metadata("gone.csv"), "train"), HasSubstr("gone.csv: no such list"));
}

class Cityscapes : public ClassDatasets {
 protected:
  void write_street(const std::string& name, const std::vector<std::uint8_t>& ids) const {
    write_row("leftImg8bit/" + name + "_leftImg8bit.png", "gtFine/" + name + "_gtFine_labelIds.png", ids);
  }
};

TEST_F(Cityscapes, LabelIdsBecomeTrainIds) {
  std::vector<std::uint8_t> every;
  for (std::uint8_t id = 0; id <= 33; ++id) every.push_back(id);
  every.push_back(255);
  write_street("train/aachen/aachen_000000_000019", every);
  // labels.py of cityscapesScripts, "trainId" of ids 0..33
  EXPECT_THAT(row(open(CityscapesOptions(), "train")->get(0)),
              ElementsAre(255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255,
                          6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 16, 17, 18, 255));
}

TEST_F(Cityscapes, PersonsAndRidersAreTheTaskPerson) {
  write_street("train/aachen/aachen_000000_000019", {0, 7, 23, 24, 25, 26, 29, 33, 255});
  CityscapesOptions options;
  options.task = CityscapesOptions::Task::kPerson;
  EXPECT_THAT(row(open(std::move(options), "train")->get(0)), ElementsAre(255, 0, 0, 1, 1, 0, 255, 0, 255));
}

TEST_F(Cityscapes, SplitsAndListsNameImages) {
  write_street("val/lindau/lindau_0", {24});
  write_street("val/bonn/bonn_1", {24});
  write_street("train/ulm/ulm_2", {24});
  write_image("leftImg8bit/val/bonn/preview.png", cv::Mat(1, 1, CV_8UC3));
  const auto val = open(CityscapesOptions(), "val");
  EXPECT_EQ(ids(*val), "val/bonn/bonn_1 val/lindau/lindau_0");
  EXPECT_EQ(val->get(0).attributes.at("city"), "bonn");
  write_list("list.txt", "leftImg8bit/train/ulm/ulm_2_leftImg8bit.png\nval/bonn/bonn_1_leftImg8bit.png\n");
  EXPECT_EQ(ids(*open(CityscapesOptions(), "list.txt")), "train/ulm/ulm_2 val/bonn/bonn_1");
  write_list("wrong.txt", "val/bonn/bonn_1.png\n");
  EXPECT_THAT(error(CityscapesOptions(), "wrong.txt"),
              HasSubstr("wrong.txt: 'val/bonn/bonn_1.png' does not end in _leftImg8bit.png"));
}

TEST_F(Cityscapes, IdsWithoutMeaningAndMissingMasksAreRefused) {
  write_street("val/bonn/bonn_1", {24, 34});
  EXPECT_THAT(error(CityscapesOptions(), "val"),
              HasSubstr("bonn_1_gtFine_labelIds.png: mask value 34 at row 0, column 1 does not fit"));
  std::filesystem::remove_all(root() / "gtFine");
  EXPECT_THAT(error(CityscapesOptions(), "val"), HasSubstr("bonn_1_gtFine_labelIds.png: image without mask"));
}

}  // namespace
}  // namespace portraitseg
