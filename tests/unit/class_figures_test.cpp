// What is made of a network with many classes: figures, files, page and pictures.
#include <cmath>
#include <stdexcept>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/metrics/class_counts.h"
#include "portraitseg/report/class_overlay.h"
#include "portraitseg/report/csv.h"
#include "portraitseg/report/overlay.h"
#include "portraitseg/report/results.h"
#include "portraitseg/report/run_page.h"
#include "portraitseg/report/sample_pictures.h"

#include "support/memory_dataset.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// Answers for each pixel with the class that its blue value names.
class Oracle final : public SegmentationModel {
 public:
  explicit Oracle(std::int64_t classes) : classes_(classes) {
    sharpness_ = register_parameter("sharpness", torch::ones({}));
  }
  SegmentationOutput forward(const torch::Tensor& image) override {
    const torch::Tensor distance =
        image.slice(1, 0, 1) - torch::arange(classes_, torch::kFloat32).view({1, classes_, 1, 1});
    SegmentationOutput output;
    output.mask = -sharpness_ * distance.abs();
    return output;
  }
  std::int64_t size_multiple() const override { return 1; }

 private:
  std::int64_t classes_;
  torch::Tensor sharpness_;
};

Preprocessing plain() {
  Preprocessing preprocessing;
  preprocessing.geometry = Geometry::kKeep;
  preprocessing.scale = 1;
  return preprocessing;
}

/// A mask of two rows, an image whose blue values are the classes to be answered.
Sample sample(const std::string& id, const std::vector<int>& label, const std::vector<int>& answer) {
  const cv::Size size(static_cast<int>(label.size()), 1);
  Sample sample{id, cv::Mat(size, CV_8UC3, cv::Scalar::all(0)), cv::Mat::zeros(size, CV_8UC1), {}};
  for (int x = 0; x < size.width; ++x) {
    sample.mask.at<std::uint8_t>(0, x) = static_cast<std::uint8_t>(label[static_cast<std::size_t>(x)]);
    sample.image.at<cv::Vec3b>(0, x)[0] = static_cast<std::uint8_t>(answer[static_cast<std::size_t>(x)]);
  }
  return sample;
}

Evaluation evaluation_of(const testing::MemoryDataset& dataset, std::int64_t classes,
                         std::int64_t batch_size = 4, const std::string& protocol = "mmseg") {
  Oracle model(classes);
  EvaluatorOptions options;
  options.batch_size = batch_size;
  DeviceOptions device;
  device.name = "cpu";
  device.fused = false;
  return evaluate(model, plain(), dataset, protocols().at(protocol), options, Device(device));
}

/// Of four classes; nobody sees class 2.
testing::MemoryDataset three_images() {
  testing::MemoryDataset dataset;
  dataset.list = "val.txt";
  dataset.add(sample("a", {0, 0, 1, 1, 3, 255}, {0, 1, 1, 1, 3, 1}))
      .add(sample("b", {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 3}))
      .add(sample("c", {3, 3, 3, 1, 255, 255}, {3, 0, 3, 1, 2, 2}));
  return dataset;
}

TEST(ClassFigures, AreOfTheCountsSummedOverTheList) {
  const Evaluation evaluation = evaluation_of(three_images(), 4);
  ASSERT_EQ(evaluation.figures().size(), 2 + 4U);
  EXPECT_DOUBLE_EQ(evaluation.figure("class_iou_0"), 100 * 6 / 9.0);
  EXPECT_DOUBLE_EQ(evaluation.figure("class_iou_1"), 100 * 3 / 4.0);
  EXPECT_TRUE(std::isnan(evaluation.figure("class_iou_2")));
  EXPECT_DOUBLE_EQ(evaluation.figure("class_iou_3"), 100 * 3 / 5.0);
  EXPECT_DOUBLE_EQ(evaluation.figure("miou"), (200 / 3.0 + 75 + 60) / 3);
  EXPECT_DOUBLE_EQ(evaluation.figure("pixel_accuracy"), 100 * 12 / 15.0);
  EXPECT_THROW(evaluation.figure("iou_foreground"), std::out_of_range);
}

TEST(ClassFigures, DoNotDependOnTheBatches) {
  const std::string expected = results_json({evaluation_of(three_images(), 4, 1)});
  for (const std::int64_t batch_size : {2, 3, 32})
    EXPECT_EQ(results_json({evaluation_of(three_images(), 4, batch_size)}), expected);
}

TEST(ClassFigures, NamesAreInTheOrderOfTheClasses) {
  const auto names = [](std::int64_t classes) {
    std::vector<std::string> result;
    for (const Figure& figure : class_counts_metric(classes).figures) result.push_back(figure.name);
    return result;
  };
  EXPECT_THAT(names(3),
              ::testing::ElementsAre("miou", "pixel_accuracy", "class_iou_0", "class_iou_1", "class_iou_2"));
  EXPECT_EQ(names(10).at(2), "class_iou_0");
  EXPECT_EQ(names(11).at(2), "class_iou_00");
  EXPECT_EQ(names(11).back(), "class_iou_10");
}

TEST(ClassFigures, ATwoClassProtocolRefusesMoreClasses) {
  EXPECT_THAT([] { evaluation_of(three_images(), 4, 4, "native"); },
              ::testing::ThrowsMessage<UserError>(::testing::AllOf(
                  HasSubstr("the protocol native"), HasSubstr("4 classes"), HasSubstr("mmseg"))));
}

TEST(ClassFigures, AMaskWithAClassThatTheNetworkHasNotIsRefused) {
  EXPECT_THAT([] { evaluation_of(three_images(), 3); },
              ::testing::ThrowsMessage<UserError>(
                  HasSubstr("a: the mask has class 3, but the network's are 0 to 2")));
}

TEST(ClassFigures, NothingLabelledIsRefused) {
  testing::MemoryDataset dataset;
  dataset.list = "val.txt";
  dataset.add(sample("a", {255, 255}, {0, 1}));
  EXPECT_THAT([&] { evaluation_of(dataset, 3); },
              ::testing::ThrowsMessage<DataError>(HasSubstr("no pixel of its masks is labelled")));
}

TEST(ClassFigures, TwoClassesAreTheSameMeanAsTheProtocolNative) {
  testing::MemoryDataset dataset;
  dataset.list = "val.txt";
  dataset.add(sample("a", {0, 0, 1, 1, 1, 255}, {0, 1, 1, 1, 0, 1})).add(sample("b", {1, 0, 0}, {1, 1, 0}));
  const Evaluation native = evaluation_of(dataset, 2, 4, "native");
  EXPECT_DOUBLE_EQ(evaluation_of(dataset, 2).figure("miou"), native.figure("miou"));
  EXPECT_THROW(native.figure("class_iou_0"), std::out_of_range);
}

TEST(ClassFigures, ResultsShowEachClassAndWhichIsLeftOut) {
  const Evaluation evaluation = evaluation_of(three_images(), 4);
  const auto metrics = nlohmann::json::parse(results_json({evaluation})).at("results").at(0).at("metrics");
  EXPECT_TRUE(metrics.at("class_iou_2").is_null());
  EXPECT_DOUBLE_EQ(metrics.at("class_iou_1").get<double>(), 75);
  EXPECT_FALSE(metrics.contains("iou_foreground"));
  const std::string table = results_table(summaries_of({evaluation}));
  EXPECT_THAT(table, HasSubstr("mIoU, 4 classes, whole list"));
  EXPECT_THAT(table, HasSubstr("IoU of class 3, whole list"));
  EXPECT_THAT(table, HasSubstr(", undefined: class_iou_2"));
  EXPECT_THAT(table, Not(HasSubstr("nan")));
}

TEST(ClassFigures, EveryImagesCountsAreInTheFile) {
  const std::string csv = per_image_csv(evaluation_of(three_images(), 4));
  EXPECT_THAT(csv, StartsWith("id,height,width,class0_tp,class0_fp,class0_fn,class1_tp,"));
  EXPECT_THAT(csv, HasSubstr(",miou,pixel_accuracy,class_iou_0,class_iou_1,class_iou_2,class_iou_3,"
                             "foreground_share,brightness,protocol,"));
  EXPECT_THAT(csv, HasSubstr("\nb,1,6,5,0,1,0,0,0,0,0,0,0,1,0,41.66666667,83.33333333,83.33333333,,,0,"
                             "0,0,mmseg,"));
}

TEST(MetricsCsv, LeavesACellEmptyWhereAnEpochLacksAFigure) {
  EpochRecord first, second;
  first.epoch = 1;
  first.validation = {{"class_iou_0", 90}, {"miou", 90}};
  first.val_protocol = "mmseg";
  second.epoch = 2;
  second.validation = {{"class_iou_0", 91}, {"class_iou_1", 0}, {"miou", 45.5}};
  const std::string csv = metrics_csv({first, second});
  EXPECT_THAT(csv, HasSubstr("val_class_iou_0,val_class_iou_1,val_miou,"));
  EXPECT_THAT(csv, HasSubstr("\n1,0,0,0,90,,90,"));
  EXPECT_THAT(csv, HasSubstr("\n2,0,0,0,91,0,45.5,"));
  EXPECT_EQ(metrics_csv({}), "");

  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "metrics.csv";
  write_file(path, csv);
  const auto columns = read_metrics(path);
  EXPECT_THAT(columns.at("epoch"), ::testing::ElementsAre(first.epoch, second.epoch));
  EXPECT_EQ(columns.count("val_protocol"), 0U) << "is text";
  write_file(path, "");
  EXPECT_TRUE(read_metrics(path).empty());
}

TEST(RunPage, OfManyClassesHasACurveAndAColorForEach) {
  RunPage page;
  page.name = "run";
  page.epochs = 2;
  page.classes = 3;
  page.selected_by = "miou";
  page.samples = {{"00001", 64, 192, "PNG"}};
  page.progress.epoch = 1;
  page.progress.history.resize(1);
  page.progress.history[0].epoch = 1;
  page.progress.history[0].validation = {{"class_iou_0", 90}, {"class_iou_2", 30}, {"miou", 60}};
  const std::string html = run_page(page);
  EXPECT_THAT(html, HasSubstr("Validation: IoU of each class, percent"));
  EXPECT_THAT(html, HasSubstr("class_iou_2"));
  EXPECT_THAT(html, Not(HasSubstr("boundary")));
  const cv::Vec3b second = class_color(2);
  char swatch[32];
  std::snprintf(swatch, sizeof(swatch), "#%02x%02x%02x\"></i>2.", second[2], second[1], second[0]);
  EXPECT_THAT(html, HasSubstr(swatch));
  page.classes = 0;
  EXPECT_THAT(run_page(page), HasSubstr("missed portrait"));
}

TEST(ClassOverlay, EighteenClassesHaveColorsOfTheirOwn) {
  for (int a = 1; a <= 18; ++a) {
    for (int b = 1; b < a; ++b)
      EXPECT_GT(
          cv::norm(class_color(static_cast<std::uint8_t>(a)), class_color(static_cast<std::uint8_t>(b))), 50)
          << a << " " << b;
  }
}

TEST(OverlayOfClasses, ShowsLabelBesidePrediction) {
  const cv::Mat image(20, 30, CV_8UC3, cv::Scalar(10, 20, 30)), label(20, 30, CV_8UC1, cv::Scalar(2)),
      prediction(20, 30, CV_8UC1, cv::Scalar(5));
  const cv::Mat picture = overlay_of_classes(image, label, prediction);
  ASSERT_EQ(picture.size(), cv::Size(60, 20));
  EXPECT_EQ(cv::norm(picture.colRange(0, 30), class_overlay(image, label)), 0);
  EXPECT_EQ(cv::norm(picture.colRange(30, 60), class_overlay(image, prediction)), 0);
  const cv::Mat panels = sample_picture(image, label, prediction, Protocol::Counting::kClasses, 100);
  EXPECT_EQ(cv::norm(panels.colRange(30, 90), picture), 0);
}

}  // namespace
}  // namespace portraitseg
