#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include "portraitseg/core/file.h"
#include "portraitseg/engine/evaluator.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/weights/state_dict.h"

#include "support/shared_data.h"

namespace portraitseg {
namespace {

using testing::golden_path;

/// The official SINet weights on the EG1800 test list, as configs/sinet_eg1800.yaml prepares images.
Evaluation evaluate_sinet(const std::string& protocol, std::int64_t batch_size) {
  RunConfig config = RunConfig::load(std::string(PORTRAITSEG_SOURCE_DIR) + "/configs/sinet_eg1800.yaml");
  config.data.options->root = (testing::shared_root() / "data" / "eg1800").string();
  const auto dataset = config.data.options->open("eg1800_test.txt", OnError::kFail);
  const auto model = config.model.options->build();
  const auto weights = golden_path("sinet.weights.safetensors");
  load_state_dict(*model, read_safetensors(weights), weights);
  EvaluatorOptions options;
  options.batch_size = batch_size;
  return evaluate(*model, config.preprocessing, *dataset, protocols().at(protocol), options,
                  Device(config.device));
}

const nlohmann::json& reference() {
  static const auto json = nlohmann::json::parse(read_file(golden_path("reference_numbers.json")));
  return json.at("evaluation").at("results").at("sinet/eg1800/eg1800_train");
}

TEST(EvaluationParity, ClovaFiguresEqualTheReferenceImageByImage) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Evaluation evaluation = evaluate_sinet("clova", 36);
  const auto golden = read_safetensors(golden_path("eval_eg1800.safetensors"));
  const auto foreground = golden.at("sinet.iou_foreground"), background = golden.at("sinet.iou_background");
  ASSERT_EQ(evaluation.images.size(), 264u);
  for (std::int64_t i = 0; i < 264; ++i) {
    const ImageResult& image = evaluation.images[static_cast<std::size_t>(i)];
    EXPECT_EQ(std::stoll(image.id), golden.at("image_id")[i].item<std::int64_t>());
    EXPECT_NEAR(100 * image.counts.iou_foreground(), foreground[i].item<double>(), 0.05) << image.id;
    EXPECT_NEAR(100 * image.counts.iou_background(), background[i].item<double>(), 0.05) << image.id;
  }
  const Metrics metrics = evaluation.metrics();
  EXPECT_NEAR(metrics.iou_foreground, reference().at("fg224"), 0.005);
  EXPECT_NEAR(metrics.iou_background, reference().at("bg224"), 0.005);
  EXPECT_NEAR(metrics.miou_per_image, reference().at("miou224"), 0.005);
  EXPECT_NEAR(metrics.miou, reference().at("global_miou224"), 0.005);
  EXPECT_NEAR(metrics.boundary_f1.at(15), reference().at("f1_15"), 0.01);
  EXPECT_NEAR(metrics.boundary_f1.at(5), reference().at("f1_5"), 0.01);
  EXPECT_NEAR(metrics.weighted_iou.at(3), reference().at("w3"), 0.01);
  EXPECT_NEAR(metrics.weighted_iou.at(5), reference().at("w5"), 0.01);
  EXPECT_NEAR(metrics.weighted_iou.at(10), reference().at("w10"), 0.01);
}

TEST(EvaluationParity, NativeFiguresEqualTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const Metrics metrics = evaluate_sinet("native", 16).metrics();
  EXPECT_NEAR(metrics.iou_foreground, reference().at("fgN"), 0.005);
  EXPECT_NEAR(metrics.miou_per_image, reference().at("miouN"), 0.005);
  EXPECT_NEAR(metrics.miou, reference().at("global_miouN"), 0.005);
}

}  // namespace
}  // namespace portraitseg
