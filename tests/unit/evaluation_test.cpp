// An evaluation as a whole: what its figures follow from, and what they do not depend on.
#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/metrics/pixel_counts.h"
#include "portraitseg/report/csv.h"
#include "portraitseg/report/results.h"

#include "support/command.h"
#include "support/memory_dataset.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

/// Sees a portrait where it is bright, and counts how often it looks.
class Bright final : public SegmentationModel {
 public:
  explicit Bright(double threshold, std::int64_t blur = 5) : blur_(blur) {
    sharpness_ = register_parameter("sharpness", torch::full({}, 8.0));
    threshold_ = threshold;
  }
  SegmentationOutput forward(const torch::Tensor& image) override {
    images += image.size(0);
    SegmentationOutput output;
    output.mask = sharpness_ * (torch::avg_pool2d(image.mean(1, true), blur_, 1, blur_ / 2) - threshold_);
    return output;
  }
  std::int64_t size_multiple() const override { return 1; }
  std::int64_t images = 0;

 private:
  torch::Tensor sharpness_;
  double threshold_;
  std::int64_t blur_;
};

Preprocessing small() {
  Preprocessing preprocessing;
  preprocessing.size = {48, 40};
  return preprocessing;
}

Device cpu(int threads = 1) {
  DeviceOptions options;
  options.name = "cpu";
  options.threads = threads;
  options.fused = false;
  return Device(options);
}

/// Noisy portraits of different sizes; one has no portrait, one is nothing else, one is partly not labelled.
Sample portrait(int i) {
  const cv::Size size = i % 2 == 0 ? cv::Size(60, 80) : cv::Size(75, 50);
  Sample sample{"p/" + std::to_string(i), cv::Mat(size, CV_8UC3), cv::Mat::zeros(size, CV_8UC1), {}};
  cv::RNG random(static_cast<std::uint64_t>(i + 1));
  random.fill(sample.image, cv::RNG::UNIFORM, 0, 160);
  const cv::Point centre(size.width / 2 + i, size.height / 2);
  if (i != 3) cv::circle(sample.mask, centre, 12 + 2 * i, cv::Scalar(1), cv::FILLED);
  if (i == 4) sample.mask.setTo(1);
  sample.image.setTo(cv::Scalar::all(200), sample.mask);
  cv::circle(sample.image, centre + cv::Point(6, 5), 9, cv::Scalar::all(20), cv::FILLED);
  if (i == 5) sample.mask.colRange(0, 9).setTo(kIgnore);
  if (i == 6) sample.attributes = {{"age", "30, or so"}};
  return sample;
}

testing::MemoryDataset portraits(const std::vector<int>& order) {
  testing::MemoryDataset dataset;
  dataset.list = "val.txt";
  for (const int i : order) dataset.add(portrait(i));
  return dataset;
}

const std::vector<int> kInOrder = {0, 1, 2, 3, 4, 5, 6, 7, 8};

std::vector<Protocol> several() {
  std::vector<Protocol> chosen;
  for (const char* name : {"clova", "native", "portraitnet", "deepixel", "mmseg", "clova_batch:4"})
    chosen.push_back(protocol_of(name));
  return chosen;
}

std::vector<Evaluation> evaluation_of(const std::vector<int>& order, std::int64_t batch_size,
                                      std::int64_t workers, int threads = 1) {
  Bright one(0.6), other(0.4);
  EvaluatorOptions options;
  options.batch_size = batch_size;
  options.workers = workers;
  return evaluate({{&one, small()}, {&other, small()}}, portraits(order), several(), options, cpu(threads));
}

std::vector<std::string> sorted_rows(const Evaluation& evaluation) {
  auto lines = testing::lines_of(per_image_csv(evaluation));
  std::sort(lines.begin() + 1, lines.end());
  return lines;
}

TEST(EvaluationOf, AnyBatchWorkersAndThreadsGivesTheSameBytes) {
  const auto expected = evaluation_of(kInOrder, 1, 0);
  for (const auto& [batch, workers, threads] : {std::tuple(2, 1, 1), {3, 4, 2}, {32, 2, 2}}) {
    const auto evaluations = evaluation_of(kInOrder, batch, workers, threads);
    EXPECT_EQ(results_json(evaluations), results_json(expected)) << batch << " " << workers;
    for (std::size_t e = 0; e < expected.size(); ++e)
      EXPECT_EQ(per_image_csv(evaluations[e]), per_image_csv(expected[e])) << batch << " " << workers;
  }
}

TEST(EvaluationOf, AnyOrderOfTheListGivesTheSameRowsAndFigures) {
  const auto expected = evaluation_of(kInOrder, 4, 0);
  for (const std::vector<int>& order :
       {std::vector{8, 7, 6, 5, 4, 3, 2, 1, 0}, {4, 0, 8, 3, 1, 6, 2, 5, 7}}) {
    const auto evaluations = evaluation_of(order, 4, 0);
    for (std::size_t e = 0; e < expected.size(); ++e) {
      EXPECT_EQ(sorted_rows(evaluations[e]), sorted_rows(expected[e]));
      if (expected[e].protocol.batch_means > 0) continue;  // its batches are other ones
      const auto a = evaluations[e].figures(), b = expected[e].figures();
      for (std::size_t i = 0; i < a.size(); ++i) {
        const bool defined = !std::isnan(a[i].value) || !std::isnan(b[i].value);
        if (defined) {
          EXPECT_EQ(a[i].value, b[i].value) << a[i].name;
        }
      }
    }
  }
}

TEST(EvaluationOf, SeveralInOnePassAreThoseOfEachAlone) {
  const auto together = evaluation_of(kInOrder, 4, 0);
  ASSERT_EQ(together.size(), 12U);
  std::size_t e = 0;
  for (const double threshold : {0.6, 0.4}) {
    for (const Protocol& protocol : several()) {
      Bright model(threshold);
      EvaluatorOptions options;
      options.batch_size = 4;
      const Evaluation alone = evaluate(model, small(), portraits(kInOrder), protocol, options, cpu());
      EXPECT_EQ(per_image_csv(together[e]), per_image_csv(alone)) << protocol.name;
      EXPECT_EQ(together[e++].protocol.name, protocol.name);
    }
  }
  EXPECT_NE(together[0].figure("iou_foreground"), together[6].figure("iou_foreground"));
  EXPECT_GT(together[0].figure("iou_foreground"), 20) << "an empty prediction proves nothing";
}

TEST(EvaluationOf, HowManyImagesWaitIsBoundedByTheirMemory) {
  std::vector<Protocol> protocols;
  for (const char* change : {"none", "rotate:25", "blur:2", "brightness:0.7"})
    protocols.push_back(protocol_of("clova").with(Perturbation::parse(change), {}, {}));
  const auto run = [&](std::int64_t memory) {
    std::mutex mutex;
    int waiting = 0, most = 0;
    testing::MemoryDataset dataset;
    dataset.list = "val.txt";
    for (int i = 0; i < 24; ++i) {
      dataset.add([&mutex, &waiting, &most, i] {
        const std::lock_guard<std::mutex> lock(mutex);
        most = std::max(most, ++waiting);
        return portrait(2 * (i % 4));
      });
    }
    Bright model(0.5);
    EvaluatorOptions options;
    options.workers = 2;
    options.memory = memory;
    options.decided = [&](std::size_t evaluation, const std::string&, const cv::Mat&) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (evaluation == 0) --waiting;
    };
    const auto evaluations = evaluate({{&model, small()}}, dataset, protocols, options, cpu());
    return std::pair(most, results_json(evaluations));
  };
  const auto [free, expected] = run(std::int64_t{1} << 40);
  EXPECT_EQ(free, 24);
  const auto [bounded, figures] = run(1);
  EXPECT_LE(bounded, 2 + 2) << "one in the batch, one taken, and what two workers have begun";
  EXPECT_EQ(figures, expected);
}

TEST(EvaluationOf, ANetworkLooksOnceForAllProtocolsOfOneGeometryAndAnImageIsReadOnce) {
  Bright model(0.5);
  int reads = 0;
  testing::MemoryDataset dataset;
  dataset.list = "val.txt";
  for (const int i : {0, 2}) {
    dataset.add([&reads, i] {
      ++reads;
      return portrait(i);
    });
  }
  EvaluatorOptions options;
  options.workers = 0;
  evaluate({{&model, small()}}, dataset, several(), options, cpu());
  EXPECT_EQ(reads, 2);
  EXPECT_EQ(model.images, 2 * 2) << "squash and letterbox";
}

TEST(EvaluationOf, PerfectIs100AndDisjointIs0) {
  Bright model(0.5, 1);
  testing::MemoryDataset perfect, disjoint;
  for (const bool right : {true, false}) {
    testing::MemoryDataset& dataset = right ? perfect : disjoint;
    dataset.list = "val.txt";
    Sample sample{"a", cv::Mat::zeros(48, 40, CV_8UC3), cv::Mat::zeros(48, 40, CV_8UC1), {}};
    sample.image.rowRange(0, 24).setTo(cv::Scalar::all(255));
    if (right) sample.mask.rowRange(0, 24).setTo(1);
    if (!right) sample.mask.rowRange(24, 48).setTo(1);
    dataset.add(sample);
  }
  for (const char* name : {"clova", "native", "mmseg", "easyportrait", "clova_batch"}) {
    const Protocol& protocol = protocols().at(name);
    const Evaluation best = evaluate(model, small(), perfect, protocol, {}, cpu()),
                     worst = evaluate(model, small(), disjoint, protocol, {}, cpu());
    EXPECT_EQ(best.figure(protocol.figure), 100) << name;
    EXPECT_EQ(worst.figure(protocol.figure), 0) << name;
  }
}

TEST(EvaluationOf, AnImagesRowHoldsWhatItsAre) {
  Bright model(0.5);
  testing::MemoryDataset dataset;
  dataset.list = "val.txt";
  Sample sample{"a", cv::Mat(10, 20, CV_8UC3, cv::Scalar(10, 20, 30)), cv::Mat::zeros(10, 20, CV_8UC1), {}};
  sample.mask.rowRange(0, 5).setTo(kIgnore);
  sample.mask.rowRange(5, 6).setTo(1);
  dataset.add(sample);
  const Evaluation evaluation = evaluate(model, small(), dataset, protocols().at("native"), {}, cpu());
  const ImageRow& row = evaluation.images.front();
  EXPECT_EQ(row.height, 10);
  EXPECT_EQ(row.width, 20);
  EXPECT_DOUBLE_EQ(row.foreground_share, 20);
  EXPECT_NEAR(row.brightness, 0.299 * 30 + 0.587 * 20 + 0.114 * 10, 0.51);
  EXPECT_EQ(row.values.size(), evaluation.columns().size());
}

TEST(EvaluationOf, AttributesAreColumns) {
  const std::string csv = per_image_csv(evaluation_of({5, 6}, 4, 0)[1]);
  EXPECT_THAT(csv, HasSubstr(",foreground_share,brightness,attribute.age,protocol,"));
  EXPECT_THAT(csv, HasSubstr(",\"30, or so\",native,"));
  EXPECT_THAT(csv, HasSubstr(",,native,"));
}

TEST(EvaluationOf, EveryFigureDerivesFromTheColumns) {
  Evaluation evaluation = evaluation_of(kInOrder, 4, 0)[0];
  const double before = evaluation.figure("iou_foreground_set");
  for (ImageRow& image : evaluation.images) image.values[0] = 2 * image.values[0] + 1;  // tp
  EXPECT_GT(evaluation.figure("iou_foreground_set"), before);
}

TEST(EvaluationOf, MasksAreToldAtTheProtocolsSize) {
  Bright one(0.6), other(0.4);
  std::mutex mutex;
  std::map<std::pair<std::size_t, std::string>, cv::Mat> masks;
  EvaluatorOptions options;
  options.decided = [&](std::size_t evaluation, const std::string& id, const cv::Mat& mask) {
    const std::lock_guard<std::mutex> lock(mutex);
    masks[{evaluation, id}] = mask.clone();
  };
  const std::vector<Protocol> chosen = {protocol_of("clova"), protocol_of("native"), protocol_of("deepixel")};
  const auto evaluations =
      evaluate({{&one, small()}, {&other, small()}}, portraits({0, 1}), chosen, options, cpu());
  ASSERT_EQ(masks.size(), 2 * 2 * 3U);
  for (const auto& [key, mask] : masks) {
    const Evaluation& evaluation = evaluations[key.first];
    const ImageRow& row = evaluation.images[key.second == "p/0" ? 0 : 1];
    EXPECT_EQ(mask.size(), cv::Size(row.width, row.height));
    const PixelCounts counts = PixelCounts::from(row.values);
    EXPECT_EQ(cv::countNonZero(mask), counts.tp + counts.fp);
  }
}

TEST(EvaluationOf, ResultsNameWhatWasMeasured) {
  Bright model(0.5);
  EvaluatedNetwork network{&model, small(), {"bright", "b.pth", "w", "c"}};
  const auto evaluations = evaluate({network}, portraits({0, 3}), {protocol_of("deepixel")}, {}, cpu());
  const auto result = nlohmann::json::parse(results_json(evaluations)).at("results").at(0);
  EXPECT_EQ(result.at("network"), "bright");
  EXPECT_EQ(result.at("weights"), "b.pth");
  EXPECT_EQ(result.at("weights_sha256"), "w");
  EXPECT_EQ(result.at("config_sha256"), "c");
  EXPECT_EQ(result.at("protocol_hash"), protocol_of("deepixel").hash());
  EXPECT_EQ(result.at("protocol_rules").at("compared_at"), 256);
  EXPECT_EQ(result.at("figure"), "iou_foreground");
  EXPECT_EQ(result.at("n"), 2);
  EXPECT_TRUE(result.at("metrics").at("iou_foreground").is_number());
}

TEST(ResultsTable, OfSeveralNetworksHasOneTableAProtocolAndOneColumnANetwork) {
  const auto evaluations = evaluation_of({0, 1, 2}, 4, 0);
  std::vector<std::string> names(6, "first");
  names.insert(names.end(), 6, "second");
  const std::string table = results_table(summaries_of(evaluations), names);
  std::size_t tables = 0;
  for (const auto& line : testing::lines_of(table)) tables += line.rfind("percent", 0) == 0 ? 1 : 0;
  EXPECT_EQ(tables, 6U);
  EXPECT_THAT(table, HasSubstr("       first      second\n"));
  EXPECT_THAT(table, HasSubstr("second: clova_batch:4 (protocol "));

  // What was stored gives the same table, whatever the order in the file.
  std::vector<Evaluation> first(evaluations.begin(), evaluations.begin() + 6), planned = first;
  for (Evaluation& evaluation : planned) evaluation.images.clear();
  const std::string expected = results_table(summaries_of(first));
  std::reverse(first.begin(), first.end());
  EXPECT_EQ(results_table(stored_summaries(results_json(first), planned)), expected);
}

}  // namespace
}  // namespace portraitseg
