// A network of three classes, trained, resumed and measured as a user does it.
#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "support/command.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

/// A workplace whose masks have three classes: the portrait's upper half is 2. A strip is not labelled.
class Classes : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& entry : fs::directory_iterator(place / "data/Labels")) {
      cv::Mat mask = cv::imread(entry.path().string(), cv::IMREAD_GRAYSCALE) > 0;
      mask &= 1;
      cv::Mat upper = mask.rowRange(0, mask.rows / 2);
      upper *= 2;
      mask.colRange(0, 3).setTo(255);
      ASSERT_TRUE(cv::imwrite(entry.path().string(), mask));
    }
  }

  std::vector<std::string> settings(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"data.classes=3", "model.num_classes=3", "evaluation.protocol=mmseg",
                               "evaluation.select_by=miou", "trainer.epochs=2"});
    return more;
  }

  Ending finish(const Command& command) const {
    const Ending ending = command.run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return ending;
  }

  Json figures(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"evaluate", "--run", "run", "--json", "-"});
    return Json::parse(finish(place.command(more)).out).at("results").at(0);
  }

  Workplace place;
};

TEST_F(Classes, AreTrainedShownAndMeasured) {
  const Ending trained = finish(place.train("run", settings()));
  EXPECT_THAT(trained.err, HasSubstr("  val mIoU "));
  EXPECT_THAT(trained.err, Not(HasSubstr("foreground")));

  const auto lines = lines_of(bytes_of(place / "run/metrics.csv"));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0],
              HasSubstr("val_class_iou_0,val_class_iou_1,val_class_iou_2,val_miou,val_pixel_accuracy,"));
  const Json epoch = Json::parse(last_line(bytes_of(place / "run/log.jsonl"))).at("validation");
  EXPECT_EQ(epoch.size(), 5U);
  const std::string page = bytes_of(place / "run/report.html");
  for (const char* text :
       {"Validation: IoU of each class, percent", "class_iou_2", "with <b>miou", "protocol mmseg"})
    EXPECT_THAT(page, HasSubstr(text));
  EXPECT_THAT(page, Not(HasSubstr("missed portrait")));

  const Json result = figures();  // of the best checkpoint, by the configuration's protocol
  EXPECT_EQ(result.at("protocol"), "mmseg");
  const auto progress = Safetensors::parse(bytes_of(place / "run/checkpoints/best.safetensors")).progress();
  EXPECT_EQ(result.at("metrics").at("miou"), progress.at("best").at("value"));
  double sum = 0;
  for (const char* name : {"class_iou_0", "class_iou_1", "class_iou_2"})
    sum += result.at("metrics").at(name).get<double>();
  EXPECT_NEAR(result.at("metrics").at("miou").get<double>(), sum / 3, 1e-9);
}

TEST_F(Classes, FiguresDoNotDependOnBatchSizeWorkersOrThreads) {
  finish(place.train("run", settings()));
  const Json expected = figures({"--batch-size", "1", "--workers", "0"});
  EXPECT_EQ(figures({"--batch-size", "3", "--workers", "2"}), expected);
  EXPECT_EQ(figures({"--batch-size", "32", "--threads", "2"}), expected);
}

TEST_F(Classes, FiguresFollowFromThePerImageFileAndOverlaysShowTheWorst) {
  finish(place.train("run", settings()));
  const Json metrics = figures({"--output", "out", "--overlays", "2"}).at("metrics");
  const auto lines = lines_of(bytes_of(place / "out/mmseg/per_image.csv"));
  ASSERT_EQ(lines.size(), 9U);
  std::vector<double> sums(9);  // tp, fp, fn of each class, behind id, height and width
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::istringstream in(lines[i]);
    std::string cell;
    for (std::size_t k = 0; k < 12; ++k) {
      std::getline(in, cell, ',');
      if (k >= 3) sums[k - 3] += std::stod(cell);
    }
  }
  EXPECT_EQ(sums[0] + sums[2] + sums[3] + sums[5] + sums[6] + sums[8], 8 * 64 * 61);  // without the strip
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(metrics.at("class_iou_" + std::to_string(c)).get<double>(),
                100 * sums[3 * c] / (sums[3 * c] + sums[3 * c + 1] + sums[3 * c + 2]), 1e-9);
  }
  const auto overlays = contents(place / "out/mmseg/overlays");
  ASSERT_EQ(overlays.size(), 2U);
  EXPECT_THAT(overlays.begin()->first, HasSubstr("_miou_"));
}

TEST_F(Classes, ResumedTrainingEndsWithTheSameBytes) {
  finish(place.train("whole", settings()));
  Process training = place.train("run", settings()).start();
  training.wait_until([&] { return fs::exists(place / "run/checkpoints/last.safetensors"); });
  training.send(SIGKILL);
  training.wait();
  finish(place.resume("run"));
  for (const char* file : {"metrics.csv", "checkpoints/last.safetensors", "checkpoints/best.safetensors"})
    EXPECT_TRUE(bytes_of(place / "run" / file) == bytes_of(place / "whole" / file)) << file;
}

TEST_F(Classes, WhatDoesNotFitIsRefusedInOneLineBeforeARunFolderIsMade) {
  const auto expect_refused = [&](const std::vector<std::string>& overrides, const std::string& words) {
    const Ending ending = place.train("run", overrides).run();
    EXPECT_EQ(ending.exit_code, 2);
    EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
    EXPECT_THAT(ending.err, HasSubstr(words));
    EXPECT_FALSE(fs::exists(place / "run"));
  };
  expect_refused(settings({"evaluation.protocol=clova"}),
                 "the protocol clova counts class 1 against one other, but the network has 3 classes");
  expect_refused(settings({"evaluation.select_by=iou_foreground"}),
                 "the protocol mmseg has no iou_foreground");
}

TEST_F(Classes, AnEvaluationThatDoesNotFitIsRefusedInOneLine) {
  finish(place.train("run", settings({"trainer.epochs=1"})));
  const Ending clova = place.command({"evaluate", "--run", "run", "--protocol", "clova"}).run();
  EXPECT_EQ(clova.exit_code, 2);
  EXPECT_THAT(last_line(clova.err), HasSubstr("the protocol clova counts class 1 against one other"));

  for (const auto& entry : fs::directory_iterator(place / "data/Labels"))
    ASSERT_TRUE(cv::imwrite(entry.path().string(), cv::Mat(64, 64, CV_8UC1, cv::Scalar(7))));
  const Ending strange = place.command({"evaluate", "--run", "run", "--set", "data.classes=8"}).run();
  EXPECT_EQ(strange.exit_code, 2);
  EXPECT_THAT(last_line(strange.err), HasSubstr("the mask has class 7, but the network's are 0 to 2"));
}

}  // namespace
}  // namespace portraitseg::testing
