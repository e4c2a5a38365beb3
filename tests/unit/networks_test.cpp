// What the networks' options do, where no reference says it.
#include <gmock/gmock.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/models/portraitnet.h"
#include "portraitseg/models/sinet.h"
#include "portraitseg/nn/resample.h"
#include "portraitseg/weights/state_dict.h"

#include "support/build_model.h"

namespace portraitseg {
namespace {

using testing::build_model;
using ::testing::HasSubstr;

std::string error_of(const std::string& section) {
  try {
    build_model(section);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

/// SINet with the seed's weights and statistics unlike their initial ones.
std::shared_ptr<SinetImpl> sinet(const std::string& decoder) {
  const auto model =
      std::dynamic_pointer_cast<SinetImpl>(build_model("{name: sinet, decoder: " + decoder + "}"));
  torch::manual_seed(1);
  model->to(torch::kFloat64);
  for (auto& tensor : model->parameters()) tensor.data().uniform_(-1, 1);
  model->train();
  model->forward(torch::rand({2, 3, 64, 64}, torch::kFloat64));
  model->eval();
  return model;
}

/// Table 4's decoders differ in what stands before the detail of the 1/4 map.
TEST(SinetDecoder, GatesAsTable4Says) {
  const torch::NoGradGuard no_grad;
  for (const std::string decoder : {"information_blocking", "reverse", "none", "gau"}) {
    const auto model = sinet(decoder);
    const auto x = torch::rand({1, 3, 64, 96}, torch::kFloat64);
    const auto features = model->encoder->features(x);
    const auto coarse = model->bn_3(upsample_aligned(features.logits, 2));
    const auto confidence = std::get<0>(torch::softmax(coarse, 1).max(1, true));
    torch::Tensor gate = torch::ones({1, 1, 1, 1}, torch::kFloat64);
    if (decoder == "information_blocking") gate = 1 - confidence;
    if (decoder == "reverse") gate = confidence;
    if (decoder == "gau") gate = torch::relu(model->gau(torch::adaptive_avg_pool2d(coarse, {1, 1})));
    const auto joined = model->level2_C(features.quarter) * gate + coarse;
    const auto expected = model->classifier->forward(model->bn_2(upsample_aligned(joined, 2)));
    EXPECT_TRUE(torch::allclose(model->forward(x).mask, expected, 1e-12, 1e-12)) << decoder;
  }
}

TEST(SinetDecoder, OneClassIsRefusedWhereConfidenceGates) {
  for (const std::string decoder : {"information_blocking", "reverse"}) {
    EXPECT_THAT(error_of("{name: sinet, num_classes: 1, decoder: " + decoder + "}"), HasSubstr("at least 2"));
  }
  EXPECT_EQ(error_of("{name: sinet, num_classes: 1, decoder: none}"), "no error");
  EXPECT_EQ(error_of("{name: sinet, num_classes: 1, decoder: gau}"), "no error");
}

TEST(SinetOptions, PoolingDecidesWhichSizesFit) {
  EXPECT_EQ(build_model("{name: sinet}")->size_multiple(), 32);
  EXPECT_EQ(build_model("{name: sinet, level3: [[3, 1, 5, 1]]}")->size_multiple(), 8);
  EXPECT_EQ(build_model("{name: sinet, level3: [[3, 3, 5, 2]]}")->size_multiple(), 48);
  EXPECT_EQ(build_model("{name: sinet, level2: [[3, 4, 5, 1]], level3: [[3, 1, 5, 1]]}")->size_multiple(),
            16);
}

TEST(SinetOptions, MalformedTablesAreRefused) {
  EXPECT_THAT(error_of("{name: sinet, level2: []}"), HasSubstr("at least one module"));
  EXPECT_THAT(error_of("{name: sinet, level2: [[3, 1]]}"), HasSubstr("four numbers"));
  EXPECT_THAT(error_of("{name: sinet, level2: [[4, 1, 3, 1]]}"), HasSubstr("must be odd"));
  EXPECT_THAT(error_of("{name: sinet, level2: [3, 1, 3, 1]}"), HasSubstr("expected a list"));
  EXPECT_THAT(error_of("{name: sinet, level2: [[3, 0, 3, 1]]}"), HasSubstr("at least 1"));
}

TEST(ExtremeC3NetOptions, WithoutTheFineBranchItIsTheCoarseOneAlone) {
  const auto with = build_model("{name: extremec3net}"),
             without = build_model("{name: extremec3net, fine_branch: false}");
  std::size_t fine = 0;
  for (const auto& [key, tensor] : state_dict(*with)) fine += key.rfind("Fine.", 0) == 0 ? 1 : 0;
  EXPECT_GT(fine, 0u);
  EXPECT_EQ(state_dict(*without).size(), state_dict(*with).size() - fine);
  without->eval();
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(without->forward(torch::rand({1, 3, 32, 32})).mask.size(3), 32);
}

TEST(ExtremeC3NetOptions, DilationsChangeTheReachOfTheKernels) {
  const auto model = build_model("{name: extremec3net, level3_dilations: [1, 4, 16]}");
  const auto state = model->named_parameters();
  EXPECT_EQ(state["encoder.level3.0.d1.conv.0.weight"].sizes(), (std::vector<std::int64_t>{18, 1, 3, 3}));
  EXPECT_EQ(state["encoder.level3.0.d2.conv.0.weight"].size(2), 2 * 4 - 1);
  EXPECT_EQ(state["encoder.level3.0.d3.conv.3.weight"].size(3), 2 * 16 - 1);
  EXPECT_THAT(error_of("{name: extremec3net, level3_dilations: [1, 2]}"), HasSubstr("three rates"));
}

TEST(PortraitNetInitialisation, ConvolutionsAreKaimingNormal) {
  torch::manual_seed(1);
  const auto model = build_model("{name: portraitnet}");
  const auto weight = model->named_parameters()["stage7.conv.0.weight"];  // 160 -> 960, 1x1
  EXPECT_NEAR(weight.std().item<double>(), std::sqrt(2.0 / 160), 0.02 * std::sqrt(2.0 / 160));
  EXPECT_NEAR(weight.mean().item<double>(), 0, 0.001);
  const auto depthwise = model->named_parameters()["stage7.conv.3.weight"];  // 960 of 3x3
  EXPECT_NEAR(depthwise.std().item<double>(), std::sqrt(2.0 / 9), 0.05 * std::sqrt(2.0 / 9));
}

TEST(PortraitNetInitialisation, TransposedConvolutionsInterpolate) {
  const auto model = build_model("{name: portraitnet}");
  const auto kernel = torch::tensor({1, 3, 3, 1}) / 4.0;
  const auto weight = model->named_parameters()["deconv1.weight"];
  EXPECT_TRUE(torch::allclose(weight, torch::outer(kernel, kernel).expand({96, 96, 4, 4})));
}

TEST(PortraitNetInitialisation, GroupedKernelsAreFrozenBilinearInterpolation) {
  const auto model =
      std::dynamic_pointer_cast<PortraitNetImpl>(build_model("{name: portraitnet, upsampling: grouped}"));
  EXPECT_FALSE(model->named_parameters()["deconv3.weight"].requires_grad());
  const torch::NoGradGuard no_grad;
  const auto x = torch::rand({1, 24, 8, 8});
  const auto inner = [](const torch::Tensor& y) { return y.slice(2, 1, 15).slice(3, 1, 15); };
  EXPECT_TRUE(torch::allclose(inner(model->deconv3.forward(x)), inner(resize_logits(x, 16, 16)), 1e-5, 1e-6))
      << "away from the border, which interpolation repeats and a convolution takes for zero";
}

TEST(BoundaryHeads, AreOptionalAndLeaveTheMaskAlone) {
  const torch::NoGradGuard no_grad;
  const auto x = torch::rand({2, 3, 64, 64});
  for (const std::string name : {"sinet", "extremec3net", "portraitnet"}) {
    const auto made = [&](const std::string& head) {
      const auto model = build_model("{name: " + name + ", num_classes: 2, boundary_head: " + head + "}");
      model->eval();
      return model;
    };
    const auto with = made("true"), without = made("false");
    auto shared = with->named_parameters();
    for (const auto& item : without->named_parameters()) shared[item.key()].copy_(item.value());
    EXPECT_EQ(with->forward(x).at("boundary").sizes(), torch::IntArrayRef({2, 2, 64, 64})) << name;
    EXPECT_THROW(without->forward(x).at("boundary"), UserError) << name;
    EXPECT_TRUE(torch::equal(with->forward(x).mask, without->forward(x).mask)) << name;
  }
}

TEST(LoadMatching, TakesAnEncoderIntoTheWholeNetworkAndSaysWhatItLeft) {
  const auto encoder = build_model("{name: sinet_encoder, num_classes: 3}"),
             whole = build_model("{name: sinet}");
  TensorFile file{state_dict(*encoder), {}};
  file.tensors.emplace_back("strange.key", torch::zeros({1}));
  file.tensors.emplace_back("training.adam.steps", torch::zeros({1}));
  const PartialLoad load = load_matching(*whole, file, "memory");
  EXPECT_EQ(load.taken.size(), 375u - 55u - 1u) << "without counters and the classifier";
  EXPECT_THAT(load.mis_shaped,
              ::testing::ElementsAre("encoder.classifier.conv.weight [3, 144, 1, 1] for [2, 144, 1, 1]"));
  EXPECT_THAT(load.missing, ::testing::Contains("level2_C.conv.weight"));
  EXPECT_THAT(load.unexpected, ::testing::ElementsAre("strange.key"));
  EXPECT_TRUE(torch::equal(whole->named_parameters()["encoder.level1.conv.weight"],
                           encoder->named_parameters()["level1.conv.weight"]));
}

TEST(LoadMatching, RefusesAFileOfWhichNothingFits) {
  const auto model = build_model("{name: sinet}");
  for (const std::string key :
       {"strange.key", "encoder.level1.bn.num_batches_tracked"}) {  // counters always fit
    EXPECT_THROW(load_matching(*model, {{{key, torch::zeros({})}}, {}}, "w.pth"), DataError) << key;
  }
}

}  // namespace
}  // namespace portraitseg
