#include "portraitseg/core/cuda_graph.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "portraitseg/core/device.h"
#include "portraitseg/core/error.h"

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

class CudaGraphsOnCuda : public ::testing::TestWithParam<const char*> {};

TEST_P(CudaGraphsOnCuda, GiveWhatTheNetworkGives) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "needs a CUDA device";
  const torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  const Device device{DeviceOptions{"cuda"}};
  const auto model = testing::build_model("{name: " + std::string(GetParam()) + ", num_classes: 2}");
  device.place(*model);
  model->eval();
  int forwards = 0;
  GraphedFunction graphed([&](const torch::Tensor& image) {
    ++forwards;
    return model->forward(image).mask;
  });
  const std::vector<std::vector<std::int64_t>> shapes = {{8, 3, 224, 224}, {1, 3, 128, 160}};
  std::vector<torch::Tensor> kept, expected;
  for (int batch = 0; batch < 4; ++batch) {  // the first is not recorded: three replays of either shape
    if (batch == 2) forwards = 0;
    for (const auto& shape : shapes) {
      const torch::Tensor image = device.move(torch::randn(shape), torch::kFloat32);
      kept.push_back(graphed(image));
      expected.push_back(model->forward(image).mask);
    }
  }
  EXPECT_EQ(forwards, 0) << "replays run no code of the network";
  for (std::size_t i = 0; i < kept.size(); ++i)
    EXPECT_TRUE(torch::allclose(kept[i], expected[i], 1e-4, 1e-4)) << i;
}

INSTANTIATE_TEST_SUITE_P(Networks, CudaGraphsOnCuda,
                         ::testing::Values("sinet", "extremec3net", "portraitnet"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace portraitseg
