#include "portraitseg/engine/weight_average.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/models/sinet.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

std::shared_ptr<SegmentationModel> network() {
  torch::manual_seed(3);
  return SinetEncoderOptions().build();
}

void change(SegmentationModel& model, double by) {
  const torch::NoGradGuard no_grad;
  for (auto& [key, tensor] : state_dict(model)) tensor.is_floating_point() ? tensor.add_(by) : tensor.add_(1);
}

std::vector<torch::Tensor> copy(const SegmentationModel& model) {
  std::vector<torch::Tensor> tensors;
  for (const auto& [key, tensor] : state_dict(model)) tensors.push_back(tensor.detach().clone());
  return tensors;
}

void expect_equal(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::equal(a[i], b[i])) << i;
}

TEST(WeightAverage, FollowsItsFormula) {
  const auto model = network();
  model->to(torch::kFloat64);
  const auto averaged = network();
  averaged->to(torch::kFloat64);
  WeightAverage average(*model, averaged, 0.25);
  std::vector<torch::Tensor> expected = copy(*model);
  for (std::int64_t t = 0; t < 6; ++t) {
    change(*model, 1);
    average.update();
    const double decay = std::min(0.25, (1.0 + static_cast<double>(t)) / (10.0 + static_cast<double>(t)));
    const std::vector<torch::Tensor> now = copy(*model);
    for (std::size_t i = 0; i < now.size(); ++i)
      expected[i] = now[i].is_floating_point() ? decay * expected[i] + (1 - decay) * now[i] : now[i];
  }
  const TensorFile file = average.weights();
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(torch::allclose(file.tensors[i].second, expected[i], 1e-12, 1e-12)) << file.tensors[i].first;
}

TEST(WeightAverage, IsANetworkOfItsOwn) {
  const auto model = network(), averaged = network();
  change(*model, 0.123);
  WeightAverage average(*model, averaged, 0.9);
  const std::vector<torch::Tensor> begin = copy(*model);
  change(*model, 0.5);
  expect_equal(copy(average.network()), begin);
  average.update();
  const TensorFile file = average.weights();
  const std::vector<torch::Tensor> now = copy(*averaged);
  for (std::size_t i = 0; i < now.size(); ++i) EXPECT_TRUE(torch::equal(file.tensors[i].second, now[i])) << i;
  average.restart();
  expect_equal(copy(*averaged), copy(*model));
}

TEST(WeightAverage, IsRestoredFromACheckpoint) {
  const auto model = network();
  WeightAverage average(*model, network(), 0.9);
  change(*model, 0.5);
  average.update();
  TensorFile file;
  average.save(file);

  WeightAverage other(*model, network(), 0.9);
  other.load(file, "file");
  change(*model, 0.5);
  average.update();
  other.update();
  const TensorFile a = average.weights(), b = other.weights();
  for (std::size_t i = 0; i < a.tensors.size(); ++i)
    EXPECT_TRUE(torch::equal(a.tensors[i].second, b.tensors[i].second)) << a.tensors[i].first;

  file.tensors.erase(file.tensors.begin());
  EXPECT_THROW(other.load(file, "file"), DataError);
}

}  // namespace
}  // namespace portraitseg
