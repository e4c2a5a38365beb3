#include "portraitseg/engine/optimizer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>

#include <gmock/gmock.h>
#include <torch/nn.h>
#include <torch/optim.h>
#include <torch/utils.h>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/update_rules.h"
#include "portraitseg/models/models.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Reads `{name: ..., ...}` as the section of a configuration.
OptimizerOptions read(const std::string& yaml) {
  OptimizerOptions options;
  Config::parse(yaml, "test").read(options);
  return options;
}

/// What a user reads of whatever `call` complains about.
std::string error(const std::function<void()>& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

/// In evaluation mode: taking the batch's mean away leaves the bias before it a gradient of rounding alone, which
/// Adam divides by its own size.
torch::nn::Sequential small_network() {
  namespace nn = torch::nn;
  torch::manual_seed(3);
  nn::Sequential network(nn::Conv2d(nn::Conv2dOptions(4, 4, 3).groups(4)), nn::BatchNorm2d(4),
                         nn::Conv2d(4, 2, 1));
  network->to(torch::kFloat64);
  network->eval();
  return network;
}

/// One backward pass of a loss that is the same for the same step.
void backward(torch::nn::Sequential& network, int step) {
  torch::manual_seed(step);
  network->forward(torch::randn({2, 4, 8, 8}, torch::kFloat64)).pow(2).sum().backward();
}

double largest_difference(const torch::nn::Module& a, const torch::nn::Module& b) {
  double largest = 0;
  const auto ours = a.parameters(), theirs = b.parameters();
  for (std::size_t i = 0; i < ours.size(); ++i)
    largest = std::max(largest, (ours[i] - theirs[i]).abs().max().item<double>());
  return largest;
}

/// An optimizer of LibTorch over the parameters in groups: one group's learning rate and weight decay are its own.
using Reference = std::function<std::unique_ptr<torch::optim::Optimizer>(
    const std::vector<torch::Tensor>& all, const std::vector<torch::Tensor>& slow)>;

template <class Torch, class Options>
Reference reference(const Options& options, double slow_lr, double slow_decay) {
  return [=](const std::vector<torch::Tensor>& all, const std::vector<torch::Tensor>& slow) {
    auto slow_options = std::make_unique<Options>(options);
    slow_options->lr(slow_lr);
    slow_options->weight_decay(slow_decay);
    const std::vector<torch::optim::OptimizerParamGroup> groups = {
        torch::optim::OptimizerParamGroup(all),
        torch::optim::OptimizerParamGroup(slow, std::move(slow_options))};
    return std::make_unique<Torch>(groups, options);
  };
}

struct Case {
  std::string name;
  std::string options;  ///< of ours, but for the learning rate, weight decay and groups
  Reference torchs;     ///< with lr 0.01, weight decay 0.02; the slow group 0.001 and 0.5
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

std::vector<Case> cases() {
  namespace optim = torch::optim;
  const auto adam = optim::AdamOptions(0.01).weight_decay(0.02);
  const auto adamw = optim::AdamWOptions(0.01).weight_decay(0.02);
  const auto sgd = optim::SGDOptions(0.01).weight_decay(0.02);
  const auto rmsprop = optim::RMSpropOptions(0.01).weight_decay(0.02);
  const auto of = [](auto options) { return options; };
  using std::tuple;
  return {
      {"adam", "name: adam", reference<optim::Adam>(adam, 0.001, 0.5)},
      {"adam_betas", "name: adam, betas: [0.5, 0.9], eps: 1e-3",
       reference<optim::Adam>(of(adam).betas(tuple(0.5, 0.9)).eps(1e-3), 0.001, 0.5)},
      {"adamw", "name: adamw", reference<optim::AdamW>(adamw, 0.001, 0.5)},
      {"adamw_betas", "name: adamw, betas: [0.5, 0.9], eps: 1e-3",
       reference<optim::AdamW>(of(adamw).betas(tuple(0.5, 0.9)).eps(1e-3), 0.001, 0.5)},
      {"sgd", "name: sgd", reference<optim::SGD>(sgd, 0.001, 0.5)},
      {"sgd_momentum", "name: sgd, momentum: 0.9", reference<optim::SGD>(of(sgd).momentum(0.9), 0.001, 0.5)},
      {"sgd_nesterov", "name: sgd, momentum: 0.9, nesterov: true",
       reference<optim::SGD>(of(sgd).momentum(0.9).nesterov(true), 0.001, 0.5)},
      {"rmsprop", "name: rmsprop", reference<optim::RMSprop>(rmsprop, 0.001, 0.5)},
      {"rmsprop_momentum", "name: rmsprop, alpha: 0.9, eps: 1e-3, momentum: 0.9",
       reference<optim::RMSprop>(of(rmsprop).alpha(0.9).eps(1e-3).momentum(0.9), 0.001, 0.5)},
  };
}

class Optimizers : public ::testing::TestWithParam<Case> {
 protected:
  OptimizerOptions options(const std::string& more = "") const {
    return read("{" + GetParam().options + ", lr: 0.01, weight_decay: 0.02" + more + "}");
  }
};

const std::string kSlowGroup = ", groups: [{keys: ['0.*', '*.bias'], lr_factor: 0.1, weight_decay: 0.5}]";

TEST_P(Optimizers, EqualLibTorchsOverTenSteps) {
  for (const double clip : {0.0, 0.5}) {
    auto ours = small_network(), theirs = small_network();
    auto with_clip = options(kSlowGroup);
    with_clip.clip_norm = clip;
    Optimizer optimizer(*ours, with_clip);
    std::vector<torch::Tensor> fast, slow;
    for (const auto& item : theirs->named_parameters()) {
      const bool is_slow = item.key()[0] == '0' || item.key().find(".bias") != std::string::npos;
      (is_slow ? slow : fast).push_back(item.value());
    }
    const auto reference = GetParam().torchs(fast, slow);
    for (int step = 0; step < 10; ++step) {
      optimizer.zero_grad();
      backward(ours, step);
      for (auto& parameter : theirs->parameters()) parameter.mutable_grad() = torch::Tensor();
      backward(theirs, step);
      if (step % 3 == 1) {  // a head that the loss does not look at, this time
        for (const char* key : {"2.weight", "2.bias"}) {
          ours->named_parameters()[key].mutable_grad() = torch::Tensor();
          theirs->named_parameters()[key].mutable_grad() = torch::Tensor();
        }
      }
      if (clip > 0) torch::nn::utils::clip_grad_norm_(theirs->parameters(), clip);
      optimizer.step(0.01);
      reference->step();
      ASSERT_LE(largest_difference(*ours, *theirs), 1e-12) << "step " << step << ", clip_norm " << clip;
    }
  }
}

TEST_P(Optimizers, SavedAndLoadedTheyGoOnBitForBit) {
  auto whole = small_network(), part = small_network(), rest = small_network();
  Optimizer uninterrupted(*whole, options(kSlowGroup)), before(*part, options(kSlowGroup));
  const auto train = [](torch::nn::Sequential& network, Optimizer& optimizer, int from, int to) {
    for (int step = from; step < to; ++step) {
      optimizer.zero_grad();
      backward(network, step);
      if (step == 1) network->named_parameters()["2.weight"].mutable_grad() = torch::Tensor();
      optimizer.step(0.01);
    }
  };
  train(whole, uninterrupted, 0, 8);
  train(part, before, 0, 4);
  TensorFile file;
  file.tensors = state_dict(*part);
  before.save(file);
  Optimizer after(*rest, options(kSlowGroup));
  load_state_dict(*rest, file, "memory");
  after.load(file, "memory");
  train(rest, after, 4, 8);
  EXPECT_EQ(largest_difference(*whole, *rest), 0);
  TensorFile a, b;
  uninterrupted.save(a);
  after.save(b);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].first, b.tensors[i].first);
    EXPECT_TRUE(torch::equal(a.tensors[i].second, b.tensors[i].second)) << a.tensors[i].first;
  }
}

TEST_P(Optimizers, AnIncompleteStateIsRefused) {
  auto network = small_network();
  Optimizer optimizer(*network, options());
  TensorFile whole;
  optimizer.save(whole);
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    TensorFile file = whole;
    file.tensors.erase(file.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(error([&] { optimizer.load(file, "memory"); }),
                HasSubstr(whole.tensors[i].first + " is missing"));
  }
}

TEST_P(Optimizers, AHeadThatNoLossLooksAtKeepsItsBits) {
  auto network = small_network();
  Optimizer optimizer(*network, options());
  const auto head = network->named_parameters()["2.weight"].clone();
  const auto kernel = network->named_parameters()["0.weight"].clone();
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    network->at<torch::nn::Conv2dImpl>(0)
        .forward(torch::ones({1, 4, 8, 8}, torch::kFloat64))
        .sum()
        .backward();
    optimizer.step(0.1);
  }
  EXPECT_TRUE(torch::equal(network->named_parameters()["2.weight"], head));
  EXPECT_FALSE(torch::equal(network->named_parameters()["0.weight"], kernel));
}

INSTANTIATE_TEST_SUITE_P(Optimizer, Optimizers, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Optimizer, DefaultsAreTorchs) {
  EXPECT_THAT(UpdateRuleRegistry(update_rules()).names(),
              ::testing::ElementsAre("adam", "adamw", "sgd", "rmsprop"));
  EXPECT_EQ(read("{}").options->lr, 1e-3);
  EXPECT_EQ(read("{name: adam}").options->weight_decay, 0);
  EXPECT_EQ(read("{name: adamw}").options->weight_decay, 1e-2);
  EXPECT_EQ(read("{name: rmsprop}").options->lr, 1e-2);
  EXPECT_EQ(dynamic_cast<const RmsProp&>(*read("{name: rmsprop}").options).alpha, 0.99);
  EXPECT_EQ(dynamic_cast<const Sgd&>(*read("{name: sgd}").options).momentum, 0);
}

TEST(Optimizer, AnotherRulesOptionIsAnUnknownKey) {
  const auto refusal = [](const std::string& yaml) { return error([&] { read(yaml); }); };
  EXPECT_THAT(refusal("{name: sgd,\n betas: [0.9, 0.99]}"), HasSubstr("test:2:2: unknown key 'betas'"));
  EXPECT_THAT(refusal("{name: adam, momentum: 0.9}"), HasSubstr("unknown key 'momentum'"));
  EXPECT_THAT(refusal("{name: rmsprop, nesterov: true}"), HasSubstr("unknown key 'nesterov'"));
  EXPECT_THAT(refusal("{name: addam}"), AllOf(HasSubstr("test:1:8"), HasSubstr("did you mean 'adam'?")));
  EXPECT_THAT(refusal("{name: sgd, nesterov: true}"),
              HasSubstr("test:1:23: nesterov: needs a momentum above 0"));
  EXPECT_THAT(refusal("{betas: [0.9]}"), HasSubstr("betas: expected 2 numbers"));
  EXPECT_THAT(refusal("{groups: [{lr_factor: 2}]}"),
              HasSubstr("groups.0.keys: expected at least one pattern"));
  EXPECT_THAT(refusal("{groups: [{keys: a, lr: 2}]}"), HasSubstr("test:1:21: unknown key 'lr'"));
}

TEST(Optimizer, ACheckpointOfAnotherIsRefusedInOneLine) {
  auto network = small_network();
  TensorFile file;
  Optimizer(*network, read("{name: sgd, momentum: 0.9}")).save(file);
  Optimizer adam(*network, read("{name: adam}"));
  EXPECT_EQ(error([&] { adam.load(file, "last"); }),
            "last: holds the state of optimizer sgd, and this one is adam");
}

TEST(Optimizer, ClovaDecaysDepthwiseKernelsNotAtAllAndVectorsByOnePercent) {
  auto network = small_network();
  Optimizer adam(*network, read("{weight_decay: 1, decay_rule: clova}"));
  for (auto& parameter : network->parameters()) parameter.mutable_grad() = torch::zeros_like(parameter);
  adam.step(0);
  TensorFile state;
  adam.save(state);
  // With a zero gradient the first moment is 0.1 * decay * parameter.
  for (const auto& item : network->named_parameters()) {
    const double share = item.value().dim() != 4 ? 0.01 : item.value().size(1) == 1 ? 0 : 1;
    const auto expected = item.value().detach() * (0.1 * share);
    EXPECT_TRUE(torch::allclose(state.at("training.adam.mean." + item.key()), expected)) << item.key();
  }
}

TEST(Optimizer, AnAdamStateWithoutStepsOfItsOwnParametersIsThatOfEarlierVersions) {
  auto network = small_network();
  Optimizer adam(*network, read("{}"));
  adam.zero_grad();
  backward(network, 0);
  adam.step(1e-3);
  TensorFile state;
  adam.save(state);
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : state.tensors) keys.push_back(key);
  std::vector<std::string> expected;  // those of portraitseg's first checkpoints
  for (const char* key : {"0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"}) {
    expected.push_back(std::string("training.adam.mean.") + key);
    expected.push_back(std::string("training.adam.square.") + key);
  }
  expected.emplace_back("training.adam.steps");
  EXPECT_EQ(keys, expected);
  EXPECT_EQ(state.at("training.adam.steps").item<std::int64_t>(), 1);
}

TEST(Optimizer, OfSeveralGroupsTheFirstThatFitsCounts) {
  auto network = small_network();
  std::map<std::string, torch::Tensor> before;
  for (const auto& item : network->named_parameters()) before[item.key()] = item.value().detach().clone();
  Optimizer sgd(*network,
                read("{name: sgd, groups: [{keys: '2.bias', lr_factor: 3}, {keys: ['2.*', 1.weight], "
                     "lr_factor: 0.5}, {keys: '?.bias', lr_factor: 0}]}"));
  for (auto& parameter : network->parameters()) parameter.mutable_grad() = torch::ones_like(parameter);
  sgd.step(0.1);
  const std::map<std::string, double> moved = {{"0.weight", 0.1}, {"0.bias", 0},      {"1.weight", 0.05},
                                               {"1.bias", 0},     {"2.weight", 0.05}, {"2.bias", 0.3}};
  for (const auto& item : network->named_parameters()) {
    const auto expected = before[item.key()] - moved.at(item.key());
    EXPECT_TRUE(torch::allclose(item.value(), expected)) << item.key();
  }
}

TEST(Optimizer, AGroupsWeightDecayIsSharedOutByTheDecayRule) {
  auto network = small_network();
  const auto kernel = network->named_parameters()["2.weight"].detach().clone();
  const auto slope = network->named_parameters()["1.weight"].detach().clone();
  Optimizer sgd(*network,
                read("{name: sgd, weight_decay: 1, decay_rule: clova, groups: [{keys: ['2.weight', '1.*'], "
                     "weight_decay: 0.5}]}"));
  for (auto& parameter : network->parameters()) parameter.mutable_grad() = torch::zeros_like(parameter);
  sgd.step(1);
  EXPECT_TRUE(torch::allclose(network->named_parameters()["2.weight"], kernel * 0.5));
  EXPECT_TRUE(torch::allclose(network->named_parameters()["1.weight"], slope * 0.995));
}

TEST(Optimizer, APatternThatFitsNothingIsNamedWithTheNearestKeys) {
  auto network = small_network();
  const auto refusal = [&](const std::string& keys) {
    return error([&] { Optimizer(*network, read("{groups: [{keys: '0.*'}, {keys: " + keys + "}]}")); });
  };
  EXPECT_EQ(refusal("['2.*', 2.wieght]"),
            "optimizer.groups.1.keys: '2.wieght' fits no parameter of the network; the nearest: 2.weight, "
            "0.weight, "
            "1.weight");
  EXPECT_THAT(refusal("'3.bi*'"), HasSubstr("the nearest: 0.bias, 1.bias, 2.bias"));
  EXPECT_EQ(refusal("['0.weight', '2.*']"), "no error")
      << "an earlier group has the first, but the pattern is no mistake";
}

TEST(Optimizer, AGroupThatThoseBeforeItLeaveNothingIsRefused) {
  auto network = small_network();
  const auto refusal = [&](const std::string& groups) {
    return error([&] { Optimizer(*network, read("{groups: [" + groups + "]}")); });
  };
  EXPECT_EQ(refusal("{keys: '*'}, {keys: ['0.*', '2.bias'], frozen: true}"),
            "optimizer.groups.1.keys: all that they fit belongs to the groups before; the first group that "
            "fits counts");
  EXPECT_THAT(refusal("{keys: '0.*'}, {keys: '1.*'}, {keys: '?.bias'}, {keys: '2.bias'}"),
              HasSubstr("groups.3"));
  EXPECT_EQ(refusal("{keys: ['0.*', '2.bias'], frozen: true}, {keys: '*'}"), "no error");
}

TEST(Optimizer, FrozenGroupsStayOutside) {
  auto network = small_network();
  const auto before = network->named_parameters()["0.weight"].clone();
  Optimizer adam(*network, read("{weight_decay: 1, groups: [{keys: 0.weight, frozen: true}]}"));
  EXPECT_FALSE(network->named_parameters()["0.weight"].requires_grad());
  adam.zero_grad();
  backward(network, 0);
  adam.step(0.1);
  EXPECT_TRUE(torch::equal(network->named_parameters()["0.weight"], before));
  TensorFile state;
  adam.save(state);
  EXPECT_EQ(state.find("training.adam.mean.0.weight"), nullptr);
  EXPECT_NE(state.find("training.adam.mean.2.weight"), nullptr);
  EXPECT_THAT(error([&] { Optimizer(*network, read("{groups: [{keys: '*', frozen: true}]}")); }),
              HasSubstr("every parameter is frozen"));
}

TEST(Optimizer, AParameterThatIsFrozenByItselfStaysOutside) {
  auto network = small_network();
  network->named_parameters()["0.weight"].set_requires_grad(false);
  const auto before = network->named_parameters()["0.weight"].clone();
  Optimizer adam(*network, read("{weight_decay: 1}"));
  adam.zero_grad();
  backward(network, 0);
  adam.step(0.1);
  EXPECT_TRUE(torch::equal(network->named_parameters()["0.weight"], before));
}

TEST(Optimizer, ClippingLeavesAShortGradientAndTheGradientsThemselves) {
  auto network = small_network();
  const auto before = network->named_parameters()["0.weight"].detach().clone();
  const auto step = [&](double clip) {
    OptimizerOptions options = read("{name: sgd}");
    options.clip_norm = clip;
    Optimizer sgd(*network, options);
    sgd.zero_grad();
    for (auto& parameter : network->parameters()) parameter.mutable_grad().add_(2);
    const auto value = network->named_parameters()["0.weight"].detach().clone();
    sgd.step(1);
    EXPECT_TRUE(torch::equal(network->named_parameters()["0.weight"].grad(), torch::full_like(value, 2)));
    return (value - network->named_parameters()["0.weight"]).mean().item<double>();
  };
  std::int64_t count = 0;
  for (const auto& parameter : network->parameters()) count += parameter.numel();
  const double norm = 2 * std::sqrt(static_cast<double>(count));
  EXPECT_NEAR(step(norm + 1), 2, 1e-12);
  EXPECT_NEAR(step(norm / 4), 0.5, 1e-6);
}

/// Two parameters that have shapes and no values: they stand for tensors that are not in main memory.
struct Shapes : torch::nn::Module {
  Shapes() {
    register_parameter("first", torch::empty({4, 4}, torch::kMeta));
    register_parameter("second", torch::empty({20}, torch::kMeta));
  }
};

TEST(Optimizer, StepsOffTheProcessorWhateverTheFirstParameterHas) {
  for (const std::vector<std::string>& keys :
       {std::vector<std::string>{"first", "second"}, {"second"}, std::vector<std::string>{}}) {
    Shapes shapes;
    const auto parameters = shapes.named_parameters();
    Optimizer adam(shapes, read("{weight_decay: 0.01}"));
    adam.zero_grad();
    for (const auto& key : keys) parameters[key].mutable_grad().add_(1);
    std::vector<std::int64_t> before;
    for (const auto& item : parameters) before.push_back(item.value()._version());
    adam.step(0.1);
    for (std::size_t i = 0; i < before.size(); ++i) {
      const bool has_gradient = std::count(keys.begin(), keys.end(), parameters[i].key()) > 0;
      EXPECT_EQ(parameters[i].value()._version() > before[i], has_gradient) << parameters[i].key();
    }
  }
}

TEST(Optimizer, WeightsLoadedAfterItWasMadeAreThoseItUpdates) {
  auto network = small_network();
  Optimizer adam(*network, {});
  TensorFile file;
  for (const auto& [key, tensor] : state_dict(*network)) file.tensors.emplace_back(key, tensor * 0 + 2);
  load_state_dict(*network, file, "memory");
  Optimizer second(*network, {});  // takes the values over
  for (Optimizer* optimizer : {&adam, &second}) {
    optimizer->zero_grad();
    network->forward(torch::rand({1, 4, 8, 8}, torch::kFloat64)).sum().backward();
    const auto before = network->named_parameters()["2.bias"].clone();
    optimizer->step(0.5);  // a first step is of the learning rate's size
    const auto moved = before - network->named_parameters()["2.bias"];
    EXPECT_TRUE(torch::allclose(moved, torch::full_like(moved, 0.5))) << moved;
  }
}

TEST(Optimizer, AGradientFactorIsOnTheGradientsBeforeTheyAreClipped) {
  for (const char* yaml : {"{name: sgd, lr: 0.1}", "{name: sgd, lr: 0.1, clip_norm: 0.5}"}) {
    auto whole = small_network(), summed = small_network();
    Optimizer optimizer(*whole, read(yaml)), factor(*summed, read(yaml));
    optimizer.zero_grad();
    factor.zero_grad();
    backward(whole, 1);
    for (int i = 0; i < 4; ++i) backward(summed, 1);
    optimizer.step(0.1);
    factor.step(0.1, 0.25);
    EXPECT_LT(largest_difference(*whole, *summed), 1e-14) << yaml;
    EXPECT_GT(largest_difference(*whole, *small_network()), 1e-3) << yaml;
  }
}

TEST(Optimizer, NamesAParameterWhoseGradientIsNotFinite) {
  auto network = small_network();
  Optimizer optimizer(*network, read("{name: adam}"));
  optimizer.zero_grad();
  backward(network, 1);
  EXPECT_EQ(optimizer.not_finite_gradient(), "");
  for (const double value : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    for (const auto& item : network->named_parameters()) {
      torch::Tensor gradient = item.value().mutable_grad().view(-1);
      const double before = gradient[-1].item<double>();
      gradient[-1] = value;
      EXPECT_EQ(optimizer.not_finite_gradient(), item.key()) << value;
      gradient[-1] = before;
    }
  }
  torch::NoGradGuard no_grad;
  network->parameters().front().mutable_grad().fill_(1e308);
  EXPECT_EQ(optimizer.not_finite_gradient(), "") << "their sum is not finite, but they are";
}

TEST(Optimizer, KeepsTheLayoutOfParametersAndTheirState) {
  auto plain = small_network(), channels_last = small_network();
  for (auto& parameter : channels_last->parameters()) {
    if (parameter.dim() == 4)
      parameter.set_data(parameter.data().contiguous(torch::MemoryFormat::ChannelsLast));
  }
  Optimizer optimizer(*plain, read("{name: adam, lr: 0.1}")),
      other(*channels_last, read("{name: adam, lr: 0.1}"));
  for (int i = 0; i < 2; ++i) {
    optimizer.zero_grad();
    other.zero_grad();
    backward(plain, i);
    backward(channels_last, i);
    optimizer.step(0.1);
    other.step(0.1);
  }
  EXPECT_LT(largest_difference(*plain, *channels_last), 1e-12);
  for (const auto& parameter : channels_last->parameters()) {
    const bool kept = parameter.dim() != 4 || parameter.is_contiguous(torch::MemoryFormat::ChannelsLast);
    EXPECT_TRUE(kept) << parameter.sizes();
  }
  TensorFile state;
  other.save(state);
  Optimizer resumed(*plain, read("{name: adam, lr: 0.1}"));
  resumed.load(state, "memory");
  TensorFile expected, loaded;
  optimizer.save(expected);
  resumed.save(loaded);
  for (const auto& [key, tensor] : expected.tensors)
    EXPECT_TRUE(torch::allclose(loaded.at(key), tensor, 1e-9, 1e-12)) << key;
}

}  // namespace
}  // namespace portraitseg
