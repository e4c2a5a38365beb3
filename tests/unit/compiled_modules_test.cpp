// Small modules, each with something that the networks of the zoo do not have, against LibTorch: in float64 where values are compared.
#include <gmock/gmock.h>
#include <torch/autograd.h>
#include <torch/nn.h>
#include <torch/utils.h>

#include "portraitseg/nn/compiled_network.h"

#include "support/build_model.h"

namespace portraitseg {
namespace {

using Maps = std::vector<torch::Tensor>;
using Layer = std::function<torch::Tensor(const torch::Tensor&)>;

struct Network : torch::nn::Module {
  CompiledNetwork::Forward body;

  /// Registers a layer. @return what calls it
  template <class Holder>
  Layer layer(const std::string& name, const Holder& made) {
    return [impl = register_module(name, made)](const torch::Tensor& x) { return impl->forward(x); };
  }

  CompiledNetwork compiled(bool gradients = true) { return {*this, body, gradients}; }
};

/// Registers layers, and returns what is done with them.
using Build = std::function<CompiledNetwork::Forward(Network&)>;

std::shared_ptr<Network> make(const Build& build) {
  torch::manual_seed(1);
  const auto network = std::make_shared<Network>();
  network->body = build(*network);
  network->to(torch::kFloat64);
  return network;
}

torch::Tensor image(std::int64_t height = 6, std::int64_t width = 8) {
  torch::manual_seed(2);
  return torch::randn({3, 4, height, width}, torch::kFloat64);
}

torch::nn::Conv2d pointwise(std::int64_t in, std::int64_t out) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 1).bias(false));
}

void expect_close(const torch::Tensor& actual, const torch::Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.defined(), expected.defined()) << what;
  if (!expected.defined()) return;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((actual - expected).abs().max().item<double>(), 1e-9 * scale) << what;
}

torch::Tensor loss_of(const Maps& outputs) {
  torch::manual_seed(4);
  torch::Tensor loss = torch::zeros({}, torch::kFloat64);
  for (const auto& output : outputs) loss = loss + (torch::randn_like(output) * output).sum();
  return loss;
}

void expect_same_state(Network& actual, Network& expected) {
  for (const auto& item : expected.named_parameters())
    expect_close(actual.named_parameters()[item.key()].grad(), item.value().grad(), item.key());
  for (const auto& item : expected.named_buffers())
    expect_close(actual.named_buffers()[item.key()].to(torch::kFloat64), item.value().to(torch::kFloat64),
                 item.key());
}

/// Outputs, gradients and buffers of two steps.
void expect_trains_as_libtorch(const Build& build) {
  const auto network = make(build), reference = make(build);
  auto fused = network->compiled();
  for (int step = 0; step < 2; ++step) {
    const Maps expected = reference->body(image()), actual = fused(image());
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expect_close(actual[i], expected[i], "output");
    loss_of(actual).backward();
    loss_of(expected).backward();
  }
  expect_same_state(*network, *reference);
}

/// Why a network is not compiled; "compiled": it is.
std::string refusal(const Build& build, bool gradients = true) {
  try {
    make(build)->compiled(gradients)(image());
  } catch (const NotCompiled& reason) {
    return reason.what();
  }
  return "compiled";
}

Build transposed(std::int64_t in, std::int64_t out) {
  return [=](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, in));
    const auto up = network.layer(
        "up", torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(in, out, 2).stride(2)));
    return [=](const torch::Tensor& x) { return Maps{up(first(x))}; };
  };
}

TEST(CompiledModules, ATransposedConvolutionHasABiasForEachOutput) {
  expect_trains_as_libtorch(transposed(5, 20));
  expect_trains_as_libtorch(transposed(20, 5));
}

TEST(CompiledModules, AConvolutionMayHaveAStrideAndADilation) {
  const auto convolution = [](std::int64_t kernel, std::int64_t stride, std::int64_t dilation) -> Build {
    return [=](Network& network) -> CompiledNetwork::Forward {
      const auto first = network.layer("first", pointwise(4, 5));
      const auto options =
          torch::nn::Conv2dOptions(5, 6, kernel).stride(stride).dilation(dilation).padding(2);
      const auto second = network.layer("second", torch::nn::Conv2d(options));
      return [=](const torch::Tensor& x) { return Maps{second(first(x))}; };
    };
  };
  expect_trains_as_libtorch(convolution(3, 2, 2));
  expect_trains_as_libtorch(convolution(3, 2, 3));
  expect_trains_as_libtorch(convolution(2, 3, 1));
  expect_trains_as_libtorch(convolution(3, 4, 2));
}

TEST(CompiledModules, WhatSpreadsMayBeNormalisedChainedAndConcatenated) {
  expect_trains_as_libtorch([](Network& network) -> CompiledNetwork::Forward {
    const auto up = [&](const std::string& name) {
      const auto options =
          torch::nn::ConvTranspose2dOptions(5, 5, 4).stride(2).padding(1).groups(5).bias(false);
      return network.layer(name, torch::nn::ConvTranspose2d(options));
    };
    const auto first = network.layer("first", pointwise(4, 5));
    const auto up_once = up("up_once"), up_twice = up("up_twice");
    const auto norm = network.layer("norm", torch::nn::BatchNorm2d(5));
    const auto norm_of_both = network.layer("norm_of_both", torch::nn::BatchNorm2d(10));
    const auto last = network.layer("last", pointwise(10, 2));
    return [=](const torch::Tensor& x) {
      const torch::Tensor small = first(x);
      const torch::Tensor y = up_once(small);
      const torch::Tensor both = torch::relu(norm_of_both(torch::cat({y, torch::relu(norm(y))}, 1)));
      return Maps{last(both), up_twice(y)};
    };
  });
}

TEST(CompiledModules, SlopesOfZeroAreTrained) {
  expect_trains_as_libtorch([](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 5));
    const auto norm = network.layer("norm", torch::nn::BatchNorm2d(5));
    const auto slopes = torch::nn::PReLUOptions().num_parameters(5).init(0);
    const auto activation = network.layer("activation", torch::nn::PReLU(slopes));
    const auto last = network.layer("last", pointwise(5, 2));
    return [=](const torch::Tensor& x) { return Maps{last(activation(norm(first(x))))}; };
  });
}

TEST(CompiledModules, AShuffleMayLeaveTheNumberOfGroupsToLibTorch) {
  expect_trains_as_libtorch([](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 6));
    const auto second = network.layer("second", pointwise(6, 5));
    return [=](const torch::Tensor& x) {
      const torch::Tensor y = first(x);
      const auto shuffled = y.view({y.size(0), -1, 3, y.size(2), y.size(3)})
                                .transpose(1, 2)
                                .reshape({y.size(0), -1, y.size(2), y.size(3)});
      return Maps{second(shuffled)};
    };
  });
}

torch::Tensor mean_of(const torch::Tensor& x) {
  return x.mean({2, 3}, /*keepdim=*/true);
}

TEST(CompiledModules, AMeanMayBeTakenTwice) {
  expect_trains_as_libtorch([](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 5));
    const auto a = network.layer("a", pointwise(5, 5));
    const auto b = network.layer("b", pointwise(5, 5));
    return [=](const torch::Tensor& x) {
      const torch::Tensor y = first(x);
      return Maps{y * torch::relu(a(mean_of(y))), b(mean_of(y))};
    };
  });
}

TEST(CompiledModules, AGradientThatCameThroughAMeanAddsToOthers) {
  expect_trains_as_libtorch([](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 5));
    const auto f = network.layer("f", pointwise(5, 5));
    const auto gate = network.layer("gate", pointwise(5, 5));
    return [=](const torch::Tensor& x) {
      const torch::Tensor a = first(x), z = a + f(a);
      return Maps{z * torch::relu(gate(mean_of(z)))};
    };
  });
}

Build one_convolution() {
  return [](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 5));
    return [=](const torch::Tensor& x) { return Maps{first(x)}; };
  };
}

auto throws(const std::string& text) {
  return ::testing::Throws<c10::Error>(::testing::Property(&c10::Error::msg, ::testing::HasSubstr(text)));
}

TEST(CompiledModules, ASecondBackwardIsRefused) {
  const auto network = make(one_convolution());
  auto fused = network->compiled();
  const torch::Tensor loss = loss_of(fused(image()));
  loss.backward({}, /*retain_graph=*/true);
  EXPECT_THAT([&] { loss.backward(); }, throws("a second time"));
}

TEST(CompiledModules, AnImageThatHasChangedIsRefusedInBackward) {
  const auto network = make(one_convolution());
  auto fused = network->compiled();
  torch::Tensor changed = image();
  const torch::Tensor loss = loss_of(fused(changed));
  changed.mul_(2);
  EXPECT_THAT([&] { loss.backward(); }, throws("has changed"));
}

TEST(CompiledModules, ABatchNormWhoseOutputIsNotUsedKeepsStatistics) {
  expect_trains_as_libtorch([](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 5));
    const auto head = network.layer("head", pointwise(5, 3));
    const auto norm = network.layer("norm", torch::nn::BatchNorm2d(3));
    return [=](const torch::Tensor& x) {
      const torch::Tensor y = first(x);
      torch::relu(norm(head(y)));
      return Maps{y};
    };
  });
}

TEST(CompiledModules, AHeadThatNoLossLooksAtHasNoGradient) {
  const Build build = [](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 5));
    const auto mask = network.layer("mask", pointwise(5, 2));
    const auto edge = network.layer("edge", pointwise(5, 2));
    return [=](const torch::Tensor& x) {
      const torch::Tensor y = first(x);
      return Maps{mask(y), edge(y)};
    };
  };
  const auto network = make(build), reference = make(build);
  auto fused = network->compiled();
  const auto expected = reference->body(image()), actual = fused(image());
  loss_of({actual[0]}).backward();
  loss_of({expected[0]}).backward();
  ASSERT_FALSE(reference->named_parameters()["edge.weight"].grad().defined());
  for (const auto& item : reference->named_parameters())
    EXPECT_EQ(network->named_parameters()[item.key()].grad().defined(), item.value().grad().defined())
        << item.key();
  expect_close(network->named_parameters()["first.weight"].grad(),
               reference->named_parameters()["first.weight"].grad(), "first");
}

TEST(CompiledModules, BiasesAloneMayBeTrained) {
  const Build build = [](Network& network) -> CompiledNetwork::Forward {
    const torch::nn::Conv2d convolution(torch::nn::Conv2dOptions(4, 5, 1));
    convolution->weight.set_requires_grad(false);
    const auto first = network.layer("first", convolution);
    return [=](const torch::Tensor& x) { return Maps{first(x)}; };
  };
  expect_trains_as_libtorch(build);
  const auto network = make(build);
  auto fused = network->compiled();
  fused(image());
  const torch::NoGradGuard no_grad;
  for (auto& parameter : network->parameters()) parameter.add_(1);
  expect_close(fused(image())[0], network->body(image())[0], "after an update");
}

TEST(CompiledModules, AMapMayBeTwiceInAConcatenation) {
  const auto with = [](const std::function<torch::Tensor(torch::Tensor, torch::Tensor)>& join) -> Build {
    return [join](Network& network) -> CompiledNetwork::Forward {
      const auto first = network.layer("first", pointwise(4, 5));
      const auto second = network.layer("second", pointwise(4, 3));
      return [=](const torch::Tensor& x) { return Maps{join(first(x), second(x))}; };
    };
  };
  expect_trains_as_libtorch(with([](auto y, auto) { return torch::cat({y, y}, 1); }));
  expect_trains_as_libtorch(with([](auto y, auto z) { return torch::cat({y, torch::cat({z, y}, 1)}, 1); }));
}

TEST(CompiledModules, SmallValuesAreComparedByTheirOwnSize) {
  EXPECT_THAT(refusal([](Network& network) -> CompiledNetwork::Forward {
                const auto first = network.layer("first", pointwise(4, 5));
                return [=](const torch::Tensor& x) {
                  const torch::Tensor y = first(x) * 1e-6;
                  y.data_ptr<double>()[0] += 1e-6;  // behind LibTorch's back
                  return Maps{y};
                };
              }),
              ::testing::HasSubstr("other values"));
}

struct StraightThrough : torch::autograd::Function<StraightThrough> {
  static torch::Tensor forward(torch::autograd::AutogradContext*, const torch::Tensor& x) {
    return torch::relu(x);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return gradients;
  }
};

struct Reversed : torch::autograd::Function<Reversed> {
  static torch::Tensor forward(torch::autograd::AutogradContext*, const torch::Tensor& x) { return x; }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {-gradients[0]};
  }
};

Build between(const std::function<torch::Tensor(const Layer&, const torch::Tensor&)>& middle) {
  return [middle](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 4));
    const auto second = network.layer("second", pointwise(4, 4));
    return [=](const torch::Tensor& x) { return Maps{second(middle(first, x))}; };
  };
}

TEST(CompiledModules, WhatAutogradDoesNotSeeIsRefusedInTraining) {
  const auto frozen = between([](const Layer& first, const torch::Tensor& x) {
    const torch::NoGradGuard no_grad;
    return first(x);
  });
  const auto partly = between([](const Layer& first, const torch::Tensor& x) {
    const torch::Tensor y = first(x);
    const torch::NoGradGuard no_grad;
    return y + first(y);
  });
  const auto detached = between([](const Layer& first, const torch::Tensor& x) { return first(x).detach(); });
  const auto custom =
      between([](const Layer& first, const torch::Tensor& x) { return StraightThrough::apply(first(x)); });
  const auto reversed =
      between([](const Layer& first, const torch::Tensor& x) { return Reversed::apply(first(x)); });
  const auto hooked = between([](const Layer& first, const torch::Tensor& x) {
    torch::Tensor y = first(x);
    if (y.requires_grad()) y.register_hook([](const torch::Tensor& gradient) { return 2 * gradient; });
    return y;
  });
  EXPECT_NE(refusal(frozen), "compiled");
  EXPECT_NE(refusal(partly), "compiled");
  EXPECT_NE(refusal(detached), "compiled");
  EXPECT_NE(refusal(custom), "compiled");
  EXPECT_NE(refusal(reversed), "compiled");
  EXPECT_NE(refusal(hooked), "compiled");
  EXPECT_EQ(refusal(frozen, /*gradients=*/false), "compiled");
  EXPECT_EQ(refusal(custom, /*gradients=*/false), "compiled");
}

TEST(CompiledModules, GradientModeOfTheFirstCallDoesNotMatter) {
  const auto network = make(one_convolution()), reference = make(one_convolution());
  auto fused = network->compiled();
  {
    const torch::NoGradGuard no_grad;
    fused(image());
  }
  loss_of(fused(image())).backward();
  loss_of(reference->body(image())).backward();
  expect_same_state(*network, *reference);
}

TEST(CompiledModules, AnIllConditionedNetworkIsCompiledForEveryBatch) {
  int refused = 0;
  for (int seed = 130; seed < 142; ++seed) {
    torch::manual_seed(seed);
    const auto network = testing::build_model("{name: portraitnet}");
    CompiledNetwork fused(
        *network, [&](const torch::Tensor& x) { return Maps{network->forward(x).mask}; }, /*gradients=*/true);
    try {
      fused(torch::randn({2 + seed % 3, 3, 32, 32}));
    } catch (const NotCompiled&) {
      ++refused;
    }
  }
  EXPECT_EQ(refused, 0);
}

TEST(CompiledModules, TheFirstImageMayHaveNaN) {
  const auto network = make([](Network& made) -> CompiledNetwork::Forward {
    const auto first = made.layer("first", pointwise(4, 5));
    return [=](const torch::Tensor& x) { return Maps{torch::relu(first(x))}; };
  });
  auto fused = network->compiled();
  torch::Tensor broken = image();
  broken[0][0][0][0] = std::nan("");
  EXPECT_NO_THROW(fused(broken));
  expect_close(fused(image())[0], network->body(image())[0], "output");
}

TEST(CompiledModules, RecordingDrawsNoRandomNumbers) {
  const auto network = make([](Network& made) -> CompiledNetwork::Forward {
    const auto first = made.layer("first", pointwise(4, 5));
    return [=](const torch::Tensor& x) { return Maps{torch::dropout(first(x), 0.5, true)}; };
  });
  auto fused = network->compiled();
  const torch::Tensor x = image();
  torch::manual_seed(7);
  const torch::Tensor expected = torch::rand({3});
  torch::manual_seed(7);
  EXPECT_THROW(fused(x), NotCompiled);
  EXPECT_TRUE(torch::rand({3}).equal(expected));
}

TEST(CompiledModules, ABufferOfOneNumberIsNoConstant) {
  const auto scaled = [](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 4));
    const auto scale = network.register_buffer("scale", torch::tensor(2.0));
    return
        [=, &network](const torch::Tensor& x) { return Maps{first(x) * network.named_buffers()["scale"]}; };
  };
  EXPECT_NE(refusal(scaled), "compiled");
  EXPECT_EQ(refusal(between([](const Layer& first, const torch::Tensor& x) { return 2 * first(x) + 1; })),
            "compiled");
}

TEST(CompiledModules, AParameterMayBeFrozenAndUnfrozen) {
  const Build build =
      between([](const Layer& first, const torch::Tensor& x) { return torch::relu(first(x)); });
  const auto network = make(build), reference = make(build);
  auto fused = network->compiled();
  for (const bool trained : {false, true, false}) {
    for (const auto& made : {network, reference}) {
      made->zero_grad();
      made->named_parameters()["first.weight"].set_requires_grad(trained);
    }
    loss_of(fused(image())).backward();
    loss_of(reference->body(image())).backward();
    expect_same_state(*network, *reference);
  }
}

TEST(CompiledModules, ABatchNormAppliedTwiceKeepsStatisticsInTheOrderOfTheCalls) {
  expect_trains_as_libtorch([](Network& network) -> CompiledNetwork::Forward {
    const auto first = network.layer("first", pointwise(4, 5));
    const auto norm = network.layer("norm", torch::nn::BatchNorm2d(5));
    const auto other = network.layer("other", torch::nn::BatchNorm2d(5));
    return [=](const torch::Tensor& x) {
      const torch::Tensor y = first(x);
      const torch::Tensor late = norm(torch::relu(other(y)));  // in a later stage than the next one
      return Maps{late + norm(y)};
    };
  });
}

TEST(CompiledModules, ArgumentsThatChangeResultsAreNotIgnored) {
  const auto mean = between([](const Layer& first, const torch::Tensor& x) {
    const torch::Tensor y = first(x);
    return y * y.mean({2, 3}, true, torch::kFloat64);
  });
  const auto softmax = between([](const Layer& first, const torch::Tensor& x) {
    const torch::Tensor y = first(x);
    return y * std::get<0>(torch::softmax(y, 1, torch::kFloat64).max(1, true));
  });
  const auto resized = [](double factor) {
    return between([factor](const Layer& first, const torch::Tensor& x) {
      namespace F = torch::nn::functional;
      return F::interpolate(first(x), F::InterpolateFuncOptions()
                                          .scale_factor(std::vector<double>{factor, factor})
                                          .mode(torch::kBilinear)
                                          .recompute_scale_factor(false)
                                          .align_corners(false));
    });
  };
  EXPECT_THAT(refusal(mean), ::testing::HasSubstr("type"));
  EXPECT_THAT(refusal(softmax), ::testing::HasSubstr("type"));
  EXPECT_THAT(refusal(resized(1.3)), ::testing::HasSubstr("scale"));
  expect_trains_as_libtorch(resized(1.5));
}

TEST(CompiledModules, TheSizeThatWasNotUsedForLongestIsForgotten) {
  int recorded = 0;
  const auto network = make(one_convolution());
  const auto body = network->body;
  network->body = [&](const torch::Tensor& x) {
    ++recorded;
    return body(x);
  };
  auto fused = network->compiled();
  for (const std::int64_t width : {1, 2, 3, 4, 1, 5}) fused(image(6, width));
  EXPECT_EQ(recorded, 5);
  for (const std::int64_t width : {1, 3, 4, 5}) fused(image(6, width));
  EXPECT_EQ(recorded, 5);
  fused(image(6, 2));
  EXPECT_EQ(recorded, 6);
}

TEST(CompiledModules, InferenceWithABatchsStatisticsFoldsNoOthers) {
  const auto network = make([](Network& made) -> CompiledNetwork::Forward {
    const auto first = made.layer("first", pointwise(4, 5));
    const auto norm = made.layer("norm", torch::nn::BatchNorm2d(5));
    return [=](const torch::Tensor& x) { return Maps{torch::relu(norm(first(x)))}; };
  });
  auto fused = network->compiled(/*gradients=*/false);  // but in training mode
  const torch::NoGradGuard no_grad;
  expect_close(fused(image())[0], network->body(image())[0], "output");
}

TEST(CompiledModules, AWeightThatIsNoParameterIsRefusedInTraining) {
  const auto with = [](bool computed) -> Build {
    return [computed](Network& network) -> CompiledNetwork::Forward {
      const torch::Tensor own =
          network.register_parameter("own", torch::randn({5, 4, 1, 1}, torch::kFloat64));
      const torch::Tensor weight = computed ? 2 * own : torch::randn_like(own).requires_grad_();
      return [=](const torch::Tensor& x) { return Maps{torch::conv2d(x, weight)}; };
    };
  };
  for (const bool computed : {false, true}) {
    EXPECT_THAT(refusal(with(computed)), ::testing::HasSubstr("no parameter"));
    EXPECT_EQ(refusal(with(computed), /*gradients=*/false), "compiled");
  }
}

}  // namespace
}  // namespace portraitseg
