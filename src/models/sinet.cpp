#include "portraitseg/models/sinet.h"

#include <algorithm>
#include <numeric>

#include <torch/nn.h>

#include "portraitseg/nn/channel_shuffle.h"
#include "portraitseg/nn/resample.h"

namespace portraitseg {
namespace {

namespace nn = torch::nn;

constexpr double kEps = 1e-3;
constexpr std::int64_t kLevel2 = 16, kQuarter = 48,
                       kEighth = 96;  // channels at 1/4 (down-sampled, S2) and at 1/8

constexpr std::int64_t kLargestMultiple =
    4096;  // of the input's size; poolings without common factors multiply

const Names<SinetDecoder> kDecoders = {{"information_blocking", SinetDecoder::kInformationBlocking},
                                       {"reverse", SinetDecoder::kReverse},
                                       {"none", SinetDecoder::kNone},
                                       {"gau", SinetDecoder::kGau}};

/// A row of S2 modules; the first one widens, so it has no residual.
nn::ModuleList s2_modules(std::int64_t in, std::int64_t out, const S2Table& table) {
  nn::ModuleList modules;
  for (const auto& blocks : table) {
    const bool first = modules->is_empty();
    modules->push_back(S2Module(first ? in : out, out, blocks, !first));
  }
  return modules;
}

torch::Tensor run(const nn::ModuleList& modules, torch::Tensor x) {
  for (const auto& module : *modules) x = module->as<S2ModuleImpl>()->forward(x);
  return x;
}

/// The largest class probability, [N, 1, H, W].
torch::Tensor confidence(const torch::Tensor& logits) {
  return std::get<0>(torch::softmax(logits, 1).max(1, /*keepdim=*/true));
}

bool is_whole(const S2Table& table) {
  return std::all_of(table.begin(), table.end(), [](const auto& blocks) { return blocks.size() == 4; });
}

void s2_field(Fields& f, const char* name, S2Table& table, const char* doc) {
  f(name, table, doc, {1, 63});
  f.check(!table.empty(), name, "expected at least one module");
  for (const auto& blocks : table) {
    f.check(blocks.size() == 4, name, "expected four numbers a module, [k1, p1, k2, p2]");
    f.check(blocks.size() != 4 || blocks[0] * blocks[2] % 2 == 1, name, "the kernels k1 and k2 must be odd");
  }
}

/// Logits at the full size from the decoder's map at 1/2.
nn::Sequential head(std::int64_t in, std::int64_t out) {
  return nn::Sequential(nn::Functional(upsample_aligned, 2), nn::Conv2d(same_conv(in, out, 3)));
}

}  // namespace

void SinetEncoderOptions::fields(Fields& f) {
  f("num_classes", num_classes, "output channels; 2: background + portrait", {1, 255});
  s2_field(f, "level2", level2, "S2 modules at 1/4: kernel and pooling of two blocks each, [k1, p1, k2, p2]");
  s2_field(f, "level3", level3, "S2 modules at 1/8");
  if (!is_whole(level2) || !is_whole(level3)) return;  // refused
  f.check(size_multiple() <= kLargestMultiple, "level3",
          "with these poolings no input below " + std::to_string(size_multiple()) + " pixels would fit");
}

std::int64_t SinetEncoderOptions::size_multiple() const {
  std::int64_t multiple = 8;
  for (const auto& [scale, table] : {std::pair(4, &level2), {8, &level3}}) {
    for (const auto& blocks : *table) {
      if (multiple > kLargestMultiple) return multiple;
      multiple = std::lcm(multiple, scale * std::lcm(blocks.at(1), blocks.at(3)));
    }
  }
  return multiple;
}

std::shared_ptr<SegmentationModel> SinetEncoderOptions::build() const {
  return std::make_shared<SinetEncoderImpl>(*this);
}

ModelCard SinetEncoderOptions::card() const {
  return {"SINet's encoder alone, the first training stage; answers at 1/8",
          "Park et al. 2020, clovaai/ext_portrait_segmentation"};
}

void SinetOptions::fields(Fields& f) {
  SinetEncoderOptions::fields(f);
  f.choice("decoder", decoder, kDecoders, "how the detail of the 1/4 map enters (Table 4)");
  f("boundary_head", boundary_head, "second head for the boundary, of use in training only");
  f.check(num_classes >= 2 || decoder == SinetDecoder::kNone || decoder == SinetDecoder::kGau, "num_classes",
          "must be at least 2 with this decoder: the confidence of a single class is always 1");
}

std::shared_ptr<SegmentationModel> SinetOptions::build() const {
  return std::make_shared<SinetImpl>(*this);
}

ModelCard SinetOptions::card() const {
  return {"spatial-squeeze modules, information-blocking decoder",
          "Park et al. 2020, clovaai/ext_portrait_segmentation"};
}

S2BlockImpl::S2BlockImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t pool)
    : conv(register_module(
          "conv", nn::Sequential(nn::Conv2d(same_conv(in, in, kernel, 1, in)), batch_norm(in, kEps)))),
      act_conv1x1(
          register_module("act_conv1x1", nn::Sequential(prelu(in), nn::Conv2d(same_conv(in, out, 1))))),
      bn(register_module("bn", batch_norm(out, kEps))),
      pool_(pool) {}

torch::Tensor S2BlockImpl::forward(const torch::Tensor& x) {
  if (pool_ == 1) return bn(act_conv1x1->forward(conv->forward(x)));
  const auto squeezed = torch::avg_pool2d(x, pool_);
  return bn(upsample_aligned(act_conv1x1->forward(conv->forward(squeezed)), pool_));  // D1
}

S2ModuleImpl::S2ModuleImpl(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& blocks,
                           bool residual)
    : c1(register_module("c1", PlainConv(in, out / 2, 1, 1, 2))),
      d1(register_module("d1", S2Block(out / 2, out - out / 2, blocks.at(0), blocks.at(1)))),
      d2(register_module("d2", S2Block(out / 2, out / 2, blocks.at(2), blocks.at(3)))),
      BR(register_module("BR", BnPRelu(out, kEps))),
      residual_(residual) {}

torch::Tensor S2ModuleImpl::forward(const torch::Tensor& x) {
  const auto reduced = shuffle_channels(c1(x), 2);
  const torch::Tensor merged = torch::cat({d1(reduced), d2(reduced)}, 1);
  return BR(residual_ ? x + merged : merged);
}

SinetEncoderImpl::SinetEncoderImpl(const SinetEncoderOptions& options)
    : level1(register_module("level1", ConvBnPRelu(3, 12, 3, 2, kEps))),
      level2_0(register_module("level2_0", SqueezeSeparableConv(12, kLevel2, 1, kEps))),
      level2(register_module("level2", s2_modules(kLevel2, kQuarter, options.level2))),
      BR2(register_module("BR2", BnPRelu(kLevel2 + kQuarter, kEps))),
      level3_0(register_module("level3_0", SqueezeSeparableConv(kLevel2 + kQuarter, kQuarter, 2, kEps))),
      level3(register_module("level3", s2_modules(kQuarter, kEighth, options.level3))),
      BR3(register_module("BR3", BnPRelu(kQuarter + kEighth, kEps))),
      classifier(register_module("classifier", PlainConv(kQuarter + kEighth, options.num_classes, 1))),
      size_multiple_(options.size_multiple()) {}

SinetFeatures SinetEncoderImpl::features(const torch::Tensor& image) {
  check_input(image);                                          // Table 2        at 224x224
  const auto x1 = level1(image);                               // row 1     [N,  12, 112, 112]
  const auto x2_0 = level2_0(x1);                              // row 2     [N,  16,  56,  56]
  const auto x2 = run(level2, x2_0);                           // 3, 4      [N,  48,  56,  56]
  const auto x3_0 = level3_0(BR2(torch::cat({x2_0, x2}, 1)));  // row 5     [N,  48,  28,  28]
  const auto x3 = run(level3, x3_0);                           // 6 to 13   [N,  96,  28,  28]
  return {x2, classifier(BR3(torch::cat({x3_0, x3}, 1)))};     // row 14    [N, classes, 28, 28]
}

SegmentationOutput SinetEncoderImpl::forward(const torch::Tensor& image) {
  return {features(image).logits, {}, {}};
}

SinetImpl::SinetImpl(const SinetOptions& options)
    : encoder(register_module("encoder", SinetEncoder(options))),
      bn_3(register_module("bn_3", batch_norm(options.num_classes, kEps))),
      level2_C(register_module("level2_C", ConvBnPRelu(kQuarter, options.num_classes, 1, 1, kEps))),
      bn_2(register_module("bn_2", batch_norm(options.num_classes, kEps))),
      classifier(register_module("classifier", head(options.num_classes, options.num_classes))),
      decoder_(options.decoder) {
  if (decoder_ == SinetDecoder::kGau) {
    gau = register_module("gau",
                          nn::Conv2d(nn::Conv2dOptions(options.num_classes, options.num_classes, 1)));  // D3
  }
  if (options.boundary_head) boundary = register_module("boundary", head(options.num_classes, 2));
}

SegmentationOutput SinetImpl::forward(const torch::Tensor& image) {
  const auto [quarter, eighth] = encoder->features(image);                       // at 224x224
  const auto coarse = bn_3(upsample_aligned(eighth, 2));                         // [N, classes,  56,  56]
  const auto detail = level2_C(quarter);                                         // [N, classes,  56,  56]
  const auto fused = bn_2(upsample_aligned(gated(detail, coarse) + coarse, 2));  // [N, classes, 112, 112]
  return {classifier->forward(fused),                                            // [N, classes, 224, 224]
          boundary ? boundary->forward(fused) : torch::Tensor(),
          {}};
}

/// What of the detail passes. Information blocking (Fig. 4) lets it in only where the coarse map is unsure.
torch::Tensor SinetImpl::gated(const torch::Tensor& detail, const torch::Tensor& coarse) {
  switch (decoder_) {
    case SinetDecoder::kInformationBlocking:
      return detail * torch::rsub(confidence(coarse), 1);
    case SinetDecoder::kReverse:
      return detail * confidence(coarse);
    case SinetDecoder::kGau:
      return detail * torch::relu(gau(coarse.mean({2, 3}, /*keepdim=*/true)));
    case SinetDecoder::kNone:
      break;
  }
  return detail;
}

}  // namespace portraitseg
