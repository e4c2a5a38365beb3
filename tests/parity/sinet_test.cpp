#include <string>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "portraitseg/models/models.h"
#include "portraitseg/weights/state_dict.h"

#include "support/shared_data.h"

namespace portraitseg {
namespace {

constexpr double kTolerance = 1e-6;  // of a float64 run against float32 storage, see golden/README.md

std::shared_ptr<SegmentationModel> golden_model(const std::string& name) {
  auto model = models().at(name)()->build();
  const auto path = testing::golden_path(name + ".weights.safetensors");
  load_state_dict(*model, read_safetensors(path), path);
  model->to(torch::kFloat64);
  return model;
}

void expect_close(const torch::Tensor& actual, const torch::Tensor& expected, const std::string& name) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << name;
  const auto golden = expected.to(torch::kFloat64);
  const double scale = std::max(1.0, golden.abs().max().item<double>());
  EXPECT_LE((actual.detach() - golden).abs().max().item<double>(), kTolerance * scale) << name;
}

void expect_golden_logits(const std::string& name) {
  const auto model = golden_model(name);
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto inputs = read_safetensors(testing::golden_path("inputs_clova.safetensors"));
  const auto outputs = read_safetensors(testing::golden_path(name + ".io.safetensors"));
  expect_close(model->forward(inputs.at("input").to(torch::kFloat64)).mask, outputs.at("logits"), "logits");
  expect_close(model->forward(inputs.at("input_160x128").to(torch::kFloat64)).mask,
               outputs.at("logits_160x128"), "logits_160x128");
}

TEST(SinetParity, LogitsEqualTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  expect_golden_logits("sinet");
}

TEST(SinetParity, EncoderLogitsEqualTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  expect_golden_logits("sinet_encoder");
}

TEST(SinetParity, KeysEqualTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  for (const std::string name : {"sinet", "sinet_encoder"}) {
    const auto golden = read_safetensors(testing::golden_path(name + ".weights.safetensors"));
    const auto state = state_dict(*models().at(name)()->build());
    EXPECT_EQ(state.size(), golden.tensors.size());
    for (const auto& [key, tensor] : state) {
      ASSERT_NE(golden.find(key), nullptr) << key;
      EXPECT_EQ(golden.at(key).sizes(), tensor.sizes()) << key;
    }
  }
}

TEST(SinetParity, TrainingStepEqualsTheReference) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto golden = read_safetensors(testing::golden_path("sinet.train.safetensors"));
  const auto inputs = read_safetensors(testing::golden_path("inputs_clova.safetensors"));
  const auto model = golden_model("sinet");
  model->train();
  const auto x = inputs.at("input").slice(0, 0, 2).slice(2, 32, 192).slice(3, 48, 176).to(torch::kFloat64);
  const auto logits = model->forward(x).mask;
  expect_close(logits, golden.at("logits"), "logits");
  const auto loss = (logits * golden.at("r_logits").to(torch::kFloat64)).sum();
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), golden.at("loss").item<double>(),
              kTolerance * std::abs(loss.item<double>()));

  std::size_t compared = 0;
  for (const auto& item : model->named_parameters()) {
    const auto gradient = item.value().grad();
    ASSERT_TRUE(gradient.defined()) << item.key();
    if (const auto* whole = golden.find("grad." + item.key())) {
      expect_close(gradient, *whole, item.key());
      ++compared;
    } else if (const auto* strided = golden.find("grad_strided." + item.key())) {
      const std::int64_t stride = (gradient.numel() + 1023) / 1024;
      expect_close(gradient.flatten().slice(0, 0, gradient.numel(), stride), *strided, item.key());
      const double norm = golden.at("grad_l2." + item.key()).item<double>();
      EXPECT_NEAR(gradient.norm().item<double>(), norm, kTolerance * std::max(1.0, norm)) << item.key();
      ++compared;
    }
  }
  EXPECT_EQ(compared, 219u);

  std::size_t statistics = 0;
  for (const auto& item : model->named_buffers()) {
    if (const auto* after = golden.find("after." + item.key())) {
      expect_close(item.value(), *after, item.key());
      ++statistics;
    }
  }
  EXPECT_EQ(statistics, 2u * 58u);
}

}  // namespace
}  // namespace portraitseg
