// PortraitNet's encoder out of torchvision's MobileNetV2. The other network is built here from torchvision's description,
// with ReLU in place of ReLU6, so that both compute the same.
#include "portraitseg/models/torchvision_mobilenet_v2.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <torch/nn.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/models/portraitnet.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

namespace nn = torch::nn;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                std::int64_t groups) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).padding((kernel - 1) / 2).groups(groups).bias(false));
}

/// torchvision's ConvNormActivation.
class ConvNormReluImpl : public nn::SequentialImpl {
 public:
  ConvNormReluImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                   std::int64_t groups)
      : SequentialImpl(conv(in, out, kernel, stride, groups), nn::BatchNorm2d(out), nn::ReLU()) {}
  torch::Tensor forward(const torch::Tensor& x) { return SequentialImpl::forward(x); }
};
TORCH_MODULE(ConvNormRelu);

class BlockImpl : public nn::Module {
 public:
  BlockImpl(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t ratio)
      : residual_(stride == 1 && in == out), conv_(register_module("conv", nn::Sequential())) {
    const std::int64_t wide = in * ratio;
    if (ratio != 1) conv_->push_back(ConvNormRelu(in, wide, 1, 1, 1));
    conv_->push_back(ConvNormRelu(wide, wide, 3, stride, wide));
    conv_->push_back(conv(wide, out, 1, 1, 1));
    conv_->push_back(nn::BatchNorm2d(out));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return residual_ ? x + conv_->forward(x) : conv_->forward(x);
  }

 private:
  bool residual_;
  nn::Sequential conv_;
};
TORCH_MODULE(Block);

/// torchvision's mobilenet_v2, with random weights and statistics.
class MobileNetV2Impl : public nn::Module {
 public:
  MobileNetV2Impl() : features_(register_module("features", nn::Sequential())) {
    features_->push_back(ConvNormRelu(3, 32, 3, 2, 1));
    std::int64_t in = 32;
    for (const auto& [ratio, out, count, stride] : std::vector<std::array<std::int64_t, 4>>{{1, 16, 1, 1},
                                                                                            {6, 24, 2, 2},
                                                                                            {6, 32, 3, 2},
                                                                                            {6, 64, 4, 2},
                                                                                            {6, 96, 3, 1},
                                                                                            {6, 160, 3, 2},
                                                                                            {6, 320, 1, 1}}) {
      for (std::int64_t i = 0; i < count; ++i) {
        features_->push_back(Block(i == 0 ? in : out, out, i == 0 ? stride : 1, ratio));
      }
      in = out;
    }
    features_->push_back(ConvNormRelu(320, 1280, 1, 1, 1));
    register_module("classifier", nn::Sequential(nn::Dropout(0.2), nn::Linear(1280, 1000)));
    to(torch::kFloat64);
    randomise();
    eval();
  }

  /// What leaves PortraitNet's stages 0 to 7. @param padding of the image's three channels, as the image is normalised
  std::vector<torch::Tensor> stages(const torch::Tensor& image, const torch::Tensor& padding) {
    const auto first = std::dynamic_pointer_cast<ConvNormReluImpl>(features_->ptr(0));
    torch::Tensor x = torch::constant_pad_nd(image - padding, {1, 1, 1, 1}) + padding;
    x = torch::conv2d(x, first->ptr(0)->as<nn::Conv2d>()->weight, {}, 2);
    x = first->ptr(2)->as<nn::ReLU>()->forward(first->ptr(1)->as<nn::BatchNorm2d>()->forward(x));
    std::vector<torch::Tensor> maps = {x};
    const std::vector<std::size_t> ends = {1, 3, 6, 10, 13, 16, 17};
    for (std::size_t i = 1; i <= ends.back(); ++i) {
      x = features_->ptr(i)->as<Block>()->forward(x);
      if (std::find(ends.begin(), ends.end(), i) != ends.end()) maps.push_back(x);
    }
    return maps;
  }

 private:
  void randomise() {
    torch::manual_seed(3);
    const torch::NoGradGuard no_grad;
    for (const auto& [key, tensor] : state_dict(*this)) {
      if (tensor.dim() > 1) tensor.normal_(0, std::sqrt(2.0 / static_cast<double>(tensor[0].numel())));
      if (tensor.dim() == 1) tensor.uniform_(-0.3, 0.3);
      if (key.find("running_var") != std::string::npos) tensor.uniform_(0.5, 1.5);
      if (key.find(".weight") != std::string::npos && tensor.dim() == 1) tensor.uniform_(0.5, 1.5);
    }
  }

  nn::Sequential features_;
};
TORCH_MODULE(MobileNetV2);

TensorFile file_of(const nn::Module& module) {
  return {state_dict(module), {}};
}

torch::Tensor channels(double first, double second, double third) {
  return torch::tensor({first, second, third}, torch::kFloat64).view({1, 3, 1, 1});
}

/// RGB in 0 to 255, as torchvision's `mobilenet_v2` wants it.
torch::Tensor for_torchvision(const torch::Tensor& rgb) {
  return (rgb / 255 - channels(0.485, 0.456, 0.406)) / channels(0.229, 0.224, 0.225);
}

torch::Tensor for_portraitnet(const torch::Tensor& rgb) {
  return (rgb.flip(1) - channels(103.94, 116.78, 123.68)) * 0.017;
}

std::vector<torch::Tensor> stages(PortraitNetImpl& network, const torch::Tensor& image) {
  std::vector<torch::Tensor> maps = {network.stage0->forward(image)};
  maps.push_back(network.stage1(maps.back()));
  for (const auto& stage : {network.stage2, network.stage3, network.stage4, network.stage5, network.stage6})
    maps.push_back(nn::Sequential(stage)->forward(maps.back()));
  maps.push_back(network.stage7(maps.back()));
  return maps;
}

/// Largest difference beside the largest value.
double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

class TorchvisionMobileNetV2 : public ::testing::Test {
 protected:
  TorchvisionMobileNetV2() {
    portraitnet->to(torch::kFloat64);
    converted = portraitnet_encoder_from_torchvision(file_of(*torchvision), "mobilenet.pth");
    load = load_matching(*portraitnet, converted.weights, "mobilenet.pth");
    portraitnet->eval();
    rgb = 255 * torch::rand({2, 3, 64, 96}, torch::kFloat64);
  }

  /// The error of converting the network's file after a change to it.
  std::string refusal(const std::function<void(TensorFile&)>& change) const {
    TensorFile file = file_of(*torchvision);
    change(file);
    try {
      portraitnet_encoder_from_torchvision(file, "other.pth");
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  }

  torch::NoGradGuard no_grad;
  MobileNetV2 torchvision;
  PortraitNet portraitnet{PortraitNetOptions()};
  ConvertedEncoder converted;
  PartialLoad load;
  torch::Tensor rgb;
};

TEST_F(TorchvisionMobileNetV2, IsBuiltHereWithTorchvisionsKeysAndShapes) {
  std::map<std::string, std::string> listed, built;
  for (const auto& line :
       read_lines(PORTRAITSEG_SOURCE_DIR "/tests/golden/keys/torchvision_mobilenet_v2.txt"))
    listed[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
  for (const auto& [key, tensor] : state_dict(*torchvision)) built[key] = torch::str(tensor.sizes());
  EXPECT_EQ(built, listed);
}

TEST_F(TorchvisionMobileNetV2, EveryStageComputesTheSame) {
  const auto padding = for_torchvision(channels(123.68, 116.78, 103.94));
  const auto expected = torchvision->stages(for_torchvision(rgb), padding);
  const auto maps = stages(*portraitnet, for_portraitnet(rgb));
  ASSERT_EQ(maps.size(), expected.size());
  for (std::size_t i = 0; i < maps.size(); ++i) {
    ASSERT_EQ(maps[i].sizes(), expected[i].sizes()) << "stage" << i;
    EXPECT_GT(expected[i].abs().max().item<double>(), 0.1) << "stage" << i;
    EXPECT_LT(distance(maps[i], expected[i]), 1e-12) << "stage" << i;
  }
}

TEST_F(TorchvisionMobileNetV2, ItsOwnPaddingConcernsTheFirstRowAndColumnAlone) {
  const auto expected = torchvision->stages(for_torchvision(rgb), channels(0, 0, 0)).front();
  const auto map = stages(*portraitnet, for_portraitnet(rgb)).front();
  const auto inner = [](const torch::Tensor& x) { return x.slice(2, 1).slice(3, 1); };
  EXPECT_LT(distance(inner(map), inner(expected)), 1e-12);
  EXPECT_GT(distance(map, expected), 1e-6);
  EXPECT_LT(distance(map, expected), 0.02);
}

TEST_F(TorchvisionMobileNetV2, EveryKeyOfTheEncoderGetsAValueAndNoneOfTheDecoder) {
  std::vector<std::string> encoder;
  for (const auto& [key, tensor] : state_dict(*portraitnet)) {
    if (key.rfind("stage", 0) == 0 && key.find("num_batches_tracked") == std::string::npos)
      encoder.push_back(key);
  }
  EXPECT_EQ(encoder.size(), 260u);
  EXPECT_EQ(load.taken, encoder);
  EXPECT_THAT(load.mis_shaped, IsEmpty());
  EXPECT_THAT(load.unexpected, IsEmpty());
}

TEST_F(TorchvisionMobileNetV2, TheHeadIsLeftOutAndListed) {
  auto keys = converted.left_out;
  std::sort(keys.begin(), keys.end());
  EXPECT_THAT(keys, ElementsAre("classifier.1.bias", "classifier.1.weight", "features.18.0.weight",
                                "features.18.1.bias", "features.18.1.running_mean",
                                "features.18.1.running_var", "features.18.1.weight"));
}

TEST_F(TorchvisionMobileNetV2, TheAddedExpansionIsTheIdentity) {
  const auto x = torch::rand({1, 32, 8, 8}, torch::kFloat64) * 4;
  const auto expand = [&](const torch::Tensor& input) {
    return portraitnet->stage1->conv->ptr(1)->as<nn::BatchNorm2d>()->forward(
        portraitnet->stage1->conv->ptr(0)->as<nn::Conv2d>()->forward(input));
  };
  EXPECT_LT(distance(expand(x), x), 1e-14);

  // In training, too, as far as what stage0's BatchNorm gives is normal.
  const auto norm = portraitnet->stage0->ptr(1)->as<nn::BatchNorm2d>();
  const auto normal = torch::randn({16, 32, 64, 64}, torch::kFloat64) * norm->weight.view({1, 32, 1, 1}) +
                      norm->bias.view({1, 32, 1, 1});
  portraitnet->train();
  const auto positive = torch::relu(normal);
  EXPECT_LT((expand(positive) - positive).abs().mean().item<double>(), 0.01);
  EXPECT_LT(distance(expand(positive), positive), 0.05);
}

TEST_F(TorchvisionMobileNetV2, TheTypeStaysAndCountersMayBeMissing) {
  TensorFile file;
  for (const auto& [key, tensor] : file_of(*torchvision).tensors) {
    if (tensor.is_floating_point()) file.tensors.emplace_back(key, tensor.to(torch::kFloat32));
  }
  const auto again = portraitnet_encoder_from_torchvision(file, "mobilenet.pth");
  ASSERT_EQ(again.weights.tensors.size(), converted.weights.tensors.size());
  for (const auto& [key, tensor] : again.weights.tensors) {
    EXPECT_EQ(tensor.scalar_type(), torch::kFloat32) << key;
    EXPECT_TRUE(torch::allclose(tensor.to(torch::kFloat64), converted.weights.at(key), 1e-5, 1e-6)) << key;
  }
}

TEST_F(TorchvisionMobileNetV2, OtherNetworksAreRefusedInOneLine) {
  const std::string begin = "other.pth: no MobileNetV2 1.0 of torchvision: ";
  const auto replace = [](const std::string& key, const torch::Tensor& value) {
    return [=](TensorFile& file) {
      for (auto& item : file.tensors) {
        if (item.first == key) item.second = value;
      }
    };
  };
  EXPECT_EQ(refusal([](TensorFile&) {}), "no error");
  EXPECT_EQ(refusal([](TensorFile& file) { file.tensors.clear(); }),
            begin + "features.0.0.weight is missing");
  EXPECT_EQ(refusal([](TensorFile& file) {
              const auto last = [](const auto& item) {
                return item.first == "features.17.conv.3.running_var";
              };
              file.tensors.erase(std::find_if(file.tensors.begin(), file.tensors.end(), last));
            }),
            begin + "features.17.conv.3.running_var is missing");
  EXPECT_EQ(refusal(replace("features.0.0.weight", torch::zeros({24, 3, 3, 3}))),
            begin + "features.0.0.weight is [24, 3, 3, 3] in place of [32, 3, 3, 3]");
  EXPECT_THAT(refusal(replace("features.0.1.bias", torch::zeros({32}, torch::kInt8))),
              HasSubstr("features.0.1.bias is of int8"));
  EXPECT_EQ(
      refusal([](TensorFile& file) { file.tensors.emplace_back("features.19.0.weight", torch::zeros({1})); }),
      begin + "features.19.0.weight is unexpected");
  EXPECT_EQ(refusal([this](TensorFile& file) { file = file_of(*portraitnet); }),
            begin + "features.0.0.weight is missing");
}

}  // namespace
}  // namespace portraitseg
