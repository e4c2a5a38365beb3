// Fused operators against LibTorch's: values, gradients, running statistics, in float64.
#include "portraitseg/nn/compiled_network.h"

#include <gmock/gmock.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "support/build_model.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

constexpr double kTolerance = 1e-9;  // of a float64 run; sums are taken in another order

struct Case {
  std::string name;
  std::string model;  // section of a configuration
  std::int64_t height, width;
};

const std::vector<Case> kCases = {
    {"sinet", "{name: sinet}", 64, 96},
    {"sinet_5_classes", "{name: sinet, num_classes: 5}", 64, 64},
    {"sinet_reverse", "{name: sinet, decoder: reverse}", 64, 64},
    {"sinet_none", "{name: sinet, decoder: none}", 64, 64},
    {"sinet_encoder", "{name: sinet_encoder}", 96, 64},
    {"sinet_boundary", "{name: sinet, boundary_head: true}", 64, 64},
    {"extremec3net_boundary", "{name: extremec3net, boundary_head: true}", 64, 64},
    {"extremec3net", "{name: extremec3net}", 64, 96},
    {"extremec3net_2_classes", "{name: extremec3net, num_classes: 2}", 64, 64},
    {"extremec3net_coarse", "{name: extremec3net_coarse}", 64, 64},
    {"extremec3net_without_fine", "{name: extremec3net, fine_branch: false}", 64, 64},
    {"portraitnet", "{name: portraitnet}", 64, 96},
    {"portraitnet_mask_alone", "{name: portraitnet, boundary_head: false}", 64, 64},
    {"portraitnet_half", "{name: portraitnet, width_multiplier: 0.5}", 64, 64},
    {"portraitnet_grouped", "{name: portraitnet, upsampling: grouped}", 64, 64},
    {"portraitnet_bilinear", "{name: portraitnet, upsampling: bilinear}", 64, 64},
    {"sinet_cityscapes", "{name: sinet_cityscapes, num_classes: 4}", 128, 128},
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

std::vector<torch::Tensor> outputs_of(SegmentationModel& model, const torch::Tensor& image) {
  const SegmentationOutput output = model.forward(image);
  std::vector<torch::Tensor> outputs;
  for (const auto& logits : {output.mask, output.boundary, output.coarse}) {
    if (logits.defined()) outputs.push_back(logits);
  }
  return outputs;
}

/// Values everywhere that an untrained network has 0 or 1: else an error in their use would not show.
void randomise(torch::nn::Module& model) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  for (auto& parameter : model.parameters()) {
    if (parameter.dim() == 1) parameter.copy_(torch::rand_like(parameter) * 0.6 + 0.5);
  }
  for (auto& item : model.named_buffers()) {
    auto& buffer = item.value();
    if (buffer.dim() == 1) buffer.copy_(torch::rand_like(buffer) * 0.8 + 0.4);
  }
}

void expect_close(const torch::Tensor& actual, const torch::Tensor& expected, const std::string& what,
                  double tolerance = kTolerance) {
  ASSERT_TRUE(actual.defined()) << what;
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((actual - expected).abs().max().item<double>(), tolerance * scale) << what;
}

class EveryNetworkCompiled : public ::testing::TestWithParam<Case> {
 protected:
  static std::shared_ptr<SegmentationModel> model(torch::Dtype dtype = torch::kFloat64) {
    torch::manual_seed(1);
    auto made = testing::build_model(GetParam().model);
    randomise(*made);
    made->to(dtype);
    return made;
  }

  static torch::Tensor image(std::int64_t n, torch::Dtype dtype = torch::kFloat64) {
    torch::manual_seed(2);
    return torch::randn({n, 3, GetParam().height, GetParam().width}, dtype);
  }

  static CompiledNetwork compiled(SegmentationModel& model, bool gradients) {
    return CompiledNetwork(
        model, [&](const torch::Tensor& x) { return outputs_of(model, x); }, gradients);
  }
};

TEST_P(EveryNetworkCompiled, InfersWhatTheNetworkInfers) {
  const torch::NoGradGuard no_grad;
  const auto network = model();
  network->eval();
  auto fused = compiled(*network, /*gradients=*/false);
  for (const std::int64_t n : {1, 3}) {
    const auto expected = outputs_of(*network, image(n));
    const auto actual = fused(image(n));
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expect_close(actual[i], expected[i], "output");
  }
}

TEST_P(EveryNetworkCompiled, InfersInFloatWithin1eMinus4) {
  const torch::NoGradGuard no_grad;
  const auto network = model(torch::kFloat32);
  network->eval();
  auto fused = compiled(*network, /*gradients=*/false);
  const auto expected = outputs_of(*network, image(2, torch::kFloat32));
  const auto actual = fused(image(2, torch::kFloat32));
  for (std::size_t i = 0; i < expected.size(); ++i) expect_close(actual[i], expected[i], "output", 1e-4);
}

TEST_P(EveryNetworkCompiled, TrainsAsTheNetworkTrains) {
  const auto network = model(), reference = model();
  network->train();
  reference->train();
  auto fused = compiled(*network, /*gradients=*/true);
  for (int step = 0; step < 2; ++step) {  // the second one with memory that has been used
    const auto expected = outputs_of(*reference, image(3));
    const auto actual = fused(image(3));
    ASSERT_EQ(actual.size(), expected.size());
    torch::Tensor loss = torch::zeros({}, torch::kFloat64), expected_loss = loss;
    torch::manual_seed(4);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expect_close(actual[i], expected[i], "output");
      const auto weights = torch::randn_like(expected[i]);
      loss = loss + (weights * actual[i]).sum();
      expected_loss = expected_loss + (weights * expected[i]).sum();
    }
    loss.backward();
    expected_loss.backward();
  }
  for (const auto& item : reference->named_parameters()) {
    const auto& expected = item.value().grad();
    const auto& actual = network->named_parameters()[item.key()].grad();
    ASSERT_EQ(actual.defined(), expected.defined()) << item.key();
    if (expected.defined()) expect_close(actual, expected, item.key(), 1e-8);
  }
  for (const auto& item : reference->named_buffers())
    expect_close(network->named_buffers()[item.key()].to(torch::kFloat64), item.value().to(torch::kFloat64),
                 item.key());
}

INSTANTIATE_TEST_SUITE_P(Compiled, EveryNetworkCompiled, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

std::vector<torch::Tensor> mask_of(SegmentationModel& model, const torch::Tensor& image) {
  return {model.forward(image).mask};
}

TEST(CompiledNetwork, TwoForwardsWaitForOneBackward) {
  torch::manual_seed(1);
  const auto network = testing::build_model("{name: sinet}"),
             reference = testing::build_model("{name: sinet}");
  network->to(torch::kFloat64);
  reference->to(torch::kFloat64);
  for (std::size_t i = 0; i < network->parameters().size(); ++i) {
    const torch::NoGradGuard no_grad;
    reference->parameters()[i].copy_(network->parameters()[i]);
  }
  CompiledNetwork fused(
      *network, [&](const torch::Tensor& x) { return mask_of(*network, x); }, /*gradients=*/true);
  const auto a = torch::randn({2, 3, 64, 64}, torch::kFloat64),
             b = torch::randn({2, 3, 64, 64}, torch::kFloat64);
  (fused(a)[0].pow(2).sum() + fused(b)[0].pow(3).sum()).backward();
  (reference->forward(a).mask.pow(2).sum() + reference->forward(b).mask.pow(3).sum()).backward();
  for (const auto& item : reference->named_parameters())
    expect_close(network->named_parameters()[item.key()].grad(), item.value().grad(), item.key(), 1e-8);
}

TEST(CompiledNetwork, RecordingLeavesTheNetworkAsItWas) {
  const auto network = testing::build_model("{name: sinet}");
  network->train();
  std::vector<torch::Tensor> before;
  for (const auto& buffer : network->buffers()) before.push_back(buffer.clone());
  CompiledNetwork fused(
      *network, [&](const torch::Tensor& x) { return mask_of(*network, x); }, /*gradients=*/true);
  const auto image = torch::randn({4, 3, 64, 64});
  fused(image);
  const auto reference = testing::build_model("{name: sinet}");
  EXPECT_EQ(network->named_buffers()["encoder.level1.bn.num_batches_tracked"].item<std::int64_t>(), 1);
}

struct OddImpl : torch::nn::Module {
  explicit OddImpl(std::function<torch::Tensor(const torch::Tensor&)> f) : body(std::move(f)) {
    weight = register_parameter("weight", torch::randn({4, 3, 1, 1}));
  }
  torch::Tensor forward(const torch::Tensor& x) { return body(torch::conv2d(x, weight)); }
  std::function<torch::Tensor(const torch::Tensor&)> body;
  torch::Tensor weight;
};

std::string refusal(const std::function<torch::Tensor(const torch::Tensor&)>& body) {
  OddImpl network(body);
  CompiledNetwork fused(
      network, [&](const torch::Tensor& x) { return std::vector<torch::Tensor>{network.forward(x)}; },
      /*gradients=*/true);
  try {
    fused(torch::randn({2, 3, 8, 8}));
  } catch (const NotCompiled& reason) {
    return reason.what();
  }
  return "compiled";
}

TEST(CompiledNetwork, RefusesWhatItHasNoCodeFor) {
  EXPECT_EQ(refusal([](const torch::Tensor& x) { return torch::relu(x); }), "compiled");
  EXPECT_THAT(refusal([](const torch::Tensor& x) { return torch::gelu(x); }), HasSubstr("gelu"));
  EXPECT_THAT(refusal([](const torch::Tensor& x) { return torch::dropout(x, 0.5, true); }),
              HasSubstr("dropout"));
  EXPECT_THAT(refusal([](const torch::Tensor& x) { return x.flatten(2).unsqueeze(3); }),
              HasSubstr("flatten"));
  EXPECT_THAT(refusal([](const torch::Tensor& x) { return x + torch::randn_like(x); }), HasSubstr("rand"));
  EXPECT_THAT(refusal([](const torch::Tensor& x) { return x * x.mean().item<double>(); }),
              ::testing::Ne("compiled"));
}

}  // namespace
}  // namespace portraitseg
