#include "portraitseg/engine/model_runner.h"

#include <gmock/gmock.h>
#include <torch/nn/modules/conv.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "support/build_model.h"

namespace portraitseg {
namespace {

/// Two classes at half the size; `forwards` counts how often LibTorch's operators run.
struct Pooled : SegmentationModel {
  Pooled() : convolution(register_module("convolution", torch::nn::Conv2d(3, 2, 1))) { eval(); }

  SegmentationOutput forward(const torch::Tensor& image) override {
    ++forwards;
    const torch::Tensor logits = torch::avg_pool2d(convolution(image), 2);
    return {drops ? torch::dropout(logits, 0.5, /*train=*/false).flatten(2).unsqueeze(3) : logits, {}, {}};
  }
  std::int64_t size_multiple() const override { return 1; }

  torch::nn::Conv2d convolution;
  bool drops = false;
  int forwards = 0;
};

/// Answers at a coarse size too, while it is trained.
struct SometimesCoarse : SegmentationModel {
  SometimesCoarse() : convolution(register_module("convolution", torch::nn::Conv2d(3, 2, 1))) {}

  SegmentationOutput forward(const torch::Tensor& image) override {
    const torch::Tensor logits = convolution(image);
    return {logits, {}, is_training() ? torch::avg_pool2d(logits, 4) : torch::Tensor()};
  }
  std::int64_t size_multiple() const override { return 4; }

  torch::nn::Conv2d convolution;
};

TEST(ModelRunner, AnOutputOfTrainingAloneIsCompiledToo) {
  const Device device{DeviceOptions{"cpu", 1}};
  SometimesCoarse model;
  const torch::Tensor image = torch::randn({2, 3, 8, 8});
  ModelRunner training(model, device, ModelRunner::Purpose::kTraining);
  for (int i = 0; i < 2; ++i) {
    const SegmentationOutput output = training.forward(image), expected = model.forward(image);
    EXPECT_FALSE(output.boundary.defined());
    EXPECT_TRUE(torch::allclose(output.coarse, expected.coarse, 1e-5, 1e-6));
    model.zero_grad();
    output.coarse.sum().backward();
    const torch::Tensor gradient = model.convolution->weight.grad().clone();
    model.zero_grad();
    expected.coarse.sum().backward();
    EXPECT_TRUE(torch::allclose(gradient, model.convolution->weight.grad(), 1e-4, 1e-5));
  }
  EXPECT_EQ(training.obstacle(), "");
  model.eval();
  const torch::NoGradGuard no_grad;
  ModelRunner inference(model, device, ModelRunner::Purpose::kInference);
  EXPECT_TRUE(torch::allclose(inference.forward(image).mask, model.forward(image).mask, 1e-5, 1e-6));
  EXPECT_FALSE(inference.forward(image).coarse.defined());
}

TEST(ModelRunner, ALossOnTheCoarseOutputAloneHasLibTorchsGradient) {
  const Device device{DeviceOptions{"cpu", 1}};
  torch::manual_seed(1);
  const auto model = testing::build_model("{name: sinet_cityscapes, num_classes: 2}");
  model->to(torch::kFloat64);
  model->train();
  const torch::Tensor image = torch::randn({2, 3, 128, 128}, torch::kFloat64);
  const auto gradients = [&](const SegmentationOutput& output) {
    model->zero_grad();
    output.coarse.square().mean().backward();
    std::vector<torch::Tensor> all;
    for (const auto& parameter : model->parameters())  // the decoder's have none, or zero
      all.push_back(parameter.grad().defined() ? parameter.grad().clone() : torch::zeros_like(parameter));
    return all;
  };
  ModelRunner runner(*model, device, ModelRunner::Purpose::kTraining);
  const auto fused = gradients(runner.forward(image)), expected = gradients(model->forward(image));
  EXPECT_EQ(runner.obstacle(), "");
  double largest = 0;
  for (const auto& gradient : expected) largest = std::max(largest, gradient.norm().item<double>());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LE((fused[i] - expected[i]).norm().item<double>(),
              1e-8 * expected[i].norm().item<double>() + 1e-10 * largest)
        << i;
  }
}

class ModelRunnerTest : public ::testing::Test {
 protected:
  /// How often LibTorch's operators run for an image of this width.
  int forwards(std::int64_t width) {
    const torch::NoGradGuard no_grad;
    const torch::Tensor image = torch::randn({1, 3, 4, width});
    const int before = model.forwards;
    const torch::Tensor mask = runner.forward(image).mask;
    const int run = model.forwards - before;
    EXPECT_TRUE(torch::allclose(mask, model.forward(image).mask, 1e-5, 1e-5)) << width;
    return run;
  }

  Device device{DeviceOptions{"cpu", 1}};
  Pooled model;
  ModelRunner runner{model, device, ModelRunner::Purpose::kInference};
};

TEST_F(ModelRunnerTest, ASizeThatIsRefusedLeavesTheOthersFused) {
  EXPECT_EQ(forwards(5), 2);  // recorded, and run
  EXPECT_THAT(runner.obstacle(), ::testing::HasSubstr("pooling"));
  EXPECT_EQ(forwards(5), 1);
  EXPECT_EQ(forwards(6), 1);  // recorded
  EXPECT_EQ(forwards(6), 0);
  EXPECT_EQ(forwards(5), 1);
  EXPECT_EQ(forwards(6), 0);
}

TEST_F(ModelRunnerTest, ANetworkThatIsRefusedAtEverySizeIsNotTriedForEver) {
  model.drops = true;
  for (const std::int64_t width : {2, 4, 6, 8}) EXPECT_EQ(forwards(width), 2) << width;
  EXPECT_EQ(forwards(10), 1);
}

}  // namespace
}  // namespace portraitseg
