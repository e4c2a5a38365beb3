// What every registered network must be, whoever added it.
#include "portraitseg/models/models.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

class EveryModel : public ::testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<SegmentationModel> build() const {
    torch::manual_seed(1);
    return models().at(GetParam())()->build();
  }
};

TEST_P(EveryModel, TakesAnyFittingSizeAndBatch) {
  const auto model = build();
  model->eval();
  const torch::NoGradGuard no_grad;
  const std::int64_t m = model->size_multiple();
  for (const auto& [n, h, w] :
       {std::tuple(1, 2 * m, 2 * m), std::tuple(2, 2 * m, 3 * m), std::tuple(1, 4 * m, 3 * m)}) {
    const auto mask = model->forward(torch::rand({n, 3, h, w})).mask;
    EXPECT_EQ(mask.size(0), n);
    EXPECT_EQ(mask.size(1), 2);
    EXPECT_EQ(h % mask.size(2), 0);
    EXPECT_EQ(h / mask.size(2), w / mask.size(3));
  }
}

TEST_P(EveryModel, RefusesOtherSizesAndNamesTheMultiple) {
  const auto model = build();
  try {
    model->forward(torch::rand({1, 3, 2 * model->size_multiple() + 1, 2 * model->size_multiple()}));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("multiples of " + std::to_string(model->size_multiple())),
              std::string::npos);
  }
}

TEST_P(EveryModel, GivesEveryParameterAFiniteGradient) {
  const auto model = build();
  model->train();
  const std::int64_t side = 2 * model->size_multiple();
  torch::manual_seed(2);
  model->forward(torch::randn({2, 3, side, side})).mask.pow(2).sum().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

TEST_P(EveryModel, AnswersTheSameTwice) {
  const auto model = build();
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto x = torch::rand({1, 3, 2 * model->size_multiple(), 2 * model->size_multiple()});
  EXPECT_TRUE(torch::equal(model->forward(x).mask, model->forward(x).mask));
  EXPECT_TRUE(torch::equal(model->parameters().front(), build()->parameters().front()))
      << "same seed, other weights";
}

INSTANTIATE_TEST_SUITE_P(Zoo, EveryModel, ::testing::ValuesIn(models().names()),
                         [](const auto& info) { return info.param; });

TEST(ZooSize, ParameterCountsEqualThePapers) {
  const auto count = [](const std::string& name) {
    std::int64_t total = 0;
    for (const auto& parameter : models().at(name)()->build()->parameters()) total += parameter.numel();
    return total;
  };
  EXPECT_EQ(count("sinet"), 86910);  // SINet Table 3: 0.087 M
  EXPECT_EQ(count("sinet_encoder"), 86764);
}

}  // namespace
}  // namespace portraitseg
