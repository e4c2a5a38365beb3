// The references' networks with other options; weights, inputs and comparison as tests/golden/README.md says.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/state_dict.h"

#include "support/build_model.h"

namespace portraitseg {
namespace {

constexpr double kTolerance = 1e-6;

struct Variant {
  std::string name;  // in variants.safetensors
  std::string model;
  std::int64_t height, width;
  std::string second_head = "";    // beside mask
  std::string second_tensor = "";  // its name in variants.safetensors
};

void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

/// Every level of SINet with one [k, p], as Table 5 has it.
std::string same_blocks(const std::string& block) {
  const std::string module = "[" + block + ", " + block + "]";
  std::string level3 = module;
  for (int i = 1; i < 8; ++i) level3 += ", " + module;
  return "{name: sinet, level2: [" + module + ", " + module + "], level3: [" + level3 + "]}";
}

const std::vector<Variant> kVariants = {
    {"sinet_classes5", "{name: sinet, num_classes: 5}", 64, 96},
    {"sinet_k3p1", same_blocks("3, 1"), 64, 64},
    {"sinet_k5p4", same_blocks("5, 4"), 64, 64},
    {"extremec3net_classes4", "{name: extremec3net, num_classes: 4}", 64, 96},
    {"extremec3net_p2q3", "{name: extremec3net, level2_blocks: 2, level3_blocks: 3}", 64, 64},
    {"portraitnet_grouped", "{name: portraitnet, upsampling: grouped, boundary_head: false}", 64, 96},
    {"portraitnet_bilinear", "{name: portraitnet, upsampling: bilinear}", 64, 64, "boundary", "edge"},
    {"portraitnet_half", "{name: portraitnet, width_multiplier: 0.5}", 64, 64, "boundary", "edge"},
    {"portraitnet_narrow", "{name: portraitnet, width_multiplier: 0.35, boundary_head: false}", 64, 64},
    {"portraitnet_classes9", "{name: portraitnet, num_classes: 9, boundary_head: false}", 64, 64},
    {"sinet_cityscapes", "{name: sinet_cityscapes}", 128, 256, "coarse", "coarse"},
    {"sinet_cityscapes_classes3", "{name: sinet_cityscapes, num_classes: 3}", 128, 128, "coarse", "coarse"},
};

/// Numbers in [0, 1) that follow from the key and the flat index alone.
torch::Tensor uniform(const std::string& key, torch::IntArrayRef shape) {
  std::uint64_t hash = 0;
  for (const unsigned char c : key) hash = (hash * 31 + c) % 1000003;
  torch::Tensor values = torch::empty(shape, torch::kFloat64);
  double* out = values.data_ptr<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const std::uint64_t product = static_cast<std::uint64_t>(i + 1) * ((hash + 1) * 2654435761);
    out[i] = static_cast<double>(product & 0xffffffff) / 4294967296.0;
  }
  return values;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

torch::Tensor formula_weight(const std::string& key, const torch::Tensor& like,
                             const torch::nn::Module& model) {
  const auto u = uniform(key, like.sizes());
  if (ends_with(key, "num_batches_tracked")) return torch::zeros_like(like);
  if (like.dim() >= 2) {
    const double fan = static_cast<double>(like.numel()) / static_cast<double>(like.size(0));
    return (u - 0.5) * 2 * std::sqrt(3 / fan);
  }
  if (ends_with(key, "running_var")) return 0.6 + u;
  if (ends_with(key, "running_mean") || ends_with(key, "bias")) return (u - 0.5) * 0.2;
  const std::string prefix = key.substr(0, key.rfind('.'));
  const bool batch_norm = model.named_buffers().contains(prefix + ".running_mean");
  return batch_norm ? 0.6 + 0.8 * u : 0.25 + (u - 0.5) * 0.3;
}

double weighted_sum(const torch::Tensor& tensor, const std::string& key) {
  return (tensor.detach() * (uniform(key, tensor.sizes()) - 0.5)).sum().item<double>();
}

const TensorFile& golden() {
  static const TensorFile file =
      read_safetensors(std::string(PORTRAITSEG_SOURCE_DIR) + "/tests/golden/variants.safetensors");
  return file;
}

class EveryVariant : public ::testing::TestWithParam<Variant> {
 protected:
  static std::shared_ptr<SegmentationModel> formula_model() {
    auto model = testing::build_model(GetParam().model);
    model->to(torch::kFloat64);
    const torch::NoGradGuard no_grad;
    for (auto& [key, tensor] : state_dict(*model)) tensor.copy_(formula_weight(key, tensor, *model));
    return model;
  }

  static torch::Tensor formula_input(const std::string& key, std::int64_t batch) {
    return uniform(key, {batch, 3, GetParam().height, GetParam().width}) * 4 - 2;
  }

  static const torch::Tensor& expected(const std::string& tensor) {
    return golden().at(GetParam().name + "." + tensor);
  }

  /// @param prefix "" or "coarse_" ...: how the tensors of this output begin
  static void expect_output(const torch::Tensor& actual, const std::string& tensor, const std::string& prefix,
                            const std::string& key) {
    const auto shape = expected(prefix + "shape");
    ASSERT_EQ(actual.dim(), shape.numel());
    for (std::int64_t i = 0; i < shape.numel(); ++i) ASSERT_EQ(actual.size(i), shape[i].item<std::int64_t>());
    const auto samples = expected(tensor).to(torch::kFloat64);
    const std::int64_t stride = (actual.numel() + 511) / 512;
    const double tolerance = kTolerance * actual.abs().max().item<double>();
    EXPECT_LE((actual.flatten().slice(0, 0, actual.numel(), stride) - samples).abs().max().item<double>(),
              tolerance);
    const double dot = expected(prefix.empty() ? "logits_dot" : prefix + "dot").item<double>();
    EXPECT_NEAR(weighted_sum(actual, key), dot, tolerance);
  }
};

TEST_P(EveryVariant, LogitsEqualTheReference) {
  const auto model = formula_model();
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto output = model->forward(formula_input("input", 1));
  expect_output(output.mask, "logits", "", "r");
  const auto& [name, section, height, width, head, tensor] = GetParam();
  if (!head.empty()) expect_output(output.at(head), tensor, tensor + "_", "r2");
}

TEST_P(EveryVariant, GradientsEqualTheReference) {
  const auto model = formula_model();
  for (auto& parameter : model->parameters())
    parameter.set_requires_grad(true);  // its reference has gradients for frozen ones, too
  model->train();
  const auto output = model->forward(formula_input("train_input", 2));
  torch::Tensor loss = (output.mask * (uniform("r", output.mask.sizes()) - 0.5)).sum();
  if (!GetParam().second_head.empty()) {
    const auto& second = output.at(GetParam().second_head);
    loss = loss + (second * (uniform("r2", second.sizes()) - 0.5)).sum();
  }
  loss.backward();
  const double golden_loss = expected("train_loss").item<double>();
  EXPECT_NEAR(loss.item<double>(), golden_loss, kTolerance * std::max(1.0, std::abs(golden_loss)));

  std::map<std::string, torch::Tensor> gradients;
  for (const auto& item : model->named_parameters()) gradients[item.key()] = item.value().grad();
  const auto norms = expected("grad_norms"), dots = expected("grad_dots");
  ASSERT_EQ(static_cast<std::int64_t>(gradients.size()), norms.numel());
  const double rounding = 1e-9 * norms.max().item<double>();
  std::int64_t i = 0;
  for (const auto& [key, gradient] : gradients) {
    const double norm = norms[i].item<double>(), dot = dots[i].item<double>();
    ++i;
    EXPECT_NEAR(gradient.norm().item<double>(), norm, kTolerance * norm + rounding) << key;
    EXPECT_NEAR(weighted_sum(gradient, key + ".dot"), dot, kTolerance * norm + rounding) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(VariantParity, EveryVariant, ::testing::ValuesIn(kVariants),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace portraitseg
