#include "portraitseg/data/supervisely.h"

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "portraitseg/core/file.h"
#include "portraitseg/data/supervisely_face.h"

#include "support/dataset_test.h"
#include "support/supervisely_objects.h"

namespace portraitseg {
namespace {

using Json = nlohmann::json;
using testing::base64;
using testing::bitmap;
using testing::deflated;
using ::testing::HasSubstr;
using testing::png;
using testing::polygon;
using testing::rectangle;
using SuperviselyFace = testing::DatasetTest;

/// A bitmap of 4 x 6 (height x width) whose alpha is above 0 in the left half: 1 in its upper rows, 255 below.
std::string half_alpha() {
  cv::Mat image(4, 6, CV_8UC4, cv::Scalar(255, 255, 255, 0));
  image(cv::Rect(0, 0, 3, 2)).setTo(cv::Scalar(0, 0, 0, 1));
  image(cv::Rect(0, 2, 3, 2)).setTo(cv::Scalar(255, 255, 255, 255));
  return base64(deflated(png(image)));
}

/// Projects of images of 30 x 20 (height x width).
class Supervisely : public testing::DatasetTest {
 protected:
  void write_annotation(const std::string& file, const std::vector<Json>& objects, int height = 30,
                        int width = 20) const {
    const Json annotation = {{"size", {{"height", height}, {"width", width}}}, {"objects", objects}};
    write_text(file, annotation.dump());
  }
  void write_photo(const std::string& file) const {
    write_image(file, cv::Mat(30, 20, CV_8UC3, cv::Scalar(1, 2, 3)));
  }

  cv::Mat mask_of(const std::vector<Json>& objects, SuperviselyOptions options = {}) const {
    write_photo("ds1/img/a.png");
    write_annotation("ds1/ann/a.png.json", objects);
    return open(std::move(options), "all")->get(0).mask;
  }
  std::string text_refusal(const std::string& json, SuperviselyOptions options = {}) const {
    write_photo("ds1/img/a.png");
    write_text("ds1/ann/a.png.json", json);
    return error(std::move(options), "all");
  }
  std::string refusal(const std::vector<Json>& objects, SuperviselyOptions options = {}) const {
    return text_refusal(Json{{"objects", objects}}.dump(), std::move(options));
  }
  /// Pixels from (x0, y0) to (x1, y1), both included, are 1, and nothing else is.
  static void expect_rectangle(const cv::Mat& mask, int x0, int y0, int x1, int y1) {
    cv::Mat expected = cv::Mat::zeros(30, 20, CV_8U);
    expected(cv::Rect(x0, y0, x1 - x0 + 1, y1 - y0 + 1)).setTo(1);
    EXPECT_EQ(cv::norm(mask, expected, cv::NORM_L1), 0) << mask;
  }
};

TEST_F(Supervisely, APolygonIncludesItsOutline) {
  expect_rectangle(mask_of({polygon(rectangle(5, 6, 14, 15))}), 5, 6, 14, 15);
  expect_rectangle(mask_of({polygon({{4.6, 6.4}, {14.4, 6.4}, {14.4, 15}, {4.6, 15}})}), 5, 6, 14, 15);
}

TEST_F(Supervisely, HolesAreBackground) {
  const cv::Mat mask = mask_of(
      {polygon(rectangle(2, 2, 17, 27), "person_poly", {rectangle(4, 4, 8, 8), rectangle(10, 10, 14, 14)})});
  EXPECT_EQ(mask.at<std::uint8_t>(3, 3), 1);
  EXPECT_EQ(mask.at<std::uint8_t>(6, 6), 0);
  EXPECT_EQ(mask.at<std::uint8_t>(12, 12), 0);
  EXPECT_EQ(cv::countNonZero(mask), 16 * 26 - 2 * 3 * 3);  // the outlines of the holes belong to the person
}

TEST_F(Supervisely, ObjectsAreUnitedAlsoOverAHole) {
  const Json ring = polygon(rectangle(2, 2, 17, 27), "person_poly", {rectangle(4, 4, 8, 8)});
  const Json patch = polygon(rectangle(3, 3, 9, 9), "neutral");
  expect_rectangle(mask_of({ring, patch}), 2, 2, 17, 27);
  expect_rectangle(mask_of({patch, ring}), 2, 2, 17, 27);
  expect_rectangle(mask_of({patch, patch}), 3, 3, 9, 9);  // even-odd holds within an object only
}

TEST_F(Supervisely, WhatLiesOutsideOfTheImageIsCutOff) {
  expect_rectangle(mask_of({polygon(rectangle(-50, -7, 3, 100))}), 0, 0, 3, 29);
  expect_rectangle(mask_of({bitmap(half_alpha(), -1, -2)}), 0, 0, 1, 1);
  expect_rectangle(mask_of({bitmap(half_alpha(), 18, 28)}), 18, 28, 19, 29);
  EXPECT_THAT(refusal({bitmap(half_alpha(), 500, 0)}),
              HasSubstr("a.png.json: the objects of data.classes cover no pixel"));
}

TEST_F(Supervisely, BitmapsCountWhereAlphaIsAbove0) {
  expect_rectangle(mask_of({bitmap(half_alpha(), 10, 20)}), 10, 20, 12, 23);
}

TEST_F(Supervisely, BitmapsOfOneChannelCountWhereTheyAreNot0) {
  cv::Mat grey = cv::Mat::zeros(4, 6, CV_8U);
  grey.colRange(0, 3).setTo(255);
  expect_rectangle(mask_of({bitmap(base64(deflated(png(grey))), 10, 20)}), 10, 20, 12, 23);
}

TEST_F(Supervisely, BitmapsThatCannotBeUnpackedAreNamed) {
  const std::string start = "a.png.json: object 0 (person_bmp): ";
  EXPECT_THAT(refusal({bitmap("***", 0, 0)}), HasSubstr(start + "the bitmap is not base64"));
  EXPECT_THAT(refusal({bitmap("", 0, 0)}), HasSubstr(start + "the bitmap is damaged or truncated"));
  EXPECT_THAT(refusal({bitmap(half_alpha().substr(0, 40), 0, 0)}),
              HasSubstr(start + "the bitmap is damaged"));
  const std::string whole = png(cv::Mat(9, 9, CV_8UC4, cv::Scalar(1, 2, 3, 4)));
  EXPECT_THAT(refusal({bitmap(base64(deflated(whole.substr(0, whole.size() / 2))), 0, 0)}),
              HasSubstr(start + "the bitmap: truncated PNG"));
  EXPECT_THAT(refusal({bitmap(base64(deflated(png(cv::Mat(2, 2, CV_8UC3, cv::Scalar(1, 2, 3))))), 0, 0)}),
              HasSubstr(start + "the bitmap has 3 channels and no alpha"));
  EXPECT_THAT(refusal({bitmap(base64(deflated(std::string(std::size_t{300} << 20, '\0'))), 0, 0)}),
              HasSubstr(start + "the bitmap unpacks to more than"));
}

TEST_F(Supervisely, UnknownClassesAreNamedIgnoredOnesLeftOut) {
  const Json person = polygon(rectangle(5, 6, 14, 15)), dog = polygon(rectangle(0, 0, 3, 3), "dog");
  EXPECT_THAT(
      refusal({dog, person, dog, polygon(rectangle(0, 0, 3, 3), "cat")}),
      HasSubstr("a.png.json: unknown class dog, cat; data.classes are person_poly, person_bmp, neutral"));
  SuperviselyOptions options;
  options.ignored_classes = {"dog"};
  expect_rectangle(mask_of({dog, person}, options), 5, 6, 14, 15);
  EXPECT_THAT(refusal({dog}, options), HasSubstr("the objects of data.classes cover no pixel"));
  options.classes = {"dog"};
  options.ignored_classes = {"person_poly"};
  expect_rectangle(mask_of({dog, person}, options), 0, 0, 3, 3);
}

TEST_F(Supervisely, AnnotationsThatAreNoneAreRefusedWithTheirPath) {
  EXPECT_THAT(text_refusal(std::string("{\"objects\": [")),
              HasSubstr("ds1/ann/a.png.json: not JSON, or cut off"));
  EXPECT_THAT(text_refusal(std::string()), HasSubstr("a.png.json: not JSON"));
  EXPECT_THAT(text_refusal(std::string("[]")), HasSubstr("a.png.json: no annotation"));
  EXPECT_THAT(text_refusal(std::string("{}")), HasSubstr("a.png.json: no list 'objects'"));
  EXPECT_THAT(text_refusal(std::string("{\"objects\": {}}")), HasSubstr("a.png.json: no list 'objects'"));
  EXPECT_THAT(refusal(std::vector<Json>()), HasSubstr("a.png.json: no objects"));
  EXPECT_THAT(refusal(std::vector<Json>{1}), HasSubstr("a.png.json: not an annotation of Supervisely"));
  EXPECT_THAT(refusal(std::vector<Json>{Json{{"classTitle", 3}}}),
              HasSubstr("a.png.json: not an annotation"));
  const std::string start = "a.png.json: object 0 (person_poly): ";
  EXPECT_THAT(refusal(std::vector<Json>{Json{{"classTitle", "person_poly"}}}),
              HasSubstr(start + "neither a polygon nor a bitmap"));
  EXPECT_THAT(refusal({polygon({{1, 2}, {3, 4}})}), HasSubstr(start + "an outline needs three points"));
  EXPECT_THAT(refusal({polygon({{1, 2}, {3, 4}, {5, "x"}})}), HasSubstr(start + "a point is not [x, y]"));
  EXPECT_THAT(refusal({polygon({{1, 2}, {3, 4}, {5e9, 1}})}),
              HasSubstr(start + "a point lies too far outside"));
  EXPECT_THAT(refusal({polygon(rectangle(1, 1, 9, 9), "person_poly", {Json::array({{1, 2}})})}),
              HasSubstr(start + "an outline"));
}

TEST_F(Supervisely, AnAnnotationOfAnotherSizeIsRefused) {
  write_photo("ds1/img/a.png");
  write_annotation("ds1/ann/a.png.json", {polygon(rectangle(5, 6, 14, 15))}, 20, 30);
  EXPECT_THAT(error(SuperviselyOptions(), "all"),
              HasSubstr("a.png.json: annotates an image of 20x30, but the image is 30x20 (height x width)"));
}

TEST_F(Supervisely, BothNamesOfAnnotationsAreFoundByAnyList) {
  const std::vector<Json> objects = {polygon(rectangle(5, 6, 14, 15))};
  write_photo("ds1/img/b.png");
  write_annotation("ds1/ann/b.png.json", objects);
  write_photo("ds1/img/a ü.5.png");
  write_annotation("ds1/ann/a ü.5.json", objects);
  write_photo("ds2/img/c.jpg");
  write_annotation("ds2/ann/c.json", objects);
  write_text("meta.json", "{}");
  write_text("ds2/img/._c.jpg", "of macOS");
  EXPECT_EQ(ids(*open(SuperviselyOptions(), "all")), "ds1/a ü.5 ds1/b ds2/c");
  EXPECT_EQ(ids(*open(SuperviselyOptions(), "ds2")), "ds2/c");
  write_list("list.txt",
             "\xef\xbb\xbf"
             "ds2/c\r\nds1/a ü.5.png\r\nds1/img/b.png\r\n");
  const auto dataset = open(SuperviselyOptions(), "list.txt");
  EXPECT_EQ(ids(*dataset), "ds2/c ds1/a ü.5 ds1/b");
  EXPECT_EQ(dataset->get(0).attributes.at("group"), "ds2");
  EXPECT_EQ(open(SuperviselyOptions(), "ds2")->list_sha256, sha256("ds2/c\n"));
}

TEST_F(Supervisely, ImagesWithoutAnnotationAndWrongFoldersAreNamed) {
  write_photo("ds1/img/a.png");
  EXPECT_THAT(error(SuperviselyOptions(), "all"), HasSubstr("ds1/ann/a.json: image without mask"));
  std::filesystem::remove_all(root() / "ds1");
  EXPECT_THAT(error(SuperviselyOptions(), "all"), HasSubstr("no Supervisely project here; expected dsN/img"));
}

TEST_F(Supervisely, ThreadsReadTheSameMasks) {
  write_photo("ds1/img/a.png");
  write_annotation("ds1/ann/a.png.json", {bitmap(half_alpha(), 10, 20), polygon(rectangle(1, 1, 4, 4))});
  const auto dataset = open(SuperviselyOptions(), "all");
  const cv::Mat expected = dataset->get(0).mask;
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) count += cv::norm(dataset->get(0).mask, expected, cv::NORM_L1) > 0 ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, ::testing::Each(0));
}

TEST_F(SuperviselyFace, TheMaskLiesBelowAnnUnderTheImagesName) {
  const std::string folder = "Supervisely_face/SuperviselyPerson_ds6/";
  write(folder + "img/pexels-photo-7.png", folder + "ann/pexels-photo-7.png", 255);
  write("Supervisely_face/SuperviselyPerson_ds1/img/b.png",
        "Supervisely_face/SuperviselyPerson_ds1/ann/b.png", 255);
  write_list("list.txt",
             folder + "img/pexels-photo-7.png\r\nSupervisely_face/SuperviselyPerson_ds1/img/b.png");
  const auto dataset = open(SuperviselyFaceOptions(), "list.txt");
  ASSERT_EQ(dataset->size(), 2);
  expect_square(dataset->get(0), folder + "pexels-photo-7");
  EXPECT_EQ(dataset->get(0).attributes.at("group"), "SuperviselyPerson_ds6");
}

TEST_F(SuperviselyFace, PathsOutsideOfImgAndMissingMasksAreRefused) {
  write("a/img/1.png", "a/ann/2.png", 255);
  write_list("mask.txt", "a/img/1.png\n");
  write_list("path.txt", "a/1.png\n");
  EXPECT_THAT(error(SuperviselyFaceOptions(), "mask.txt"), HasSubstr("a/ann/1.png: image without mask"));
  EXPECT_THAT(error(SuperviselyFaceOptions(), "path.txt"),
              HasSubstr("path.txt: 'a/1.png' is no path of an image in a folder img"));
}

}  // namespace
}  // namespace portraitseg
