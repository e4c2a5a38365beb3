#include "portraitseg/metrics/protocol.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/data/smooth_label.h"
#include "portraitseg/metrics/metrics.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

cv::Mat disc(cv::Size size) {
  cv::Mat mask = cv::Mat::zeros(size, CV_8UC1);
  cv::circle(mask, {size.width / 2, size.height / 3}, size.height / 4, cv::Scalar(1), cv::FILLED);
  return mask;
}

TEST(Protocol, LabelsAreTheProtocolsNotTheNetworks) {
  Preprocessing own;
  own.geometry = Geometry::kLetterbox;
  own.interpolation = Interpolation::kCubic;
  own.label_interpolation = LabelInterpolation::kCubic;
  own.label_smoothing = 5;
  for (const auto& [name, geometry] :
       {std::pair("clova", Geometry::kSquash), std::pair("native", Geometry::kLetterbox),
        std::pair("mmseg", Geometry::kLetterbox)}) {
    const Preprocessing adapted = protocols().at(name).adapt(own);
    EXPECT_EQ(adapted.geometry, geometry);
    EXPECT_EQ(adapted.interpolation, Interpolation::kCubic);  // of the image: the network's
    EXPECT_EQ(adapted.label_interpolation, LabelInterpolation::kNearest);
    EXPECT_EQ(adapted.label_smoothing, 0);
  }
}

TEST(Protocol, PortraitNetPrescribesHowTheImageIsResizedToo) {
  const Preprocessing adapted = protocols().at("portraitnet").adapt(Preprocessing());
  EXPECT_EQ(adapted.geometry, Geometry::kLetterbox);
  EXPECT_EQ(adapted.interpolation, Interpolation::kCubic);
  EXPECT_EQ(adapted.label_interpolation, LabelInterpolation::kCubic);
  const cv::Mat mask = disc({90, 120});
  const Protocol& smoothed = protocols().at("portraitnet");
  const Protocol& plain = protocols().at("portraitnet_unsmoothed");
  const cv::Mat label = plain.place_label(mask, adapted);
  EXPECT_EQ(cv::norm(smoothed.place_label(mask, adapted), smooth_label(label, 5), cv::NORM_INF), 0);
  EXPECT_GT(cv::norm(smoothed.place_label(mask, adapted), label, cv::NORM_L1), 0);
}

TEST(Protocol, ANativeLabelIsTheMaskItself) {
  cv::Mat mask = disc({90, 120});
  mask.row(3).setTo(kIgnore);
  for (const char* name : {"native", "easyportrait", "mmseg"}) {
    const Protocol& protocol = protocols().at(name);
    EXPECT_EQ(cv::norm(protocol.place_label(mask, protocol.adapt({})), mask, cv::NORM_INF), 0);
  }
}

TEST(Protocol, DeepixelComparesAt256ByBytesOf0And1) {
  const Protocol& protocol = protocols().at("deepixel");
  cv::Mat mask = disc({600, 800});
  cv::Mat expected;
  cv::resize(mask, expected, {256, 256}, 0, 0, cv::INTER_LINEAR);
  EXPECT_EQ(cv::norm(protocol.place_label(mask, {}), expected, cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(protocol.place_prediction(mask), expected, cv::NORM_INF), 0);
  mask.setTo(kIgnore, mask == 0);  // GT > 0 would take it for the portrait
  EXPECT_EQ(cv::norm(protocol.place_label(mask, {}), expected, cv::NORM_INF), 0);
  EXPECT_EQ(protocol.empty_union, 0);
}

TEST(Protocol, MeansLeaveOutWhatIsNoNumberAndDoNotDependOnTheOrder) {
  const Protocol& clova = protocols().at("clova");
  EXPECT_DOUBLE_EQ(clova.mean({1, kNone, 3}), 2);
  EXPECT_TRUE(std::isnan(clova.mean({kNone})));
  EXPECT_TRUE(std::isnan(clova.mean({})));
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(std::exp(std::sin(i)) * (i % 7 == 0 ? 1e6 : 1));
  const double mean = clova.mean(values);
  std::reverse(values.begin(), values.end());
  EXPECT_EQ(clova.mean(values), mean);
  std::rotate(values.begin(), values.begin() + 333, values.end());
  EXPECT_EQ(clova.mean(values), mean);
}

TEST(Protocol, TheLastShortBatchCountsFully) {
  const Protocol protocol = protocol_of("clova_batch:2");
  EXPECT_EQ(protocol.batch_means, 2);
  EXPECT_DOUBLE_EQ(protocol.mean({90, 80, 70, 60, 10}), (85.0 + 65.0 + 10.0) / 3);
  EXPECT_DOUBLE_EQ(protocol.mean({90, kNone, 70, 60, 10}), (90.0 + 65.0 + 10.0) / 3);
  EXPECT_DOUBLE_EQ(protocol_of("clova_batch").mean({90, 80, 70, 60, 10}), 62);
  EXPECT_EQ(protocol_of("clova_batch").batch_means, 36);
}

TEST(Protocol, NumbersThatMakeNoSenseAreRefused) {
  for (const char* text : {"clova_batch:", "clova_batch:0", "clova_batch:-1", "clova_batch:4.5",
                           "clova_batch:x", "clova_batch:100000", "clova_batch:99999999999999999999"})
    EXPECT_THAT([&] { protocol_of(text); }, ::testing::ThrowsMessage<UserError>(HasSubstr(text)));
  EXPECT_THAT([] { protocol_of("clova:40"); },
              ::testing::ThrowsMessage<UserError>(HasSubstr("clova takes no number")));
  EXPECT_THAT([] { protocol_of("clover"); }, ::testing::ThrowsMessage<UserError>(HasSubstr("clova_batch")));
}

TEST(Protocol, OnlyOneThatCountsClassesTakesMoreThanTwo) {
  for (const char* name : {"clova", "native", "portraitnet"}) {
    EXPECT_NO_THROW(protocols().at(name).check_classes(2));
    EXPECT_THROW(protocols().at(name).check_classes(3), UserError);
  }
  for (const std::int64_t classes : {1, 2, 19})
    EXPECT_NO_THROW(protocols().at("mmseg").check_classes(classes));
}

TEST(Protocol, EachHasRulesOfItsOwnAndTheNameIsNoneOfThem) {
  std::set<std::string> hashes;
  for (const auto& name : protocols().names()) {
    const Protocol& protocol = protocols().at(name);
    EXPECT_EQ(protocol.name, name);
    EXPECT_TRUE(hashes.insert(protocol.hash()).second) << name;
    EXPECT_NO_THROW(nlohmann::json::parse(protocol.description()));
    Protocol renamed = protocol;
    renamed.name = "mine";
    renamed.metrics = {"boundary_f1"};
    EXPECT_EQ(renamed.hash(), protocol.hash());
  }
  EXPECT_NE(protocol_of("clova_batch:40").hash(), protocol_of("clova_batch").hash());
  EXPECT_EQ(protocol_of("clova_batch:36").hash(), protocol_of("clova_batch").hash());
}

TEST(Protocol, EveryRuleChangesTheHash) {
  const Protocol clova = protocols().at("clova");
  const auto changed = [&](auto change) {
    Protocol protocol = clova;
    change(protocol);
    return protocol.hash() != clova.hash();
  };
  EXPECT_TRUE(changed([](Protocol& p) { p.geometry = Geometry::kLetterbox; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.interpolation = Interpolation::kCubic; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.resolution = Protocol::Resolution::kNative; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.label_interpolation = LabelInterpolation::kCubic; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.label_smoothing = 3; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.compared_at = 256; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.empty_union = 0; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.batch_means = 5; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.figure = "miou"; }));
  EXPECT_TRUE(changed([](Protocol& p) { p.counting = Protocol::Counting::kClasses; }));
}

TEST(Metrics, NamesAreUnlikeAndEveryColumnHasAValue) {
  cv::Mat label = disc({40, 50});
  cv::Mat prediction = label.clone();
  prediction.row(10).setTo(1);
  cv::Mat probability;
  prediction.convertTo(probability, CV_32F, 0.8, 0.1);
  for (const char* name : {"clova", "mmseg"}) {
    std::set<std::string> figures, columns;
    for (const Metric& metric : chosen_metrics({"all"}, protocols().at(name), 2)) {
      EXPECT_EQ(metric.measure({prediction, label, probability}).size(), metric.columns.size());
      for (const auto& column : metric.columns) EXPECT_TRUE(columns.insert(column).second) << column;
      for (const auto& figure : metric.figures)
        EXPECT_TRUE(figures.insert(figure.name).second) << figure.name;
    }
    EXPECT_EQ(figures.count(protocols().at(name).figure), 1U) << "its one number is always measured";
  }
}

TEST(Metrics, ThePixelsCountsAreAlwaysThereAndNothingTwice) {
  const auto chosen = chosen_metrics({"boundary_f1", "iou", "boundary_f1"}, protocols().at("clova"), 2);
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0].columns.front(), "tp");
  EXPECT_EQ(chosen[1].columns.front(), "band5_tp");
}

TEST(Metrics, ThatDoNotFitAreRefused) {
  EXPECT_THAT([] { chosen_metrics({"edge_iou"}, protocols().at("mmseg"), 2); },
              ::testing::ThrowsMessage<UserError>(HasSubstr("edge_iou does not fit the protocol mmseg")));
  EXPECT_THAT([] { chosen_metrics({"classes"}, protocols().at("clova"), 2); },
              ::testing::ThrowsMessage<UserError>(HasSubstr("classes does not fit the protocol clova")));
  EXPECT_THAT([] { chosen_metrics({"edge_iuo"}, protocols().at("clova"), 2); },
              ::testing::ThrowsMessage<UserError>(HasSubstr("edge_iou")));
}

TEST(Metrics, AnEmptyUnionIsWhatTheProtocolSays) {
  const cv::Mat none = cv::Mat::zeros(4, 4, CV_8UC1);
  for (const auto& [name, expected] : {std::pair("clova", 100.0), std::pair("deepixel", 0.0)}) {
    const Metric metric = chosen_metrics({}, protocols().at(name), 2).front();
    EXPECT_EQ(metric.figures.front().formula(metric.measure({none, none, {}})), expected);
  }
}

TEST(Metrics, ATrainingRecordsTheFiguresThatItsFileHasHad) {
  std::vector<std::string> names;
  for (const Metric& metric : recorded_metrics(protocols().at("clova"), 2)) {
    for (const Figure& figure : metric.figures) names.push_back(figure.name);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("iou_foreground", "iou_background", "miou", "miou_per_image",
                                            "boundary_f1_5", "boundary_f1_15"));
}

}  // namespace
}  // namespace portraitseg
