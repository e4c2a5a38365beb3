// The released weights, read from their own files, on the EG1800 test list, by the configurations of this repository and
// by every protocol: against golden/reference_numbers.json and the table of docs/data_and_metrics.md, 5.4.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "portraitseg/core/file.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/metrics/pixel_counts.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

#include "support/shared_data.h"

namespace portraitseg {
namespace {

using testing::golden_path;

constexpr double kClose = 0.01;  // points; the table has two decimals

struct Released {
  std::string weights;  // below weights/
  std::string config;   // below configs/
  std::string name;     // in reference_numbers.json and eval_eg1800.safetensors
};

const Released kSinet = {"SINet.pth", "sinet_eg1800.yaml", "sinet"};
const Released kExtremeC3Net = {"ExtremeC3.pth", "extremec3net_eg1800.yaml", "extremec3net"};
const Released kSinetAnil = {"SINet_anilsathyan7_296.pth", "sinet_eg1800.yaml", "sinet_anil296"};

/// Means and deviations that were published with the weights, by their names in reference_numbers.json.
const std::map<std::string, std::vector<std::string>> kStatistics = {
    {"eg1800_train", {}},  // the configurations' own
    {"clova_demo",
     {"preprocessing.mean=[107.304565, 115.69884, 132.35703]",
      "preprocessing.std=[63.97182, 65.1337, 68.29726]"}},
    {"anil_demo",
     {"preprocessing.mean=[102.890434, 111.25247, 126.91212]",
      "preprocessing.std=[62.93292, 62.82138, 66.355705]"}}};

using ByProtocol = std::map<std::string, Evaluation>;

ByProtocol evaluate_released(const Released& released, const std::vector<std::string>& names,
                             const std::vector<std::string>& overrides) {
  RunConfig config =
      RunConfig::load(std::string(PORTRAITSEG_SOURCE_DIR) + "/configs/" + released.config, overrides);
  config.data.options->root = (testing::shared_root() / "data" / "eg1800").string();
  const auto dataset = config.data.options->open("eg1800_test.txt", OnError::kFail);
  const auto model = config.model.options->build();
  const auto weights = testing::shared_root() / "weights" / released.weights;
  load_state_dict(*model, read_weights(weights), weights);
  std::vector<Protocol> chosen;
  for (const auto& name : names) chosen.push_back(protocol_of(name));
  EvaluatorOptions options;
  options.batch_size = 19;
  options.metrics = [](const Protocol& protocol, std::int64_t classes) {
    std::vector<std::string> measured = protocol.metrics;
    if (protocol.counting == Protocol::Counting::kForeground) measured.emplace_back("boundary_iou");
    return chosen_metrics(measured, protocol, classes);
  };
  ByProtocol evaluations;
  for (Evaluation& evaluation :
       evaluate({{model.get(), config.preprocessing}}, *dataset, chosen, options, Device(config.device)))
    evaluations[evaluation.protocol.name] = std::move(evaluation);
  return evaluations;
}

const nlohmann::json& reference(const Released& released, const std::string& statistics) {
  static const auto json = nlohmann::json::parse(read_file(golden_path("reference_numbers.json")));
  return json.at("evaluation").at("results").at(released.name + "/eg1800/" + statistics);
}

class EvaluationParity : public ::testing::TestWithParam<std::pair<Released, std::string>> {
 protected:
  void SetUp() override { PORTRAITSEG_NEEDS_SHARED_DATA(); }
};

/// Figure of this project, by protocol, for each name of the reference.
struct Named {
  const char* reference;
  const char* protocol;
  const char* figure;
};

TEST_P(EvaluationParity, EveryFigureEqualsTheReference) {
  const auto& [released, statistics] = GetParam();
  const auto& figures = reference(released, statistics);
  auto evaluations = evaluate_released(released,
                                       {"clova", "native", "mmseg", "easyportrait", "clova_batch:24",
                                        "clova_batch:36", "clova_batch:40", "clova_batch:60"},
                                       kStatistics.at(statistics));
  ASSERT_EQ(evaluations.at("clova").images.size(), figures.at("n").get<std::size_t>());
  const std::vector<Named> all = {{"fg224", "clova", "iou_foreground"},
                                  {"bg224", "clova", "iou_background"},
                                  {"miou224", "clova", "miou_per_image"},
                                  {"global_fg224", "clova", "iou_foreground_set"},
                                  {"global_bg224", "clova", "iou_background_set"},
                                  {"global_miou224", "clova", "miou"},
                                  {"f1_15", "clova", "boundary_f1_15"},
                                  {"f1_5", "clova", "boundary_f1_5"},
                                  {"w3", "clova", "weighted_iou_3"},
                                  {"w5", "clova", "weighted_iou_5"},
                                  {"w10", "clova", "weighted_iou_10"},
                                  {"fgN", "native", "iou_foreground"},
                                  {"bgN", "native", "iou_background"},
                                  {"miouN", "native", "miou_per_image"},
                                  {"global_fgN", "easyportrait", "iou_foreground_set"},
                                  {"global_bgN", "easyportrait", "iou_background_set"},
                                  {"global_miouN", "easyportrait", "miou"},
                                  {"global_fgN", "mmseg", "class_iou_1"},
                                  {"global_bgN", "mmseg", "class_iou_0"},
                                  {"global_miouN", "mmseg", "miou"},
                                  {"fg224_batch24", "clova_batch:24", "iou_foreground"},
                                  {"fg224_batch36", "clova_batch:36", "iou_foreground"},
                                  {"fg224_batch40", "clova_batch:40", "iou_foreground"},
                                  {"fg224_batch60", "clova_batch:60", "iou_foreground"}};
  std::size_t compared = 0;
  for (const auto& [name, protocol, figure] : all) {
    if (!figures.contains(name)) continue;  // each network's own batch sizes
    EXPECT_NEAR(evaluations.at(protocol).figure(figure), figures.at(name), kClose) << name;
    ++compared;
  }
  EXPECT_GE(compared, 20U);
}

INSTANTIATE_TEST_SUITE_P(Released, EvaluationParity,
                         ::testing::Values(std::pair(kSinet, "eg1800_train"), std::pair(kSinet, "clova_demo"),
                                           std::pair(kSinet, "anil_demo"),
                                           std::pair(kExtremeC3Net, "eg1800_train"),
                                           std::pair(kExtremeC3Net, "clova_demo"),
                                           std::pair(kExtremeC3Net, "anil_demo"),
                                           std::pair(kSinetAnil, "anil_demo")),
                         [](const auto& info) { return info.param.first.name + "_" + info.param.second; });

TEST(EvaluationParity, EveryImageEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(golden_path("eval_eg1800.safetensors"));
  for (const Released& released : {kSinet, kExtremeC3Net}) {
    const auto evaluations = evaluate_released(released, {"clova"}, {});
    const Evaluation& evaluation = evaluations.at("clova");
    ASSERT_EQ(evaluation.images.size(), 264U);
    for (std::int64_t i = 0; i < 264; ++i) {
      const ImageRow& image = evaluation.images[static_cast<std::size_t>(i)];
      const auto expected = [&](const std::string& figure) {
        return golden.at(released.name + figure)[i].item<double>();
      };
      const PixelCounts counts = PixelCounts::from(image.values);
      EXPECT_EQ(std::stoll(image.id), golden.at("image_id")[i].item<std::int64_t>());
      EXPECT_NEAR(100 * counts.iou_foreground(), expected(".iou_foreground"), 0.05) << image.id;
      EXPECT_NEAR(100 * counts.iou_background(), expected(".iou_background"), 0.05) << image.id;
    }
  }
}

/// A row of the table: what two networks are said to reach.
struct Row {
  const char* protocol;
  const char* figure;
  double sinet, extremec3net;
};

const std::vector<Row> kTable = {{"clova", "iou_foreground", 94.96, 94.87},
                                 {"clova_batch:36", "iou_foreground", 94.90, 94.86},
                                 {"clova_batch:40", "iou_foreground", 94.95, 94.90},
                                 {"clova_batch:60", "iou_foreground", 94.94, 94.93},
                                 {"clova_batch:64", "iou_foreground", 94.77, 94.80},
                                 {"clova", "miou_per_image", 93.24, 93.20},
                                 {"clova", "iou_foreground_set", 95.01, 95.02},
                                 {"clova", "iou_background_set", 92.32, 92.21},
                                 {"clova", "miou", 93.67, 93.62},
                                 {"native", "iou_foreground", 94.94, 94.68},
                                 {"native", "miou_per_image", 93.22, 92.95},
                                 {"portraitnet", "iou_foreground", 95.22, 91.87},
                                 {"portraitnet_unsmoothed", "iou_foreground", 95.08, 91.74},
                                 {"deepixel", "iou_foreground", 94.94, 94.67},
                                 {"deepixel", "deepixel_biou_15", 69.61, 69.29},
                                 {"deepixel", "deepixel_bf1_15", 87.89, 87.88},
                                 {"native", "boundary_iou_2", 68.56, 67.66},
                                 {"clova", "boundary_iou_2", 67.57, 68.19},
                                 {"clova", "boundary_f1_15", 88.97, 89.01},
                                 {"clova", "boundary_f1_5", 74.96, 77.18},
                                 {"clova", "band_iou_15", 80.58, 80.68}};

TEST(EvaluationParity, TheTableOfProtocolsIsReproduced) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  std::vector<std::string> names;
  for (const Row& row : kTable) {
    if (std::find(names.begin(), names.end(), row.protocol) == names.end()) names.emplace_back(row.protocol);
  }
  for (const Released& released : {kSinet, kExtremeC3Net}) {
    const auto evaluations = evaluate_released(released, names, kStatistics.at("clova_demo"));
    for (const Row& row : kTable) {
      EXPECT_NEAR(evaluations.at(row.protocol).figure(row.figure),
                  released.name == kSinet.name ? row.sinet : row.extremec3net, kClose)
          << released.name << ", " << row.protocol << ", " << row.figure;
    }
  }
}

TEST(EvaluationParity, WithoutTheSecondDivisionBy255TheNetworksAreLost) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  for (const auto& [released, expected] : {std::pair(kSinet, 26.4), std::pair(kExtremeC3Net, 57.3)}) {
    std::vector<std::string> overrides = kStatistics.at("clova_demo");
    overrides.emplace_back("preprocessing.scale=1");
    EXPECT_NEAR(evaluate_released(released, {"clova"}, overrides).at("clova").figure("iou_foreground"),
                expected, 0.06);  // the table has one decimal
  }
}

}  // namespace
}  // namespace portraitseg
