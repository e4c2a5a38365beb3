// The references' networks with the weights in golden/: logits, gradients, running statistics and keys.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/state_dict.h"

#include "support/build_model.h"
#include "support/shared_data.h"

namespace portraitseg {
namespace {

constexpr double kTolerance = 1e-6;  // of a float64 run against float32 storage, see golden/README.md

struct Network {
  std::string name;     // what the test is called
  std::string model;    // section of a configuration
  std::string weights;  // files NAME.weights.safetensors and NAME.io.safetensors
  std::string io;
  std::string inputs;                                        // "clova" or "portraitnet"
  std::int64_t channels;                                     // of the inputs
  std::vector<std::pair<std::string, std::string>> outputs;  // of the network, in the golden file
};

const std::vector<Network> kNetworks = {
    {"sinet", "{name: sinet}", "sinet", "sinet", "clova", 3, {{"mask", "logits"}}},
    {"sinet_encoder",
     "{name: sinet_encoder}",
     "sinet_encoder",
     "sinet_encoder",
     "clova",
     3,
     {{"mask", "logits"}}},
    {"extremec3net",
     "{name: extremec3net}",
     "extremec3net",
     "extremec3net",
     "clova",
     3,
     {{"mask", "logits"}}},
    {"extremec3net_coarse",
     "{name: extremec3net_coarse}",
     "extremec3net_coarse",
     "extremec3net_coarse",
     "clova",
     3,
     {{"mask", "logits"}}},
    {"portraitnet_edge",
     "{name: portraitnet}",
     "portraitnet_edge",
     "portraitnet_edge",
     "portraitnet",
     3,
     {{"mask", "mask"}, {"boundary", "edge"}}},
    {"portraitnet_plain",
     "{name: portraitnet, boundary_head: false}",
     "portraitnet_edge",
     "portraitnet_edge",
     "portraitnet",
     3,
     {{"mask", "mask"}}},
    {"portraitnet_prior",
     "{name: portraitnet, boundary_head: false, prior_channel: true}",
     "portraitnet_edge",
     "portraitnet_prior",
     "portraitnet",
     4,
     {{"mask", "mask"}}},
};

void PrintTo(const Network& network, std::ostream* out) {
  *out << network.name;
}

const Network& network(const std::string& name) {
  return *std::find_if(kNetworks.begin(), kNetworks.end(), [&](const Network& n) { return n.name == name; });
}

/// Golden weights of a network; PortraitNet's variants differ from portraitnet_edge in single tensors.
TensorFile golden_weights(const Network& network) {
  TensorFile file = read_safetensors(testing::golden_path(network.weights + ".weights.safetensors"));
  if (network.name == "portraitnet_plain" || network.name == "portraitnet_prior") {
    auto& tensors = file.tensors;
    tensors.erase(
        std::find_if(tensors.begin(), tensors.end(), [](auto& t) { return t.first == "edge.weight"; }));
  }
  if (network.name == "portraitnet_prior") {
    const auto own = read_safetensors(testing::golden_path("portraitnet_prior.weights.safetensors"));
    for (auto& [key, tensor] : file.tensors) {
      if (own.find(key) != nullptr) tensor = own.at(key);
    }
  }
  return file;
}

void expect_close(const torch::Tensor& actual, const torch::Tensor& expected, const std::string& name) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << name;
  const auto golden = expected.to(torch::kFloat64);
  const double scale = std::max(1.0, golden.abs().max().item<double>());
  EXPECT_LE((actual.detach() - golden).abs().max().item<double>(), kTolerance * scale) << name;
}

class EveryNetwork : public ::testing::TestWithParam<Network> {
 protected:
  void SetUp() override { PORTRAITSEG_NEEDS_SHARED_DATA(); }

  static std::shared_ptr<SegmentationModel> golden_model() {
    auto model = testing::build_model(GetParam().model);
    load_state_dict(*model, golden_weights(GetParam()), GetParam().name);
    model->to(torch::kFloat64);
    return model;
  }

  static torch::Tensor input(const std::string& tensor) {
    const auto inputs =
        read_safetensors(testing::golden_path("inputs_" + GetParam().inputs + ".safetensors"));
    return inputs.at(tensor).slice(1, 0, GetParam().channels).to(torch::kFloat64);
  }
};

TEST_P(EveryNetwork, LogitsEqualTheReference) {
  const auto model = golden_model();
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto golden = read_safetensors(testing::golden_path(GetParam().io + ".io.safetensors"));
  for (const std::string size : {"", "_160x128"}) {
    const auto output = model->forward(input("input" + size));
    for (const auto& [head, tensor] : GetParam().outputs) {
      expect_close(output.at(head), golden.at(tensor + size), tensor + size);
    }
  }
}

TEST_P(EveryNetwork, KeysEqualTheReference) {
  const auto golden = golden_weights(GetParam());
  const auto state = state_dict(*testing::build_model(GetParam().model));
  EXPECT_EQ(state.size(), golden.tensors.size());
  for (const auto& [key, tensor] : state) {
    ASSERT_NE(golden.find(key), nullptr) << key;
    EXPECT_EQ(golden.at(key).sizes(), tensor.sizes()) << key;
  }
}

/// Those of which golden/ has a training step; the others are parts of them.
class EveryTrainedNetwork : public EveryNetwork {};

TEST_P(EveryTrainedNetwork, StepEqualsTheReference) {
  const auto golden = read_safetensors(testing::golden_path(GetParam().name + ".train.safetensors"));
  const auto model = golden_model();
  model->train();
  const auto output = model->forward(input("input").slice(0, 0, 2).slice(2, 32, 192).slice(3, 48, 176));
  torch::Tensor loss = torch::zeros({}, torch::kFloat64);
  for (const auto& [head, tensor] : GetParam().outputs) {
    expect_close(output.at(head), golden.at(tensor), tensor);
    loss = loss + (output.at(head) * golden.at("r_" + tensor).to(torch::kFloat64)).sum();
  }
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), golden.at("loss").item<double>(),
              kTolerance * std::abs(loss.item<double>()));

  for (const auto& item : model->named_parameters()) {
    const auto gradient = item.value().grad();
    ASSERT_TRUE(gradient.defined()) << item.key();
    if (const auto* whole = golden.find("grad." + item.key())) {
      expect_close(gradient, *whole, item.key());
      continue;
    }
    const std::int64_t stride = (gradient.numel() + 1023) / 1024;
    expect_close(gradient.flatten().slice(0, 0, gradient.numel(), stride),
                 golden.at("grad_strided." + item.key()), item.key());
    const double norm = golden.at("grad_l2." + item.key()).item<double>();
    EXPECT_NEAR(gradient.norm().item<double>(), norm, kTolerance * std::max(1.0, norm)) << item.key();
  }
  std::size_t statistics = 0;
  for (const auto& [key, after] : golden.tensors) {
    if (key.rfind("after.", 0) != 0) continue;
    expect_close(model->named_buffers()[key.substr(6)], after, key);
    ++statistics;
  }
  EXPECT_EQ(statistics, model->named_buffers().size() * 2 / 3) << "mean and variance, not the batch counter";
}

INSTANTIATE_TEST_SUITE_P(NetworkParity, EveryNetwork, ::testing::ValuesIn(kNetworks),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(NetworkParity, EveryTrainedNetwork,
                         ::testing::Values(network("sinet"), network("extremec3net"),
                                           network("portraitnet_edge")),
                         [](const auto& info) { return info.param.name; });

TEST(PortraitNetParity, ThreeChannelsMeanAPriorOfZeros) {
  torch::manual_seed(1);
  const auto model = testing::build_model("{name: portraitnet, prior_channel: true}");
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto image = torch::rand({1, 3, 64, 64});
  const auto with_zeros = torch::cat({image, torch::zeros({1, 1, 64, 64})}, 1);
  EXPECT_TRUE(torch::equal(model->forward(image).mask, model->forward(with_zeros).mask));
}

}  // namespace
}  // namespace portraitseg
