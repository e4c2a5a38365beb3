// The released weights, read from their own files, on the EG1800 test list, by the configurations of this repository.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include "portraitseg/core/file.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

#include "support/shared_data.h"

namespace portraitseg {
namespace {

using testing::golden_path;

struct Released {
  std::string weights;    // below weights/
  std::string config;     // below configs/
  std::string reference;  // in reference_numbers.json
  std::string golden;     // in eval_eg1800.safetensors; "": not there
  std::vector<std::string> overrides = {};
};

const Released kSinet = {"SINet.pth", "sinet_eg1800.yaml", "sinet/eg1800/eg1800_train", "sinet"};
const Released kExtremeC3Net = {"ExtremeC3.pth", "extremec3net_eg1800.yaml",
                                "extremec3net/eg1800/eg1800_train", "extremec3net"};
const Released kSinetAnil = {"SINet_anilsathyan7_296.pth",
                             "sinet_eg1800.yaml",
                             "sinet_anil296/eg1800/anil_demo",
                             "",
                             {"preprocessing.mean=[102.890434, 111.25247, 126.91212]",
                              "preprocessing.std=[62.93292, 62.82138, 66.355705]"}};

Evaluation evaluate_released(const Released& released, const std::string& protocol, std::int64_t batch_size) {
  RunConfig config = RunConfig::load(std::string(PORTRAITSEG_SOURCE_DIR) + "/configs/" + released.config,
                                     released.overrides);
  config.data.options->root = (testing::shared_root() / "data" / "eg1800").string();
  const auto dataset = config.data.options->open("eg1800_test.txt", OnError::kFail);
  const auto model = config.model.options->build();
  const auto weights = testing::shared_root() / "weights" / released.weights;
  load_state_dict(*model, read_weights(weights), weights);
  EvaluatorOptions options;
  options.batch_size = batch_size;
  return evaluate(*model, config.preprocessing, *dataset, protocols().at(protocol), options,
                  Device(config.device));
}

const nlohmann::json& reference(const Released& released) {
  static const auto json = nlohmann::json::parse(read_file(golden_path("reference_numbers.json")));
  return json.at("evaluation").at("results").at(released.reference);
}

class EvaluationParity : public ::testing::TestWithParam<Released> {
 protected:
  void SetUp() override { PORTRAITSEG_NEEDS_SHARED_DATA(); }
};

TEST_P(EvaluationParity, ClovaFiguresEqualTheReference) {
  const Evaluation evaluation = evaluate_released(GetParam(), "clova", 36);
  ASSERT_EQ(evaluation.images.size(), 264u);
  const auto golden = read_safetensors(golden_path("eval_eg1800.safetensors"));
  for (std::int64_t i = 0; i < 264 && !GetParam().golden.empty(); ++i) {
    const ImageResult& image = evaluation.images[static_cast<std::size_t>(i)];
    const auto expected = [&](const std::string& figure) {
      return golden.at(GetParam().golden + figure)[i].item<double>();
    };
    EXPECT_EQ(std::stoll(image.id), golden.at("image_id")[i].item<std::int64_t>());
    EXPECT_NEAR(100 * image.counts.iou_foreground(), expected(".iou_foreground"), 0.05) << image.id;
    EXPECT_NEAR(100 * image.counts.iou_background(), expected(".iou_background"), 0.05) << image.id;
  }
  const Metrics metrics = evaluation.metrics();
  const auto& figures = reference(GetParam());
  EXPECT_NEAR(metrics.iou_foreground, figures.at("fg224"), 0.005);
  EXPECT_NEAR(metrics.iou_background, figures.at("bg224"), 0.005);
  EXPECT_NEAR(metrics.miou_per_image, figures.at("miou224"), 0.005);
  EXPECT_NEAR(metrics.miou, figures.at("global_miou224"), 0.005);
  EXPECT_NEAR(metrics.boundary_f1.at(15), figures.at("f1_15"), 0.01);
  EXPECT_NEAR(metrics.boundary_f1.at(5), figures.at("f1_5"), 0.01);
  EXPECT_NEAR(metrics.weighted_iou.at(3), figures.at("w3"), 0.01);
  EXPECT_NEAR(metrics.weighted_iou.at(5), figures.at("w5"), 0.01);
  EXPECT_NEAR(metrics.weighted_iou.at(10), figures.at("w10"), 0.01);
}

TEST_P(EvaluationParity, NativeFiguresEqualTheReference) {
  const Metrics metrics = evaluate_released(GetParam(), "native", 16).metrics();
  const auto& figures = reference(GetParam());
  EXPECT_NEAR(metrics.iou_foreground, figures.at("fgN"), 0.005);
  EXPECT_NEAR(metrics.miou_per_image, figures.at("miouN"), 0.005);
  EXPECT_NEAR(metrics.miou, figures.at("global_miouN"), 0.005);

  const Metrics classes = evaluate_released(GetParam(), "mmseg", 7).metrics();
  ASSERT_EQ(classes.class_iou.size(), 2U);
  EXPECT_DOUBLE_EQ(classes.miou, metrics.miou);
}

INSTANTIATE_TEST_SUITE_P(Released, EvaluationParity, ::testing::Values(kSinet, kExtremeC3Net, kSinetAnil),
                         [](const auto& info) {
                           return std::filesystem::path(info.param.weights).stem().string();
                         });

}  // namespace
}  // namespace portraitseg
