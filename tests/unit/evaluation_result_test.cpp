#include "portraitseg/report/evaluation_result.h"

#include <cmath>

#include <gmock/gmock.h>

#include "portraitseg/core/error.h"
#include "portraitseg/report/image_figure.h"

#include "support/handmade_evaluation.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using testing::HandmadeEvaluation;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsNan;
using Json = nlohmann::ordered_json;

class ReadEvaluation : public ::testing::Test {
 protected:
  fs::path table() const { return folder_.path() / "clova/per_image.csv"; }
  fs::path json() const { return folder_.path() / "metrics.json"; }

  EvaluationResult read(const std::string& protocol = "") const {
    return read_evaluation(folder_.path(), protocol);
  }

  /// What the refusal says.
  std::string refusal(const std::string& protocol = "") const {
    try {
      read(protocol);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }
  std::string refusal_of_table(const std::string& text) const {
    testing::write_bytes(table(), text);
    return refusal();
  }
  std::string refusal_of_json(const std::string& text) const {
    testing::write_bytes(json(), text);
    return refusal();
  }

  const fs::path& path() const { return folder_.path(); }

 private:
  testing::TemporaryFolder folder_;
};

std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(ReadEvaluation, ByTheNamesOfColumnsInTheOrderOfTheIds) {
  HandmadeEvaluation folder = HandmadeEvaluation::of({90, 80, 70});
  folder.images[0].first = "\"z, \"\"1\"\"\"";
  folder.add("attribute.light", {"dim", "", "\"a,b\""}).add("brightness", {"", "12.5", "1e2"});
  folder.figures = {{"iou_foreground", 80}, {"class_iou_3", nullptr}};
  folder.write(path());
  const EvaluationResult result = read();
  EXPECT_THAT(result.ids, ElementsAre("001", "002", "z, \"1\""));
  EXPECT_THAT(result.numbers.at("iou_foreground"), ElementsAre(80, 70, 90));
  EXPECT_THAT(result.numbers.at("brightness"), ElementsAre(12.5, 100, IsNan()));
  EXPECT_THAT(result.attributes.at("light"), ElementsAre("", "a,b", "dim"));
  EXPECT_EQ(result.figures[0].second, 80);
  EXPECT_THAT(result.figures[1].second, IsNan());
  EXPECT_EQ(result.protocol, "clova");
  EXPECT_EQ(result.network, "sinet");
  EXPECT_EQ(result.weights, "SINet.pth");

  const EvaluationResult two = result.of_images({"001", "z, \"1\""});
  EXPECT_THAT(two.numbers.at("iou_foreground"), ElementsAre(80, 90));
  EXPECT_THAT(two.attributes.at("light"), ElementsAre("", "dim"));
}

TEST_F(ReadEvaluation, BrokenTablesAreNamedWithTheLine) {
  const HandmadeEvaluation folder = HandmadeEvaluation::of({90, 80, 70});
  folder.write(path());
  const std::string text = folder.table();
  EXPECT_EQ(refusal(), "");
  EXPECT_THAT(refusal_of_table(with(text, "\n002,", "\n000,")),
              HasSubstr("per_image.csv: line 4: the image '000' occurs a second time"));
  EXPECT_THAT(refusal_of_table(with(text, "\n002,", "\n,")), HasSubstr("line 4: the id is empty"));
  EXPECT_THAT(refusal_of_table(with(text, "80.0", "many")),
              HasSubstr("line 3: 'many00000' in column 'iou_foreground' is no number"));
  EXPECT_THAT(refusal_of_table(with(text, "90.000000", "nan")), HasSubstr("line 2: 'nan' in column"));
  EXPECT_THAT(refusal_of_table(with(text, "id,height", "name,height")),
              HasSubstr("no column 'id'; it has: name, height, width, iou_foreground"));
  EXPECT_THAT(refusal_of_table(with(text, ",width,", ",height,")),
              HasSubstr("two columns are called 'height'"));
  EXPECT_THAT(refusal_of_table(with(text, ",list_sha256\n", ",sha256\n")),
              HasSubstr("no column 'list_sha256'"));
  EXPECT_THAT(refusal_of_table(text.substr(0, text.rfind("\n002,") + 1)),
              HasSubstr("per_image.csv: holds 2 images, metrics.json says 3"));
  EXPECT_THAT(refusal_of_table(text.substr(0, text.size() - 80)), HasSubstr("line 4 has "));
  EXPECT_THAT(refusal_of_table(with(text, folder.protocol_hash, std::string(64, 'e'))),
              HasSubstr("line 2: protocol_hash is 'eee"));
  EXPECT_THAT(refusal_of_table(text.substr(0, text.find('\n') + 1)), HasSubstr("holds no image"));
  EXPECT_THAT(refusal_of_table(""), HasSubstr("the table is empty"));
  fs::remove(table());
  EXPECT_THAT(refusal(), HasSubstr("clova/per_image.csv: "));
}

TEST_F(ReadEvaluation, BrokenMetricsAreNamed) {
  const HandmadeEvaluation folder = HandmadeEvaluation::of({90, 80, 70});
  folder.write(path());
  EXPECT_THAT(refusal_of_json("{"), HasSubstr("metrics.json: is no JSON"));
  EXPECT_THAT(refusal_of_json("[]"), HasSubstr("holds no results"));
  EXPECT_THAT(refusal_of_json(R"({"results": []})"), HasSubstr("holds no results"));
  EXPECT_THAT(refusal_of_json(R"({"results": [3]})"), HasSubstr("a result is no object"));
  EXPECT_THAT(refusal_of_json(R"({"results": [{"protocol": "clova"}]})"),
              HasSubstr("'protocol_hash' of a result is missing"));
  Json result = folder.result();
  result["metrics"] = {{"boundary_f1", {{"15", 80}}}};
  EXPECT_THAT(refusal_of_json(Json{{"results", {result}}}.dump()),
              HasSubstr("figure 'boundary_f1' is no number: was it written by an older version?"));
  result = folder.result();
  result["n"] = "3";
  EXPECT_THAT(refusal_of_json(Json{{"results", {result}}}.dump()), HasSubstr("'n' of a result"));
  result.erase("metrics");
  EXPECT_THAT(refusal_of_json(Json{{"results", {result}}}.dump()),
              HasSubstr("'metrics' of a result is missing"));
  fs::remove(json());
  EXPECT_THAT(refusal(), HasSubstr("holds no metrics.json"));
}

TEST_F(ReadEvaluation, OfSeveralProtocolsOneIsNamed) {
  HandmadeEvaluation clova = HandmadeEvaluation::of({90, 80}), native = HandmadeEvaluation::of({91, 81});
  native.protocol = "native";
  clova.write(path());
  native.write(path());
  testing::write_bytes(json(), Json{{"results", {clova.result(), native.result()}}}.dump());
  EXPECT_THAT(refusal(), HasSubstr("holds several results: clova, native"));
  EXPECT_THAT(read("native").numbers.at("iou_foreground"), ElementsAre(91, 81));
  EXPECT_THAT(refusal("mmseg"), HasSubstr("no result by the protocol mmseg; it has: clova, native"));
  EXPECT_THAT(evaluated_protocols(path()), ElementsAre("clova", "native"));
  EXPECT_THROW(evaluated_protocols(path() / "clova"), DataError);
}

TEST_F(ReadEvaluation, AttributesComeFromAnyTableWithIds) {
  testing::write_bytes(path() / "people.csv", "age;id\nold;1\n;2\n");
  EXPECT_THAT(read_attribute(path() / "people.csv", "age"),
              ElementsAre(std::pair("1", "old"), std::pair("2", "")));
  EXPECT_THROW(read_attribute(path() / "people.csv", "race"), DataError);
  testing::write_bytes(path() / "people.csv", "age,id\nold,1\nyoung,1\n");
  EXPECT_THROW(read_attribute(path() / "people.csv", "age"), DataError);
}

/// Two images: tp fp fn tn = 6 1 1 2 and 2 0 2 6; the sums are 8 1 3 8.
HandmadeEvaluation counted() {
  HandmadeEvaluation folder = HandmadeEvaluation::of({75, 50});
  folder.images[0].second = {"75", "6", "1", "1", "2"};
  folder.images[1].second = {"50", "2", "0", "2", "6"};
  folder.add("miou", {"62.5", "62.5"});
  folder.figures = {{"iou_foreground", 62.5}, {"miou", 66.6666666667}, {"iou_foreground_set", 66.6666666667}};
  return folder;
}

TEST_F(ReadEvaluation, AFigureOfTheWholeListIsMadeOfTheSummedColumns) {
  counted().write(path());
  const ImageFigure miou = image_figure(read(), "miou");
  EXPECT_EQ(miou.title, "mIoU, 2 classes, whole list");
  EXPECT_NEAR(miou.over({0, 1}), 100 * (8.0 / 12 + 8.0 / 12) / 2, 1e-9);
  EXPECT_NEAR(miou.over({1, 1}), 100 * (4.0 / 8 + 12.0 / 16) / 2, 1e-9);
  EXPECT_THAT(miou.over({}), IsNan());
  const ImageFigure foreground = image_figure(read(), "iou_foreground");
  EXPECT_NEAR(foreground.over({0, 1}), 62.5, 1e-9);
  EXPECT_EQ(foreground.title, "foreground IoU, mean over images");
}

TEST_F(ReadEvaluation, AnUnknownFigureMustBeAMeanOverImages) {
  HandmadeEvaluation folder = counted();
  folder.add("sharpness", {"3", "4"}).add("area", {"3", "4"});
  folder.figures.emplace_back("sharpness", 3.5);
  folder.figures.emplace_back("area", 7);
  folder.figures.emplace_back("elsewhere", 7);
  folder.write(path());
  EXPECT_NEAR(image_figure(read(), "sharpness").over({0, 1}), 3.5, 1e-9);
  EXPECT_THROW(image_figure(read(), "area"), UserError);
  EXPECT_THROW(image_figure(read(), "elsewhere"), UserError);
  EXPECT_THROW(image_figure(read(), "tp"), UserError);
}

TEST_F(ReadEvaluation, WhatIsComparedWithoutAWord) {
  HandmadeEvaluation folder = counted();
  folder.write(path());
  EXPECT_THAT(default_figures(read()), ElementsAre("iou_foreground"));
  folder.figures = {{"pixel_accuracy", 90}, {"miou", 66}};
  folder.write(path());
  EXPECT_THAT(default_figures(read()), ElementsAre("miou"));
  folder.figures = {{"pixel_accuracy", 90}};
  folder.write(path());
  EXPECT_THROW(default_figures(read()), UserError);
}

}  // namespace
}  // namespace portraitseg
