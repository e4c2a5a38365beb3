#include "portraitseg/models/summary.h"

#include <set>

#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <torch/nn.h>

#include "portraitseg/core/error.h"
#include "portraitseg/models/models.h"
#include "portraitseg/report/summary_table.h"

namespace portraitseg {
namespace {

namespace nn = torch::nn;

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Pair;

/// A network as a program outside the library may write it, with one layer of each kind and two heads.
class HandMade : public SegmentationModel {
 public:
  HandMade() { up->eval(); }

  SegmentationOutput forward(const torch::Tensor& image) override {
    check_input(image);                                           // [1,  3, 16, 20]
    const auto x = stem(image);                                   // [1,  8,  8, 10]
    const auto y = act(bn(grouped(x)));                           // [1, 12,  4,  5]
    const auto z = up(y);                                         // [1,  6,  8, 10]
    const auto gate = plain(dense(z.mean({2, 3})));               // [1,  6]
    const auto w = z * gate.unsqueeze(2).unsqueeze(3);            // [1,  6,  8, 10]
    const auto twice = same(same(w)) + shift.view({1, 6, 1, 1});  // [1, 6,  8, 10]
    return {torch::upsample_bilinear2d(twice, {16, 20}, false), {}, torch::max_pool2d(twice, 2)};
  }
  std::int64_t size_multiple() const override { return 4; }

  nn::Conv2d stem = register_module("stem", nn::Conv2d(nn::Conv2dOptions(3, 8, 3).stride(2).padding(1)));
  nn::Conv2d grouped = register_module(
      "grouped", nn::Conv2d(nn::Conv2dOptions(8, 12, 3).stride(2).padding(1).groups(4).bias(false)));
  nn::BatchNorm2d bn = register_module("bn", nn::BatchNorm2d(12));
  nn::PReLU act = register_module("act", nn::PReLU(nn::PReLUOptions().num_parameters(12)));
  nn::ConvTranspose2d up = register_module(
      "up", nn::ConvTranspose2d(nn::ConvTranspose2dOptions(12, 6, 4).stride(2).padding(1).groups(3)));
  nn::Linear dense = register_module("dense", nn::Linear(6, 7));
  nn::Linear plain = register_module("plain", nn::Linear(nn::LinearOptions(7, 6).bias(false)));
  nn::Conv2d same = register_module("same", nn::Conv2d(nn::Conv2dOptions(6, 6, 1).bias(false)));
  nn::Linear unused = register_module("unused", nn::Linear(5, 5));
  torch::Tensor shift = register_parameter("shift", torch::zeros({6}));
};

TEST(Summary, CountsEachKindOfLayerByTheFormula) {
  HandMade network;
  const ModelSummary summary = summarize(network, 16, 20);
  std::vector<std::tuple<std::string, std::string, std::int64_t, std::int64_t>> layers;
  for (const auto& layer : summary.layers) {
    layers.emplace_back(layer.key, layer.operator_name, layer.parameters, layer.multiply_adds);
  }
  using Layer = std::tuple<std::string, std::string, std::int64_t, std::int64_t>;
  EXPECT_THAT(
      layers,
      ElementsAre(
          Layer("stem", "convolution", 3 * 8 * 9 + 8, 3 * 8 * 9 * 80),
          Layer("grouped", "convolution", 2 * 12 * 9, 2 * 12 * 9 * 20), Layer("bn", "batch norm", 24, 0),
          Layer("act", "prelu", 12, 0),
          Layer("up", "transposed convolution", 12 * 2 * 16 + 6, 12 * 2 * 16 * 20),  // 4x5 inputs
          Layer("", "mean", 0, 0), Layer("dense", "linear", 6 * 7 + 7, 6 * 7),
          Layer("plain", "linear", 7 * 6, 7 * 6), Layer("", "mul", 0, 0),
          Layer("same", "convolution", 36, 36 * 80),
          Layer("same", "convolution", 0, 36 * 80),  // its parameters are noted, the work is done again
          Layer("shift", "add", 6, 0), Layer("", "upsample", 0, 0), Layer("", "pool", 0, 0)));
  EXPECT_EQ(summary.parameters, 224 + 216 + 24 + 12 + 390 + 49 + 42 + 36 + 6 + /*unused*/ 30);
  EXPECT_EQ(summary.multiply_adds, 17280 + 4320 + 7680 + 42 + 42 + 2 * 2880);
  EXPECT_EQ(summary.multiply_adds_clova, 17280 + 4320 + 2 * 2880);
  EXPECT_THAT(summary.size, ElementsAre(16, 20));
  EXPECT_THAT(summary.outputs,
              ElementsAre(Pair("mask", ElementsAre(1, 6, 16, 20)), Pair("coarse", ElementsAre(1, 6, 4, 5))));
  EXPECT_THAT(summary.layers[4].output, ElementsAre(1, 6, 8, 10));
}

TEST(Summary, LeavesTheNetworkAsItWas) {
  HandMade network;  // trains, but for `up`
  const auto mean = network.bn->running_mean.clone();
  const auto expect_untouched = [&] {
    EXPECT_TRUE(network.is_training());
    EXPECT_TRUE(network.bn->is_training());
    EXPECT_FALSE(network.up->is_training());
    EXPECT_TRUE(torch::equal(network.bn->running_mean, mean));
    EXPECT_FALSE(network.stem->weight.grad().defined());
    EXPECT_TRUE(torch::GradMode::is_enabled());
    EXPECT_FALSE(at::hasThreadLocalCallbacks());
  };
  summarize(network, 16, 20);
  expect_untouched();
  EXPECT_THROW(summarize(network, 16, 22), UserError);
  expect_untouched();
  EXPECT_THROW(summarize(network, 16, -4), UserError);
  expect_untouched();
}

TEST(Summary, RecordsNothingAfterwards) {
  HandMade network;
  const ModelSummary first = summarize(network, 16, 20);
  const std::size_t layers = first.layers.size();
  network.forward(torch::zeros({1, 3, 16, 20}));
  EXPECT_EQ(first.layers.size(), layers);
  const ModelSummary second = summarize(network, 16, 20);
  EXPECT_EQ(second.layers.size(), layers);
  EXPECT_EQ(second.multiply_adds, first.multiply_adds);
}

TEST(Summary, FollowsTheNetworksType) {
  HandMade network;
  network.to(torch::kFloat64);
  EXPECT_EQ(summarize(network, 16, 20).multiply_adds,
            summarize(*std::make_shared<HandMade>(), 16, 20).multiply_adds);
}

class EverySummary : public ::testing::TestWithParam<std::string> {};

TEST_P(EverySummary, AccountsForTheParametersUnderTheirKeys) {
  const auto options = models().at(GetParam())();
  const auto network = options->build();
  const auto [height, width] = options->card().size;
  const ModelSummary summary = summarize(*network, height, width);
  std::set<std::string> modules;
  std::int64_t total = 0, listed = 0;
  for (const auto& item : network->named_parameters()) {
    modules.insert(item.key().substr(0, item.key().rfind('.')));
    total += item.value().numel();
  }
  for (const auto& layer : summary.layers) {
    listed += layer.parameters;
    if (layer.key.empty()) {
      EXPECT_EQ(layer.parameters, 0) << layer.operator_name;
    } else {
      EXPECT_EQ(modules.count(layer.key), 1U) << layer.key;
    }
  }
  EXPECT_EQ(summary.parameters, total);
  EXPECT_EQ(listed, total);
  EXPECT_EQ(summary.outputs.front().first, "mask");
}

INSTANTIATE_TEST_SUITE_P(Zoo, EverySummary, ::testing::ValuesIn(models().names()),
                         [](const auto& info) { return info.param; });

TEST(SummaryTable, EndsWithTheTotals) {
  const ModelSummary summary = summarize(*models().at("sinet")()->build(), 224, 224);
  const std::string table = summary_table("sinet", summary);
  EXPECT_THAT(table, HasSubstr("\nencoder.level1.conv "));
  EXPECT_THAT(table, ::testing::Not(HasSubstr(" \n")));
  EXPECT_THAT(table, EndsWith("\nparameters 86,910; multiply-adds 63.87 M (clova counter 63.87 M)\n"));
}

TEST(SummaryTable, JsonHoldsTheSameFigures) {
  HandMade network;
  const auto json = nlohmann::json::parse(summary_json("hand_made", summarize(network, 16, 20)));
  EXPECT_EQ(json.at("model"), "hand_made");
  EXPECT_EQ(json.at("size"), nlohmann::json({16, 20}));
  EXPECT_EQ(json.at("parameters"), 1029);
  EXPECT_EQ(json.at("multiply_adds"), 35124);
  EXPECT_EQ(json.at("multiply_adds_clova"), 27360);
  EXPECT_EQ(json.at("outputs").at("coarse"), nlohmann::json({1, 6, 4, 5}));
  EXPECT_EQ(json.at("layers").at(0), nlohmann::json({{"key", "stem"},
                                                     {"operator", "convolution"},
                                                     {"output", {1, 8, 8, 10}},
                                                     {"parameters", 224},
                                                     {"multiply_adds", 17280}}));
  EXPECT_TRUE(json.at("layers").at(5).at("key").is_null());
}

TEST(ZooTable, HasARowForEveryNetwork) {
  const std::string table = zoo_table();
  for (const auto& name : models().names()) EXPECT_THAT(table, HasSubstr("\n| `" + name + "` | "));
  EXPECT_THAT(table, HasSubstr(" | 86,910 | 63.87 M @ 224x224 | "));
}

}  // namespace
}  // namespace portraitseg
