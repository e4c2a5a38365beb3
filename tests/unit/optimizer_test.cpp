#include "portraitseg/engine/optimizer.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/schedule.h"
#include "portraitseg/models/models.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

torch::nn::Sequential small_network() {
  namespace nn = torch::nn;
  torch::manual_seed(3);
  nn::Sequential network(nn::Conv2d(nn::Conv2dOptions(4, 4, 3).groups(4)), nn::BatchNorm2d(4),
                         nn::Conv2d(4, 2, 1));
  network->to(torch::kFloat64);
  return network;
}

TEST(Adam, EqualsTorchOptimAdamOverTenSteps) {
  auto ours = small_network(), theirs = small_network();
  OptimizerOptions options;
  options.weight_decay = 0.01;
  Adam adam(*ours, options);
  torch::optim::Adam reference(theirs->parameters(), torch::optim::AdamOptions(1e-2).weight_decay(0.01));
  for (int step = 0; step < 10; ++step) {
    torch::manual_seed(step);
    const auto x = torch::randn({2, 4, 8, 8}, torch::kFloat64);
    adam.zero_grad();
    ours->forward(x).pow(2).sum().backward();
    adam.step(1e-2);
    reference.zero_grad();
    theirs->forward(x).pow(2).sum().backward();
    reference.step();
  }
  const auto a = ours->parameters(), b = theirs->parameters();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_LE((a[i] - b[i]).abs().max().item<double>(), 1e-12) << i;
}

TEST(Adam, ClovaDecaysDepthwiseKernelsNotAtAllAndVectorsByOnePercent) {
  auto network = small_network();
  OptimizerOptions options;
  options.weight_decay = 1;
  options.decay_rule = DecayRule::kClova;
  Adam adam(*network, options);
  for (auto& parameter : network->parameters()) parameter.mutable_grad() = torch::zeros_like(parameter);
  adam.step(0);
  TensorFile state;
  adam.save(state);
  // With a zero gradient the first moment is 0.1 * decay * parameter.
  for (const auto& item : network->named_parameters()) {
    const double share = item.value().dim() != 4 ? 0.01 : item.value().size(1) == 1 ? 0 : 1;
    const auto expected = item.value().detach() * (0.1 * share);
    EXPECT_TRUE(torch::allclose(state.at("training.adam.mean." + item.key()), expected)) << item.key();
  }
}

TEST(Adam, StateSavesAndLoads) {
  auto network = small_network();
  Adam adam(*network, {});
  network->forward(torch::ones({1, 4, 8, 8}, torch::kFloat64)).sum().backward();
  adam.step(1e-3);
  TensorFile state, again;
  adam.save(state);
  Adam other(*network, {});
  other.load(state, "memory");
  other.save(again);
  ASSERT_EQ(state.tensors.size(), again.tensors.size());
  for (std::size_t i = 0; i < state.tensors.size(); ++i)
    EXPECT_TRUE(torch::equal(state.tensors[i].second, again.tensors[i].second));
  state.tensors.pop_back();
  EXPECT_THROW(other.load(state, "memory"), DataError);
}

TEST(Adam, AHeadThatNoLossLooksAtKeepsItsBits) {
  auto network = small_network();
  OptimizerOptions options;
  options.weight_decay = 1;
  Adam adam(*network, options);
  const auto head = network->named_parameters()["2.weight"].clone();
  const auto kernel = network->named_parameters()["0.weight"].clone();
  for (int step = 0; step < 3; ++step) {
    adam.zero_grad();
    network->at<torch::nn::Conv2dImpl>(0)
        .forward(torch::ones({1, 4, 8, 8}, torch::kFloat64))
        .sum()
        .backward();
    adam.step(0.1);
  }
  EXPECT_TRUE(torch::equal(network->named_parameters()["2.weight"], head));
  EXPECT_FALSE(torch::equal(network->named_parameters()["0.weight"], kernel));
}

TEST(Adam, AFrozenParameterStaysOutside) {
  auto network = small_network();
  network->named_parameters()["0.weight"].set_requires_grad(false);
  const auto before = network->named_parameters()["0.weight"].clone();
  OptimizerOptions options;
  options.weight_decay = 1;
  Adam adam(*network, options);
  adam.zero_grad();
  network->forward(torch::ones({1, 4, 8, 8}, torch::kFloat64)).sum().backward();
  adam.step(0.1);
  EXPECT_TRUE(torch::equal(network->named_parameters()["0.weight"], before));
  TensorFile state;
  adam.save(state);
  EXPECT_EQ(state.find("training.adam.mean.0.weight"), nullptr);
  EXPECT_NE(state.find("training.adam.mean.2.weight"), nullptr);
}

/// Two parameters that have shapes and no values: they stand for tensors that are not in main memory.
struct Shapes : torch::nn::Module {
  Shapes() {
    register_parameter("first", torch::empty({4, 4}, torch::kMeta));
    register_parameter("second", torch::empty({20}, torch::kMeta));
  }
};

TEST(Adam, StepsOffTheProcessorWhateverTheFirstParameterHas) {
  OptimizerOptions options;
  options.weight_decay = 0.01;
  for (const std::vector<std::string>& keys :
       {std::vector<std::string>{"first", "second"}, {"second"}, std::vector<std::string>{}}) {
    const Shapes shapes;
    const auto parameters = shapes.named_parameters();
    Adam adam(shapes, options);
    adam.zero_grad();
    for (const auto& key : keys) parameters[key].mutable_grad().add_(1);
    std::vector<std::int64_t> before;
    for (const auto& item : parameters) before.push_back(item.value()._version());
    adam.step(0.1);
    for (std::size_t i = 0; i < before.size(); ++i) {
      const bool has_gradient = std::count(keys.begin(), keys.end(), parameters[i].key()) > 0;
      EXPECT_EQ(parameters[i].value()._version() > before[i], has_gradient) << parameters[i].key();
    }
  }
}

TEST(Adam, WeightsLoadedAfterItWasMadeAreThoseItUpdates) {
  auto network = small_network();
  Adam adam(*network, {});
  TensorFile file;
  for (const auto& [key, tensor] : state_dict(*network)) file.tensors.emplace_back(key, tensor * 0 + 2);
  load_state_dict(*network, file, "memory");
  Adam second(*network, {});  // takes the values over
  for (Adam* optimizer : {&adam, &second}) {
    optimizer->zero_grad();
    network->forward(torch::rand({1, 4, 8, 8}, torch::kFloat64)).sum().backward();
    const auto before = network->named_parameters()["2.bias"].clone();
    optimizer->step(0.5);  // a first step is of the learning rate's size
    const auto moved = before - network->named_parameters()["2.bias"];
    EXPECT_TRUE(torch::allclose(moved, torch::full_like(moved, 0.5))) << moved;
  }
}

TEST(Schedule, DefaultMilestonesAreClovas) {
  const ScheduleOptions schedule;
  const auto lr = [&](std::int64_t epoch, std::int64_t epochs) { return schedule.factor(epoch, epochs); };
  EXPECT_EQ(lr(149, 300), 1);
  EXPECT_EQ(lr(150, 300), 0.5);
  EXPECT_EQ(lr(249, 300), 0.5);
  EXPECT_EQ(lr(250, 300), 0.25);
  EXPECT_EQ(lr(6, 15), 1);
  EXPECT_EQ(lr(7, 15), 0.5);
  EXPECT_EQ(lr(12, 15), 0.5);
  EXPECT_EQ(lr(13, 15), 0.25);
}

TEST(Schedule, GivenMilestonesReplaceThem) {
  ScheduleOptions schedule;
  schedule.milestones = {2};
  schedule.gamma = 0.1;
  EXPECT_EQ(schedule.factor(1, 4), 1);
  EXPECT_EQ(schedule.factor(3, 4), 0.1);
}

}  // namespace
}  // namespace portraitseg
