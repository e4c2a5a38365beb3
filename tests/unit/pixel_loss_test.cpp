// The losses' own passes over the pixels against LibTorch's operators.
#include <map>

#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/sample.h"
#include "portraitseg/losses/losses.h"

#include "nn/kernels/kernels.h"

namespace portraitseg {
namespace {

struct Case {
  torch::Tensor logits, label, teacher;

  /// Sizes that fill no vector; labels with kIgnore among them, as the loader makes them.
  explicit Case(std::int64_t channels, torch::Dtype type = torch::kFloat32) {
    torch::manual_seed(5);
    logits = (3 * torch::randn({3, channels, 133, 131})).to(type).set_requires_grad(true);
    teacher = (3 * torch::randn({3, channels, 133, 131})).to(type);
    label = torch::randint(0, std::max<std::int64_t>(channels, 2), {3, 133, 131}, torch::kUInt8);
    label.masked_fill_(torch::rand({3, 133, 131}) < 0.2, kIgnore);
  }
};

std::unique_ptr<Loss> build(const std::string& term) {
  LossTerm read;
  Config::parse(term, "test").read(read);
  return read.options->build();
}

/// A loss's value and gradient, twice of it, so that the gradient from above is not 1.
std::vector<torch::Tensor> twice(const torch::Tensor& loss, const torch::Tensor& logits) {
  return {loss, torch::autograd::grad({2 * loss}, {logits}, {}, /*retain_graph=*/true)[0]};
}

void expect_near(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b, double relative) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double scale = b[i].abs().max().item<double>();
    EXPECT_LE((a[i] - b[i]).abs().max().item<double>(), relative * scale) << (i == 0 ? "value" : "gradient");
  }
}

TEST(PixelLoss, EqualsLibTorchsOperators) {
  for (const std::int64_t channels : {2, 5}) {
    const Case c(channels);
    const auto index = c.label.to(torch::kInt64);
    const auto cross_entropy = torch::cross_entropy_loss(c.logits, index, {}, at::Reduction::Mean, kIgnore);
    expect_near(twice(build("{name: cross_entropy}")->forward(c.logits, c.label), c.logits),
                twice(cross_entropy, c.logits), 1e-6);

    const auto valid = c.label != kIgnore;
    const auto log_p = torch::log_softmax(c.logits, 1).gather(1, (index * valid).unsqueeze(1)).squeeze(1);
    for (const double gamma : {2.0, 1.5}) {
      const auto focal = -((1 - log_p.detach().exp()).pow(gamma) * log_p * valid).sum() / valid.sum();
      const auto ours = build("{name: focal, gamma: " + std::to_string(gamma) + "}");
      expect_near(twice(ours->forward(c.logits, c.label), c.logits), twice(focal, c.logits), 2e-6);
    }
    const auto divergence =
        9 * torch::kl_div(torch::log_softmax(c.logits / 3, 1), torch::softmax(c.teacher / 3, 1));
    const auto ours = build("{name: consistency, temperature: 3}");
    expect_near(twice(ours->forward(c.logits, c.teacher), c.logits), twice(divergence, c.logits), 2e-6);
  }
}

TEST(PixelLoss, EveryInstructionSetComesToTheSame) {
  const Case c(3), exact(3, torch::kFloat64);
  constexpr std::int64_t kPixels = 1013;
  const auto run = [&](const auto& kernels, const Case& in, auto zero) {
    using T = decltype(zero);
    const T* logits = in.logits.template data_ptr<T>();
    const T weights[] = {1, 2, T(0.5)};
    const auto options = in.logits.detach().options();
    const auto gradient = torch::zeros({3, kPixels}, options), other = torch::zeros({3, kPixels}, options);
    const double loss = kernels.softmax_loss({logits, 3, kPixels, kPixels}, in.label.data_ptr<std::uint8_t>(),
                                             weights, 2, 1, gradient.template data_ptr<T>());
    const double divergence = kernels.softmax_divergence(
        {logits, 3, kPixels, kPixels}, in.teacher.template data_ptr<T>(), 1, 1, other.template data_ptr<T>());
    return std::vector<torch::Tensor>{torch::tensor({loss, divergence}, torch::kFloat64), gradient, other};
  };
  const auto expected = run(kernels::best_kernels<double>(), exact, 0.0);
  for (const auto* set = kernels::all_kernels<float>(); *set != nullptr; ++set) {
    SCOPED_TRACE((*set)->instruction_set);
    expect_near(run(**set, c, 0.0f), expected, 1e-6);
  }
}

TEST(PixelLoss, OfAutocastTypesIsThatOfFloatsRoughly) {
  for (const std::string name : {"cross_entropy", "focal", "consistency", "lovasz_hinge"}) {
    const Case c(name == "lovasz_hinge" ? 1 : 2), rounded(name == "lovasz_hinge" ? 1 : 2, torch::kBFloat16);
    const auto loss = build("{name: " + name + "}");
    const bool views = name == "consistency";
    const auto expected = loss->forward(c.logits, views ? c.teacher : c.label).item<double>();
    const auto value = loss->forward(rounded.logits, views ? rounded.teacher : c.label).item<double>();
    EXPECT_NEAR(value, expected, 0.03 * expected) << name;
  }
}

TEST(PixelLoss, IsTheSameBitsForAnyNumberOfThreadsAndWithoutGradient) {
  const int before = at::get_num_threads();
  for (const std::string term : {"{name: cross_entropy}", "{name: focal}", "{name: consistency}",
                                 "{name: lovasz_hinge, per_image: true}"}) {
    const bool views = term.find("consistency") != std::string::npos;
    const Case c(term.find("lovasz") == std::string::npos ? 2 : 1);
    const auto loss = build(term);
    const auto run = [&] { return twice(loss->forward(c.logits, views ? c.teacher : c.label), c.logits); };
    at::set_num_threads(1);
    const auto one = run();
    at::set_num_threads(3);
    const auto three = run();
    EXPECT_TRUE(torch::equal(one[0], three[0]) && torch::equal(one[1], three[1])) << term;
    const auto alone = loss->forward(c.logits.detach(), views ? c.teacher : c.label);
    EXPECT_TRUE(torch::equal(one[0], alone) && !alone.requires_grad()) << term;
  }
  at::set_num_threads(before);
}

TEST(PixelLoss, ALabelWithoutItsChannelIsRefused) {
  const Case c(3);
  const auto two_channels = c.logits.slice(1, 0, 2);
  EXPECT_THROW(build("{name: cross_entropy}")->forward(two_channels, c.label), UserError);
  EXPECT_THROW(build("{name: focal}")->forward(two_channels, c.label), UserError);
}

/// What the loss says to these sizes. @param type of the logits; LibTorch's operators take bfloat16
std::string refusal(const std::string& name, torch::Dtype type, torch::IntArrayRef sizes,
                    const torch::Tensor& target) {
  try {
    build("{name: " + name + "}")->forward(torch::zeros(sizes, type), target);
  } catch (const UserError& error) {
    return error.what();
  }
  return "none";
}

TEST(PixelLoss, LabelsOfAnotherSizeAreRefused) {
  for (const std::string name : {"cross_entropy", "focal", "lovasz_hinge"}) {
    const std::string channels = name == "lovasz_hinge" ? "1" : "2";
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      for (const auto& [text, sizes] :
           std::map<std::string, std::vector<std::int64_t>>{{"2x16x16", {2, 16, 16}},
                                                            {"2x128x128", {2, 128, 128}},
                                                            {"2x32x128", {2, 32, 128}},
                                                            {"1x64x64", {1, 64, 64}},
                                                            {"64x64", {64, 64}},
                                                            {"2x1x64x64", {2, 1, 64, 64}}}) {
        const auto label = torch::ones(sizes, torch::kUInt8);
        EXPECT_EQ(
            refusal(name, type, {2, std::stoll(channels), 64, 64}, label),
            "the network's output is 2x" + channels + "x64x64, its target " + text + "; wanted is 2x64x64");
      }
    }
  }
}

TEST(PixelLoss, ATeacherOfAnotherSizeIsRefused) {
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    for (const auto& [text, sizes] :
         std::map<std::string, std::vector<std::int64_t>>{{"2x3x16x16", {2, 3, 16, 16}},
                                                          {"2x2x64x64", {2, 2, 64, 64}},
                                                          {"1x3x64x64", {1, 3, 64, 64}},
                                                          {"3x64x64", {3, 64, 64}}}) {
      EXPECT_EQ(refusal("consistency", type, {2, 3, 64, 64}, torch::zeros(sizes)),
                "the network's output is 2x3x64x64, its target " + text + "; wanted is 2x3x64x64");
    }
  }
}

TEST(PixelLoss, OfNoImagesIsZeroWithZeroGradient) {
  for (const std::string term : {"{name: cross_entropy}", "{name: focal}", "{name: consistency}",
                                 "{name: lovasz_hinge}", "{name: lovasz_hinge, per_image: true}"}) {
    SCOPED_TRACE(term);
    const std::int64_t channels = term.find("lovasz") == std::string::npos ? 2 : 1;
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      const auto logits = torch::zeros({0, channels, 6, 5}, type).set_requires_grad(true);
      const auto label = torch::zeros({0, 6, 5}, torch::kUInt8);
      const bool views = term.find("consistency") != std::string::npos;
      const auto loss = build(term)->forward(logits, views ? torch::zeros_like(logits) : label);
      loss.backward();
      EXPECT_EQ(loss.item<double>(), 0);
      EXPECT_EQ(logits.grad().sizes(), logits.sizes());
    }
  }
}

TEST(PixelLoss, ALabelThatIsNoByteIsRefusedByItsValue) {
  for (const std::string name : {"cross_entropy", "focal", "lovasz_hinge"}) {
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      for (const std::int64_t value :
           {std::int64_t{256}, std::int64_t{-1}, std::int64_t{1} << 32, -(std::int64_t{1} << 32)}) {
        auto label = torch::ones({1, 6, 5}, torch::kInt64);
        label[0][2][3] = value;
        EXPECT_EQ(refusal(name, type, {1, name == "lovasz_hinge" ? 1 : 2, 6, 5}, label),
                  "a label is " + std::to_string(value) + "; wanted are 0 to 254, and 255 = ignore");
      }
    }
    EXPECT_EQ(refusal(name, torch::kFloat32, {1, name == "lovasz_hinge" ? 1 : 2, 6, 5},
                      torch::full({1, 6, 5}, 0.5)),
              "the labels are Float; wanted are whole numbers");
  }
}

TEST(PixelLoss, WideLabelsAreThoseOfBytes) {
  for (const std::string name : {"cross_entropy", "focal", "lovasz_hinge"}) {
    const Case c(name == "lovasz_hinge" ? 1 : 3);
    const auto loss = build("{name: " + name + "}");
    const auto expected = loss->forward(c.logits, c.label);
    for (const auto type : {torch::kInt64, torch::kInt32, torch::kInt16})
      EXPECT_TRUE(torch::equal(loss->forward(c.logits, c.label.to(type)), expected)) << name << ' ' << type;
  }
}

TEST(PixelLoss, NotANumberStaysOne) {
  for (const std::string name : {"cross_entropy", "focal", "consistency", "lovasz_hinge"}) {
    Case c(name == "lovasz_hinge" ? 1 : 2);
    c.label.fill_(1);
    c.logits.detach()[1][0][70][3] = NAN;
    const auto value =
        build("{name: " + name + "}")->forward(c.logits, name == "consistency" ? c.teacher : c.label);
    EXPECT_TRUE(std::isnan(value.item<double>())) << name;
  }
}

TEST(PixelLoss, LovaszHingeOfManyEqualErrorsIsThatOfTheSortedSet) {
  // All errors are 1: the loss is the Jaccard loss of a set that is all wrong, 1, whatever the order.
  const auto label = torch::randint(0, 2, {2, 40, 40}, torch::kUInt8);
  const auto logits = torch::zeros({2, 1, 40, 40}).set_requires_grad(true);
  const auto loss = build("{name: lovasz_hinge}")->forward(logits, label);
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 1, 1e-6);
  EXPECT_NEAR(logits.grad().abs().sum().item<double>(), 1, 1e-6);
}

}  // namespace
}  // namespace portraitseg
