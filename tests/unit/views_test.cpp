#include "portraitseg/data/views.h"

#include <cmath>

#include <gmock/gmock.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;

torch::Tensor random_inputs(std::int64_t n, std::int64_t height, std::int64_t width) {
  torch::manual_seed(5);
  return torch::randn({n, 3, height, width});
}

/// A network that is not symmetric: logits are what it sees, times what its place is.
torch::Tensor by_place(const torch::Tensor& inputs) {
  const torch::Tensor place = torch::linspace(-2, 3, inputs.size(3));
  return inputs.slice(1, 0, 2) * place;
}

torch::Tensor first_channel(const torch::Tensor& inputs) {
  return inputs.slice(1, 0, 1);
}

TEST(Views, AreNamed) {
  EXPECT_EQ(Views().name(), "");
  EXPECT_TRUE(Views().empty());
  EXPECT_EQ((Views{true, {1}}.name()), "flip");
  EXPECT_EQ((Views{false, {0.75, 1, 1.25}}.name()), "scales:0.75:1:1.25");
  EXPECT_EQ((Views{true, {0.5}}.name()), "flip+scales:0.5");
  EXPECT_FALSE((Views{false, {0.5}}.empty()));
}

TEST(Views, OfOneImageAsItIsAreTheNetworksOwnAnswer) {
  const torch::Tensor inputs = random_inputs(2, 32, 64);
  EXPECT_TRUE(torch::equal(logits_of_views({}, inputs, 32, {}, by_place), by_place(inputs)));
}

TEST(Views, AFlipIsTheMeanOfBothProbabilities) {
  const torch::Tensor inputs = random_inputs(3, 32, 64);
  const torch::Tensor mean = torch::softmax(logits_of_views({true, {1}}, inputs, 32, {}, by_place), 1);
  const torch::Tensor expected =
      (torch::softmax(by_place(inputs), 1) + torch::softmax(by_place(inputs.flip({3})).flip({3}), 1)) / 2;
  EXPECT_LT((mean - expected).abs().max().item<double>(), 1e-6);
}

TEST(Views, ASingleChannelIsAveragedAfterTheSigmoid) {
  const torch::Tensor inputs = random_inputs(2, 32, 64);
  const auto network = [](const torch::Tensor& x) { return by_place(x).slice(1, 0, 1); };
  const torch::Tensor mean = torch::sigmoid(logits_of_views({true, {1}}, inputs, 32, {}, network));
  const torch::Tensor expected =
      (torch::sigmoid(network(inputs)) + torch::sigmoid(network(inputs.flip({3})).flip({3}))) / 2;
  EXPECT_LT((mean - expected).abs().max().item<double>(), 1e-6);
}

TEST(Views, CertainNetworksKeepFiniteLogits) {
  const torch::Tensor inputs = 1e4 * random_inputs(1, 32, 32);
  for (const auto& network : {by_place, first_channel})
    EXPECT_TRUE(logits_of_views({true, {1}}, inputs, 32, {}, network).isfinite().all().item<bool>());
}

TEST(Views, AFlipExchangesMirroredClasses) {
  // Class 1 is on the left of every image that the network sees, class 2 on the right.
  const auto network = [](const torch::Tensor& x) {
    torch::Tensor logits = torch::zeros({x.size(0), 3, x.size(2), x.size(3)});
    logits.slice(1, 1, 2).slice(3, 0, x.size(3) / 2) += 5;
    logits.slice(1, 2, 3).slice(3, x.size(3) / 2) += 5;
    return logits;
  };
  const torch::Tensor inputs = random_inputs(2, 8, 16);
  const torch::Tensor both =
      torch::softmax(logits_of_views({true, {1}}, inputs, 8, {{{1, 2}}, {}}, network), 1);
  const torch::Tensor alone = torch::softmax(network(inputs), 1);
  EXPECT_LT((both[0] - alone[0]).abs().max().item<double>(), 1e-6) << "left stays left";
  EXPECT_GT((both[1] - alone[1]).abs().max().item<double>(), 0.4) << "an image without such classes";
}

TEST(Views, ScalesAreTheNearestMultiplesAndComeBackToTheSizeOfScaleOne) {
  std::vector<std::int64_t> heights, widths;
  const auto network = [&](const torch::Tensor& x) {  // answers at a quarter
    heights.push_back(x.size(2));
    widths.push_back(x.size(3));
    return torch::avg_pool2d(x.slice(1, 0, 2), 4);
  };
  const torch::Tensor inputs = random_inputs(1, 224, 96);
  const auto logits = logits_of_views({true, {0.01, 0.75, 1, 1.25}}, inputs, 32, {}, network);
  EXPECT_THAT(heights, ElementsAre(32, 32, 160, 160, 224, 224, 288, 288));
  EXPECT_THAT(widths, ElementsAre(32, 32, 64, 64, 96, 96, 128, 128));
  EXPECT_THAT(logits.sizes().vec(), ElementsAre(1, 2, 56, 24));
}

TEST(Views, OfSeveralScalesAreTheMeanOfTheirProbabilities) {
  const torch::Tensor inputs = random_inputs(2, 64, 32);
  const torch::Tensor mean = torch::sigmoid(logits_of_views({false, {1, 2}}, inputs, 32, {}, first_channel));
  const auto twice = resize_logits(first_channel(resize_logits(inputs, 128, 64)), 64, 32);
  const torch::Tensor expected = (torch::sigmoid(first_channel(inputs)) + torch::sigmoid(twice)) / 2;
  EXPECT_LT((mean - expected).abs().max().item<double>(), 1e-6);
}

TEST(Views, AnImagesAnswerDoesNotDependOnItsBatch) {
  const torch::Tensor inputs = random_inputs(5, 36, 52);
  const Views views{true, {0.75, 1, 1.25}};
  const torch::Tensor together = logits_of_views(views, inputs, 4, {}, by_place);
  for (std::int64_t i = 0; i < 5; ++i)
    EXPECT_TRUE(
        torch::equal(logits_of_views(views, inputs.slice(0, i, i + 1), 4, {}, by_place)[0], together[i]));
}

}  // namespace
}  // namespace portraitseg
