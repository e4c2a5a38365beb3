// What every registered network must be, whoever added it.
#include "portraitseg/models/models.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/models/summary.h"
#include "portraitseg/report/summary_table.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/weights_file.h"

#include "support/build_model.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

const std::string kSource = PORTRAITSEG_SOURCE_DIR;

std::vector<std::pair<std::string, torch::Tensor>> heads(const SegmentationOutput& output) {
  std::vector<std::pair<std::string, torch::Tensor>> defined;
  for (const std::string name : {"mask", "boundary", "coarse"}) {
    try {
      defined.emplace_back(name, output.at(name));
    } catch (const UserError&) {  // the network has no such head
    }
  }
  return defined;
}

class EveryModel : public ::testing::TestWithParam<std::string> {
 protected:
  static std::shared_ptr<SegmentationModel> build() {
    torch::manual_seed(1);
    return models().at(GetParam())()->build();
  }

  /// The smallest square whose feature maps are all larger than one pixel.
  static std::int64_t side(const SegmentationModel& model) {
    return std::max<std::int64_t>(64, model.size_multiple());
  }
};

TEST_P(EveryModel, TakesAnyFittingSizeAndBatch) {
  const auto model = build();
  model->eval();
  const torch::NoGradGuard no_grad;
  const std::int64_t m = model->size_multiple();
  for (const auto& [n, h, w] :
       {std::tuple(1, m, m), std::tuple(2, 2 * m, 3 * m), std::tuple(1, 3 * m, 2 * m)}) {
    for (const auto& [name, logits] : heads(model->forward(torch::rand({n, 3, h, w})))) {
      EXPECT_EQ(logits.size(0), n) << name;
      EXPECT_EQ(logits.size(1), models().at(GetParam())()->num_classes) << name;
      EXPECT_EQ(h % logits.size(2), 0) << name;
      EXPECT_EQ(h * logits.size(3), w * logits.size(2)) << name;
    }
  }
}

TEST_P(EveryModel, TakesAnyNumberOfClasses) {
  for (const int classes : {2, 3, 19}) {
    const auto model =
        testing::build_model("{name: " + GetParam() + ", num_classes: " + std::to_string(classes) + "}");
    model->eval();
    const torch::NoGradGuard no_grad;
    const std::int64_t size = side(*model);
    for (const auto& [name, logits] : heads(model->forward(torch::rand({1, 3, size, size}))))
      EXPECT_EQ(logits.size(1), classes) << name;
  }
}

TEST_P(EveryModel, RefusesOtherSizesAndNamesTheMultiple) {
  const auto model = build();
  const std::int64_t m = model->size_multiple();
  for (const auto& [h, w] : {std::pair(2 * m + 1, 2 * m), std::pair(2 * m, m / 2), std::pair(m, 3 * m - 1)}) {
    try {
      model->forward(torch::rand({1, 3, h, w}));
      FAIL();
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find("multiples of " + std::to_string(m)), std::string::npos)
          << error.what();
    }
  }
}

TEST_P(EveryModel, GivesEveryParameterAFiniteGradient) {
  for (const std::int64_t batch : {1, 2}) {
    const auto model = build();
    model->train();
    const std::int64_t size = 2 * side(*model);
    torch::manual_seed(2);
    torch::Tensor loss = torch::zeros({});
    for (const auto& [name, logits] : heads(model->forward(torch::randn({batch, 3, size, size}))))
      loss = loss + logits.pow(2).sum();
    loss.backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
    }
  }
}

TEST_P(EveryModel, AnswersTheSameTwice) {
  const auto model = build();
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto x = torch::rand({1, 3, side(*model), side(*model)});
  const auto first = heads(model->forward(x)), second = heads(model->forward(x));
  const auto rebuilt = build();
  rebuilt->eval();
  const auto third = heads(rebuilt->forward(x));
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(torch::equal(first[i].second, second[i].second)) << first[i].first;
    EXPECT_TRUE(torch::equal(first[i].second, third[i].second)) << "same seed, other " << first[i].first;
  }
}

TEST_P(EveryModel, AnswersAnImageAsWithinABatch) {
  const auto model = build();
  model->eval();
  model->to(torch::kFloat64);
  const torch::NoGradGuard no_grad;
  const auto x = torch::rand({2, 3, side(*model), side(*model)}, torch::kFloat64);
  const auto batch = model->forward(x).mask.slice(0, 1, 2);
  EXPECT_TRUE(torch::allclose(model->forward(x.slice(0, 1, 2)).mask, batch, 1e-9, 1e-9));
}

TEST_P(EveryModel, IsTheSameAfterSavingAndLoading) {
  const testing::TemporaryFolder folder;
  const auto model = build();
  torch::manual_seed(3);
  const auto x = torch::rand({1, 3, side(*model), side(*model)});
  model->train();
  model->forward(torch::rand({2, 3, 2 * side(*model), 2 * side(*model)}));  // statistics of their own
  model->eval();
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"weights.safetensors", "weights.pth"}) {
    const auto path = folder.path() / name;
    write_weights(path, {state_dict(*model), {}});
    const auto again = models().at(GetParam())()->build();
    load_state_dict(*again, read_weights(path), path);
    again->eval();
    EXPECT_TRUE(torch::equal(model->forward(x).mask, again->forward(x).mask)) << name;
  }
}

/// Weights that were saved yesterday must load tomorrow: the list changes only on purpose.
TEST_P(EveryModel, HasTheKeysThatItHad) {
  std::ostringstream keys;
  for (const auto& [key, tensor] : state_dict(*build())) keys << key << " " << tensor.sizes() << "\n";
  EXPECT_EQ(keys.str(), read_file(kSource + "/tests/golden/keys/" + GetParam() + ".txt"));
}

TEST_P(EveryModel, HasACard) {
  const auto options = models().at(GetParam())();
  EXPECT_FALSE(options->card().what.empty());
  EXPECT_FALSE(options->card().source.empty());
  EXPECT_NO_THROW(summarize(*options->build(), options->card().size[0], options->card().size[1]));
}

INSTANTIATE_TEST_SUITE_P(Zoo, EveryModel, ::testing::ValuesIn(models().names()),
                         [](const auto& info) { return info.param; });

TEST(Zoo, ReadmeHasItsTable) {
  EXPECT_NE(read_file(kSource + "/README.md").find(zoo_table()), std::string::npos)
      << "put the output of `portraitseg summary --zoo` into README.md:\n"
      << zoo_table();
}

struct Size {
  std::string model;
  std::int64_t parameters, multiply_adds, multiply_adds_clova;  // at 224x224
};

TEST(Zoo, SizesEqualTheReferences) {
  for (const auto& [section, parameters, multiply_adds, clova] :
       std::vector<Size>{{"{name: sinet}", 86910, 63870448, 63866208},  // SINet Table 3: 0.087 M, 0.064 G
                         {"{name: sinet_encoder}", 86764, 61763056, 61758816},
                         {"{name: extremec3net}", 37738, 127766912, 127766912},
                         {"{name: extremec3net, num_classes: 2}", 37762, 128971136, 128971136},
                         {"{name: extremec3net_coarse}", 33178, 97811840, 97811840},
                         {"{name: portraitnet}", 2080904, 368462752, 325110688},
                         {"{name: portraitnet, boundary_head: false}", 2080760, 361237408, 317885344},
                         {"{name: portraitnet, boundary_head: false, upsampling: grouped}", 1905400,
                          320770464, 317885344}}) {
    const ModelSummary summary = summarize(*testing::build_model(section), 224, 224);
    EXPECT_EQ(summary.parameters, parameters) << section;
    EXPECT_EQ(summary.multiply_adds, multiply_adds) << section;
    EXPECT_EQ(summary.multiply_adds_clova, clova) << section;
  }
  const auto prior = testing::build_model("{name: portraitnet, boundary_head: false, prior_channel: true}");
  EXPECT_EQ(summarize(*prior, 224, 224).parameters, 2081048);
  EXPECT_EQ(summarize(*testing::build_model("{name: sinet_cityscapes}"), 128, 128).parameters, 119418);
}

}  // namespace
}  // namespace portraitseg
