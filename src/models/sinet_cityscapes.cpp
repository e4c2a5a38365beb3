#include "portraitseg/models/sinet_cityscapes.h"

#include <torch/nn.h>

#include "portraitseg/nn/channel_shuffle.h"
#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

namespace nn = torch::nn;

constexpr double kEps = 1e-3;
constexpr std::int64_t kEighth = 24, kLevel3 = 60, kLevel4 = 84, kLevel4Wide = 108;  // channels

/// S2 modules, one a row: kernel and pooling of the two blocks.
using S2Rows = std::vector<std::vector<std::int64_t>>;
const S2Rows kLevel3Modules = {{3, 1, 5, 1}, {3, 0, 3, 1}, {3, 0, 3, 1}};
const S2Rows kLevel4Modules = {{3, 1, 5, 1}, {3, 0, 3, 1}, {5, 1, 5, 4}, {3, 2, 5, 8}, {3, 1, 5, 1}};
const S2Rows kLevel4WideModules = {{3, 1, 5, 1}, {3, 0, 3, 1}, {5, 1, 5, 8}, {3, 2, 5, 4}, {3, 0, 5, 2}};

/// Appends S2 modules; the first one widens, so it has no residual.
void append(nn::ModuleList& modules, std::int64_t in, std::int64_t out, const S2Rows& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    modules->push_back(CityS2Module(i == 0 ? in : out, out, rows[i], i != 0));
  }
}

nn::ModuleList level3_modules() {
  nn::ModuleList modules;
  append(modules, kEighth, kLevel3, kLevel3Modules);
  return modules;
}

nn::ModuleList level4_modules() {
  nn::ModuleList modules;
  append(modules, kLevel3, kLevel4, kLevel4Modules);
  append(modules, kLevel4, kLevel4Wide, kLevel4WideModules);
  return modules;
}

torch::Tensor run(const nn::ModuleList& modules, torch::Tensor x) {
  for (const auto& module : *modules) x = module->as<CityS2ModuleImpl>()->forward(x);
  return x;
}

/// Twice the size; unlike within the S2 blocks, corners are not aligned.
torch::Tensor doubled(const torch::Tensor& x) {
  return resize_logits(x, 2 * x.size(2), 2 * x.size(3));
}

/// Detail enters only where the coarse map is unsure (Fig. 4).
torch::Tensor information_blocking(const torch::Tensor& detail, const torch::Tensor& coarse) {
  const auto confidence = std::get<0>(torch::softmax(coarse, 1).max(1, /*keepdim=*/true));
  return detail * torch::rsub(confidence, 1) + coarse;
}

}  // namespace

void SinetCityscapesOptions::fields(Fields& f) {
  f("num_classes", num_classes, "output channels; at least 2: the confidence of a single class is always 1",
    {2, 255});
}

std::shared_ptr<SegmentationModel> SinetCityscapesOptions::build() const {
  return std::make_shared<SinetCityscapesImpl>(num_classes);
}

ModelCard SinetCityscapesOptions::card() const {
  return {"SINet one level deeper, information blocking twice; answers at 1/2",
          "Park et al. 2020, clovaai/c3_sinet",
          {1024, 2048}};
}

CityS2BlockImpl::CityS2BlockImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t pool)
    : pool_(pool) {
  if (pool == 0) {
    conv = register_module("conv",
                           nn::Sequential(nn::Conv2d(same_conv(in, in, 3, 1, in)), batch_norm(in, kEps)));
  } else {
    vertical = register_module("vertical", depthwise_conv(in, kernel, 1));
    horizontal = register_module("horizontal", depthwise_conv(in, 1, kernel));
    B_v = register_module("B_v", batch_norm(in, kEps));
    B_h = register_module("B_h", batch_norm(in, kEps));
  }
  act_conv1x1 = register_module("act_conv1x1", nn::Sequential(prelu(in), nn::Conv2d(same_conv(in, out, 1))));
  bn = register_module("bn", batch_norm(out, kEps));
}

torch::Tensor CityS2BlockImpl::depthwise(const torch::Tensor& x) {
  return pool_ == 0 ? conv->forward(x) : B_v(vertical(x)) + B_h(horizontal(x));
}

torch::Tensor CityS2BlockImpl::forward(const torch::Tensor& x) {
  if (pool_ <= 1) return bn(act_conv1x1->forward(depthwise(x)));
  return bn(upsample_aligned(act_conv1x1->forward(depthwise(torch::avg_pool2d(x, pool_))), pool_));
}

CityS2ModuleImpl::CityS2ModuleImpl(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& blocks,
                                   bool residual)
    : c1(register_module("c1", PlainConv(in, out / 2, 1, 1, 2))),
      d1(register_module("d1", CityS2Block(out / 2, out - out / 2, blocks.at(0), blocks.at(1)))),
      d2(register_module("d2", CityS2Block(out / 2, out / 2, blocks.at(2), blocks.at(3)))),
      BR(register_module("BR", BnPRelu(out, kEps))),
      residual_(residual) {}

torch::Tensor CityS2ModuleImpl::forward(const torch::Tensor& x) {
  const auto reduced = shuffle_channels(c1(x), 2);
  const torch::Tensor merged = torch::cat({d1(reduced), d2(reduced)}, 1);
  return BR(residual_ ? x + merged : merged);
}

SinetCityscapesEncoderImpl::SinetCityscapesEncoderImpl(std::int64_t num_classes)
    : level1(register_module("level1", ConvBnPRelu(3, 16, 3, 2, kEps))),
      level2_0(register_module("level2_0", SqueezeSeparableConv(16, num_classes, 1, kEps))),
      level3_0(register_module("level3_0", SqueezeSeparableConv(num_classes, kEighth, 1, kEps))),
      level3(register_module("level3", level3_modules())),
      BR3(register_module("BR3", BnPRelu(kEighth + kLevel3, kEps))),
      level4_0(register_module("level4_0", SqueezeSeparableConv(kEighth + kLevel3, kLevel3, 2, kEps))),
      level4(register_module("level4", level4_modules())),
      BR4(register_module("BR4", BnPRelu(kLevel3 + kLevel4Wide, kEps))),
      classifier(register_module("classifier", PlainConv(kLevel3 + kLevel4Wide, num_classes, 1))) {}

SinetCityscapesFeatures SinetCityscapesEncoderImpl::forward(const torch::Tensor& image) {
  const auto x2 = level2_0(level1(image));                     //             at 1024x2048
  const auto x3_0 = level3_0(x2);                              // [N,  24, 128, 256]
  const auto x3 = run(level3, x3_0);                           // [N,  60, 128, 256]
  const auto x4_0 = level4_0(BR3(torch::cat({x3_0, x3}, 1)));  // [N,  60,  64, 128]
  const auto x4 = run(level4, x4_0);                           // [N, 108,  64, 128]
  return {x2, x3, classifier(BR4(torch::cat({x4_0, x4}, 1)))};
}

SinetCityscapesImpl::SinetCityscapesImpl(std::int64_t num_classes)
    : encoder(register_module("encoder", SinetCityscapesEncoder(num_classes))),
      bn_4(register_module("bn_4", batch_norm(num_classes, kEps))),
      level3_C(register_module("level3_C", ConvBnPRelu(kLevel3, num_classes, 1, 1, kEps))),
      bn_3(register_module("bn_3", batch_norm(num_classes, kEps))),
      classifier(register_module(
          "classifier", nn::ConvTranspose2d(
                            nn::ConvTranspose2dOptions(num_classes, num_classes, 2).stride(2).bias(false)))) {
}

SegmentationOutput SinetCityscapesImpl::forward(const torch::Tensor& image) {
  check_input(image);  //     at 1024x2048
  const auto [quarter, eighth, coarse] = encoder->forward(image);
  const auto d1 = bn_4(doubled(coarse));                                      // [N, classes, 128, 256]
  const auto d2 = bn_3(doubled(information_blocking(level3_C(eighth), d1)));  // [N, classes, 256, 512]
  return {classifier(information_blocking(quarter, d2)), {}, coarse};         // [N, classes, 512, 1024]
}

}  // namespace portraitseg
