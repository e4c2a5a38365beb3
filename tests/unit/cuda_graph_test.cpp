#include "portraitseg/core/cuda_graph.h"

#include <gmock/gmock.h>
#include <torch/cuda.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/device.h"
#include "portraitseg/core/error.h"
#include "portraitseg/engine/model_runner.h"

#include "support/build_model.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

/// The doubled input, and what became of it.
class GraphedFunctionTest : public ::testing::Test {
 protected:
  /// "runs", "records" or "replays", for an input of that many values.
  std::string call(std::int64_t values) {
    events.clear();
    EXPECT_TRUE(graphed(torch::ones({values})).equal(2 * torch::ones({values})));
    return events;
  }

  TensorFunction logged(const std::string& event) {
    return [this, event](const torch::Tensor& input) {
      events += event;
      return 2 * input;
    };
  }

  std::string events;
  GraphedFunction graphed{logged("runs"), [this](const TensorFunction&, const torch::Tensor&) {
                            events += "records, ";
                            return logged("replays");
                          }};
};

TEST_F(GraphedFunctionTest, RecordsAShapeThatComesAgain) {
  EXPECT_EQ(call(3), "runs");
  EXPECT_EQ(call(3), "records, replays");
  EXPECT_EQ(call(3), "replays");
  EXPECT_EQ(call(5), "runs");
  EXPECT_EQ(call(3), "replays");
  EXPECT_EQ(call(5), "records, replays");
}

TEST_F(GraphedFunctionTest, RecordsAFewShapesAtMost) {
  const auto most = static_cast<std::int64_t>(GraphedFunction::kMost);
  for (std::int64_t values = 1; values <= most + 1; ++values) EXPECT_EQ(call(values), "runs");
  for (std::int64_t values = 1; values <= most; ++values) EXPECT_EQ(call(values), "records, replays");
  EXPECT_EQ(call(most + 1), "runs");
  EXPECT_EQ(call(most + 1), "runs");
  EXPECT_EQ(call(most), "replays");
}

TEST(CudaGraphs, AreRefusedOnTheCpu) {
  DeviceOptions options{"cpu", 1};
  options.cuda_graphs = true;
  try {
    const Device device(options);
    ADD_FAILURE();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "device.cuda_graphs needs CUDA, and the device is the CPU");
  }
}

TEST(CudaGraphs, AreRefusedWhereLibTorchHasNone) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "this machine has CUDA";
  try {
    record_cuda_graph([](const torch::Tensor& input) { return input; }, torch::ones({1}));
    ADD_FAILURE();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr("CUDA"));
  }
}

/// A network of the library, and how often its operators are run one by one.
struct Counted : SegmentationModel {
  explicit Counted(const std::string& name)
      : network(register_module("network", testing::build_model("{name: " + name + ", num_classes: 2}"))) {}

  SegmentationOutput forward(const torch::Tensor& image) override {
    ++forwards;
    return network->forward(image);
  }
  std::int64_t size_multiple() const override { return network->size_multiple(); }

  std::shared_ptr<SegmentationModel> network;
  int forwards = 0;
};

/// BatchNorms of a network that is not trained nearly extinguish what they are given.
void fit_statistics(SegmentationModel& model, const torch::Tensor& images) {
  for (const auto& module : model.modules(/*include_self=*/false)) {
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) norm->options.momentum(1.0);
  }
  model.train();
  model.forward(images);
  model.eval();
}

/// The largest difference, as a share of the largest value.
double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

class CudaGraphsOnCuda : public ::testing::TestWithParam<const char*> {};

TEST_P(CudaGraphsOnCuda, GiveWhatTheNetworkGives) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "needs a CUDA device";
  const torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  DeviceOptions options{"cuda"};
  options.cuda_graphs = true;
  const Device device(options);
  Counted model(GetParam());
  device.place(model);
  const std::vector<std::vector<std::int64_t>> shapes = {{4, 3, 128, 128}, {1, 3, 128, 160}};
  const auto draw = [&](const std::vector<std::int64_t>& shape) {
    return device.move(torch::randn(shape), torch::kFloat32);
  };
  fit_statistics(model, draw(shapes[0]));
  ModelRunner runner(model, device, ModelRunner::Purpose::kInference);
  std::vector<torch::Tensor> masks, expected;
  for (int batch = 0; batch < 4; ++batch) {  // the first is not recorded: three replays of either shape
    if (batch == 2) model.forwards = 0;
    for (const auto& shape : shapes) {
      const torch::Tensor image = draw(shape);
      masks.push_back(runner.forward(image).mask);
      expected.push_back(model.network->forward(image).mask);
    }
  }
  EXPECT_EQ(model.forwards, 0) << "a replay runs no code of the network";
  for (std::size_t i = 0; i < masks.size(); ++i) EXPECT_LT(distance(masks[i], expected[i]), 1e-3) << i;
  for (std::size_t i = shapes.size(); i < masks.size(); ++i)
    EXPECT_GT(distance(masks[i], masks[i - shapes.size()]), 1e-2) << "stale " << i;
}

INSTANTIATE_TEST_SUITE_P(Networks, CudaGraphsOnCuda,
                         ::testing::Values("sinet", "extremec3net", "portraitnet"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace portraitseg
