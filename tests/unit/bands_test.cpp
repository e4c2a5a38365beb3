// What is kept and what is computed anew. Bands of rows against whole maps: the same values and gradients, in less memory.
#include <map>

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "nn/compiler/program.h"
#include "nn/compiler/record.h"
#include "support/build_model.h"

namespace portraitseg::compiler {
namespace {

constexpr std::int64_t kWhole = std::int64_t{1} << 40, kImages = 2;

struct Case {
  std::string name, model;
  std::int64_t height, width, band;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

Plan plan_of(SegmentationModel& model, const torch::Tensor& image, std::int64_t band) {
  Plan plan;
  std::vector<torch::Tensor> eager;
  const auto outputs_of = [&](const torch::Tensor& x) {
    const SegmentationOutput output = model.forward(x);
    std::vector<torch::Tensor> outputs = {output.mask};
    if (output.boundary.defined()) outputs.push_back(output.boundary);
    return outputs;
  };
  plan.graph = record(outputs_of, image, eager);
  add_sinks(plan.graph);
  if (model.is_training()) differentiate(plan.graph);
  fuse(plan.graph, !model.is_training());
  plan.schedule = make_schedule(plan.graph, band);
  return plan;
}

class NetworksInBands : public ::testing::TestWithParam<Case> {
 protected:
  static Plan plan(SegmentationModel& model, std::int64_t band) {
    return plan_of(model, image(kImages), band);
  }

  static torch::Tensor image(std::int64_t n) {
    torch::manual_seed(2);
    return torch::randn({n, 3, GetParam().height, GetParam().width}, torch::kFloat64);
  }

  /// Outputs, then gradients and running statistics in training.
  static std::vector<torch::Tensor> run(SegmentationModel& model, std::int64_t band) {
    const auto made = std::make_shared<const Plan>(plan(model, band));
    Program<double> program(made, kImages);
    std::vector<torch::Tensor> all = program.forward(image(kImages));
    if (!model.is_training()) return all;
    torch::manual_seed(4);
    std::vector<torch::Tensor> gradients;
    for (const auto& output : all) gradients.push_back(torch::randn_like(output));
    for (const auto& gradient : program.backward(gradients, model.parameters())) {
      if (gradient.defined()) all.push_back(gradient);
    }
    for (const auto& buffer : model.buffers()) all.push_back(buffer.to(torch::kFloat64));
    return all;
  }

  static std::shared_ptr<SegmentationModel> model(bool train) {
    torch::manual_seed(1);
    const auto made = testing::build_model(GetParam().model);
    made->to(torch::kFloat64);
    made->train(train);
    return made;
  }

  static std::size_t steps(const Plan& plan) {
    std::size_t count = 0;
    for (const Stage& stage : plan.schedule.stages) count += stage.steps.size();
    return count;
  }

  static void expect_the_same(bool train) {
    const torch::NoGradGuard no_grad;
    const auto whole = model(train), in_bands = model(train);
    EXPECT_GT(steps(plan(*in_bands, GetParam().band)), steps(plan(*whole, kWhole)));
    const auto expected = run(*whole, kWhole), actual = run(*in_bands, GetParam().band);
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double scale = std::max(1.0, expected[i].abs().max().item<double>());
      EXPECT_LE((actual[i] - expected[i]).abs().max().item<double>(), 1e-9 * scale) << i;
    }
  }
};

TEST_P(NetworksInBands, InferTheSame) {
  expect_the_same(false);
}

TEST_P(NetworksInBands, TrainTheSame) {
  expect_the_same(true);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, NetworksInBands,
    ::testing::Values(Case{"sinet", "{name: sinet}", 64, 96, 4096},
                      Case{"sinet_cityscapes", "{name: sinet_cityscapes}", 128, 128, 16384},
                      Case{"extremec3net", "{name: extremec3net}", 96, 64, 8192},
                      Case{"portraitnet", "{name: portraitnet}", 64, 96, 16384},
                      Case{"portraitnet_tall", "{name: portraitnet}", 160, 64, 16384},
                      Case{"portraitnet_grouped", "{name: portraitnet, upsampling: grouped}", 96, 96, 16384},
                      Case{"portraitnet_bilinear", "{name: portraitnet, upsampling: bilinear}", 96, 96,
                           16384}),
    [](const auto& info) { return info.param.name; });

TEST(Bands, NeedLessMemory) {
  const torch::NoGradGuard no_grad;
  const auto model = testing::build_model("{name: portraitnet}");
  model->eval();
  const auto scratch = [&](std::int64_t band) {
    return plan_of(*model, torch::zeros({1, 3, 224, 224}), band).schedule.stages[0].scratch;
  };
  EXPECT_LT(2 * scratch(kCachedValues), scratch(kWhole));
}

TEST(CompiledSchedule, ComputeAnewWhatADepthwiseConvolutionsGradientSpreads) {
  const auto model = testing::build_model("{name: portraitnet}");
  model->train();
  const Plan plan = plan_of(*model, torch::zeros({kImages, 3, 64, 64}), kWhole);
  std::map<int, int> stages;  // in which each such gradient is computed
  for (const Stage& stage : plan.schedule.stages) {
    for (const Step& step : stage.steps) {
      const Node& node = plan.graph.at(step.node);
      if (node.op != Op::kDepthwiseTransposed || node.window.stride[0] == 1) continue;
      EXPECT_FALSE(step.out.kept) << step.node;
      ++stages[step.node];
    }
  }
  EXPECT_EQ(stages.size(), 4);  // MobileNetV2 halves its maps five times, first by a dense convolution
  for (const auto& [node, count] : stages) EXPECT_EQ(count, 2) << node;  // for BatchNorm's sums, its gradient
}

}  // namespace
}  // namespace portraitseg::compiler
