#include "portraitseg/engine/training_step.h"

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <type_traits>

#include <gmock/gmock.h>
#include <torch/nn/modules/conv.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "portraitseg/models/models.h"
#include "portraitseg/weights/state_dict.h"

namespace portraitseg {
namespace {

static_assert(!std::is_copy_constructible_v<ModelRunner> && !std::is_move_constructible_v<ModelRunner>,
              "what it compiles calls back to where it lies");
static_assert(!std::is_copy_constructible_v<TrainingStep> && !std::is_move_constructible_v<TrainingStep>,
              "it holds a ModelRunner");

class TrainingSteps : public ::testing::TestWithParam<bool> {
 protected:
  TrainingSteps() {
    torch::manual_seed(1);
    model->train();
    batch.image = torch::randn({2, 3, 64, 64});
    batch.targets[{"label"}] = torch::randint(0, 2, {2, 64, 64}, torch::kUInt8);
  }
  static DeviceOptions cpu() {
    DeviceOptions options;
    options.name = "cpu";
    options.threads = 1;
    options.fused = GetParam();
    return options;
  }

  const Device device{cpu()};
  const std::shared_ptr<SegmentationModel> model = models().at("sinet")()->build();
  TrainingStep step{*model, {LossTerm()}, OptimizerOptions(), device};
  Batch batch;
};

/// All tensors that a training changes, as they are now.
TensorFile snapshot(const SegmentationModel& model, const TrainingStep& step) {
  TensorFile file;
  file.tensors = state_dict(model);
  step.save(file);
  for (auto& [key, tensor] : file.tensors) tensor = tensor.detach().clone();
  return file;
}

/// Keys of tensors that differ by a bit.
std::vector<std::string> changes(const TensorFile& before, const TensorFile& after) {
  std::vector<std::string> keys;
  EXPECT_EQ(before.tensors.size(), after.tensors.size());
  for (const auto& [key, tensor] : before.tensors) {
    if (!torch::equal(tensor, after.at(key))) keys.push_back(key);
  }
  return keys;
}

/// What LossNotFinite says; "" if the call does not throw it.
template <class Call>
std::string not_finite(Call call) {
  try {
    call();
  } catch (const LossNotFinite& error) {
    return error.what();
  }
  return "";
}

TEST_P(TrainingSteps, ALossThatIsNotFiniteIsNamedAndLeavesEverythingAsItWas) {
  step.keep_statistics(true);
  step.run(batch, 1e-3);
  const TensorFile before = snapshot(*model, step);
  const torch::Tensor image = batch.image.clone();
  batch.image[0][0][5][5] = NAN;
  EXPECT_EQ(not_finite([&] { step.run(batch, 1e-3); }), "the loss cross_entropy.mask.label is nan");
  EXPECT_THAT(changes(before, snapshot(*model, step)), ::testing::IsEmpty());
  batch.image = image;
  step.run(batch, 1e-3);
  EXPECT_THAT(changes(before, snapshot(*model, step)), ::testing::SizeIs(::testing::Gt(300u)));
}

TEST_P(TrainingSteps, OnlyRunningStatisticsSeeALossThatIsNotFiniteIfTheyAreNotKept) {
  step.run(batch, 1e-3);
  const TensorFile before = snapshot(*model, step);
  batch.image[0][0][5][5] = NAN;
  EXPECT_THROW(step.run(batch, 1e-3), LossNotFinite);
  const auto changed = changes(before, snapshot(*model, step));
  EXPECT_FALSE(changed.empty());
  for (const auto& key : changed)
    EXPECT_THAT(key, ::testing::AnyOf(::testing::HasSubstr("running_"), ::testing::HasSubstr("num_batches")));
}

TEST_P(TrainingSteps, ALaterBatchThatIsNotFiniteTakesTheEarlierOnesOfItsUpdateWithIt) {
  step.keep_statistics(true);
  step.run(batch, 1e-3);
  const TensorFile before = snapshot(*model, step);
  Batch broken = batch;
  broken.image = batch.image.clone();
  broken.image[1][2][0][0] = std::numeric_limits<float>::infinity();
  step.add(batch);
  EXPECT_THROW(step.add(broken), LossNotFinite);
  step.update(1e-3);  // nothing is left to do
  EXPECT_THAT(changes(before, snapshot(*model, step)), ::testing::IsEmpty());
}

TEST_P(TrainingSteps, TwoHalvesOfABatchMakeTheWholeOnesUpdate) {
  model->to(torch::kFloat64);
  model->eval();  // statistics of a half are others
  const auto copy = models().at("sinet")()->build();
  copy->to(torch::kFloat64);
  copy->eval();
  load_matching(*copy, TensorFile{state_dict(*model), {}}, "memory");
  OptimizerOptions options;
  Config::parse("{name: sgd, clip_norm: 0.5}", "test").read(options);
  TrainingStep whole(*model, {LossTerm()}, options, device);
  TrainingStep halves(*copy, {LossTerm()}, options, device);
  for (int update = 0; update < 2; ++update) {
    const double loss = whole.run(batch, 0.1).front();
    double sum = 0;
    for (const std::int64_t i : {0, 1}) {
      Batch half;
      half.image = batch.image.slice(0, i, i + 1);
      half.targets[{"label"}] = batch.targets[{"label"}].slice(0, i, i + 1);
      sum += halves.add(half).front();
    }
    halves.update(0.1);
    EXPECT_NEAR(sum / 2, loss, 1e-12);
  }
  const auto expected = model->parameters(), parameters = copy->parameters();
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(torch::allclose(parameters[i], expected[i], 1e-9, 1e-12)) << i;
}

TEST_P(TrainingSteps, AScaledLossMakesTheSameUpdates) {
  const auto copy = models().at("sinet")()->build();
  copy->train();
  load_matching(*copy, TensorFile{state_dict(*model), {}}, "memory");
  TrainingStep scaled(*copy, {LossTerm()}, OptimizerOptions(), device);
  scaled.scaler().emplace();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(step.run(batch, 1e-3), scaled.run(batch, 1e-3));
  }
  const auto expected = model->parameters(), parameters = copy->parameters();
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(torch::allclose(parameters[i], expected[i], 1e-5, 1e-6)) << i;
}

TEST_P(TrainingSteps, AScaleThatIsTooLargeCostsAnUpdateAndHalves) {
  step.scaler().emplace();
  TensorFile file;
  step.save(file);
  for (auto& [key, tensor] : file.tensors) {
    if (key == "training.scaler.scale") tensor = torch::tensor(1e42, torch::kFloat64);
  }
  step.load(file, "memory");
  std::vector<torch::Tensor> before;
  for (const auto& parameter : model->parameters()) before.push_back(parameter.detach().clone());
  step.run(batch, 1e-3);
  EXPECT_EQ(step.scaler()->scale(), 5e41);
  const auto parameters = model->parameters();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(torch::equal(parameters[i], before[i])) << i;
}

TEST_P(TrainingSteps, LabelsThatAreNoBytesAreRefused) {
  batch.targets[{"label"}] = torch::full({2, 64, 64}, 256, torch::kInt64);
  EXPECT_THROW(step.run(batch, 1e-3), UserError);
}

TEST_P(TrainingSteps, AFrozenPartKeepsItsParametersAndStatistics) {
  OptimizerOptions options;
  Config::parse("{weight_decay: 0.1, groups: [{keys: 'encoder.*', frozen: true}]}", "test").read(options);
  std::map<std::string, torch::Tensor> before;
  for (const auto& [key, tensor] : state_dict(*model)) before[key] = tensor.detach().clone();
  TrainingStep frozen(*model, {LossTerm()}, options, device);
  for (int i = 0; i < 2; ++i) {
    model->train();  // as each epoch of a training begins
    frozen.run(batch, 1e-3);
  }
  std::size_t kept = 0, changed = 0;
  for (const auto& [key, tensor] : state_dict(*model)) {
    const bool same = torch::equal(tensor, before.at(key));
    if (key.rfind("encoder.", 0) == 0) {
      EXPECT_TRUE(same) << key;
      ++kept;
    } else if (key.find("running_mean") != std::string::npos ||
               key.find("num_batches") != std::string::npos) {
      EXPECT_FALSE(same) << key;
      ++changed;
    }
  }
  EXPECT_GT(kept, 100u);
  EXPECT_GT(changed, 2u);
  EXPECT_EQ(frozen.runner().obstacle(), "") << "it runs compiled all the same";
}

TEST_P(TrainingSteps, ABatchNormWithSomethingToTrainGoesOnCountingStatistics) {
  OptimizerOptions options;
  Config::parse("{groups: [{keys: '*.bias', frozen: true}]}", "test").read(options);
  TrainingStep partly(*model, {LossTerm()}, options, device);
  partly.run(batch, 1e-3);
  for (const auto& item : model->named_buffers()) {
    if (item.key().find("num_batches_tracked") == std::string::npos) continue;
    EXPECT_EQ(item.value().item<std::int64_t>(), 1) << item.key();
  }
}

TEST(TrainingStep, BesideAFrozenPartTheRestTrainsAlikeFusedOrNot) {
  std::vector<std::vector<double>> losses;
  for (const bool fused : {true, false}) {
    DeviceOptions options;
    options.name = "cpu";
    options.threads = 1;
    options.fused = fused;
    const Device device(options);
    torch::manual_seed(1);
    const auto model = models().at("sinet")()->build();
    Batch batch;
    batch.image = torch::randn({2, 3, 64, 64});
    batch.targets[{"label"}] = torch::randint(0, 2, {2, 64, 64}, torch::kUInt8);
    OptimizerOptions sgd;
    Config::parse("{name: sgd, groups: [{keys: ['encoder.level1.*', 'encoder.level2*'], frozen: true}]}",
                  "test")
        .read(sgd);
    TrainingStep step(*model, {LossTerm()}, sgd, device);
    auto& series = losses.emplace_back();
    for (int i = 0; i < 4; ++i) series.push_back(step.run(batch, 0.1).front());
  }
  EXPECT_LT(losses[1].back(), losses[1].front() - 0.01);
  for (std::size_t i = 0; i < losses[0].size(); ++i)
    EXPECT_NEAR(losses[0][i], losses[1][i], 1e-4) << "step " << i;
}

/// One convolution, with what a test puts behind it.
struct Small : SegmentationModel {
  Small() : convolution(register_module("convolution", torch::nn::Conv2d(3, 2, 1))) {}

  SegmentationOutput forward(const torch::Tensor& image) override {
    const torch::Tensor logits = convolution(image);
    return {behind ? behind(logits) : logits, {}, {}};
  }
  std::int64_t size_multiple() const override { return 1; }

  torch::nn::Conv2d convolution;
  std::function<torch::Tensor(const torch::Tensor&)> behind;
};

class TrainingStepOfASmallNetwork : public ::testing::Test {
 protected:
  TrainingStepOfASmallNetwork() {
    batch.image = torch::randn({2, 3, 4, 6});
    batch.targets[{"label"}] = torch::randint(0, 2, {2, 4, 6}, torch::kUInt8);
  }
  std::vector<double> run() { return step.run(batch, 1e-3); }
  std::string refusal() {
    try {
      run();
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  const Device device{DeviceOptions{"cpu", 1, true, true, /*fused=*/false}};
  Small model;
  TrainingStep step{model, {LossTerm()}, OptimizerOptions(), device};
  Batch batch;
};

TEST_F(TrainingStepOfASmallNetwork, AGradientThatIsNotFiniteIsFoundBeforeTheUpdate) {
  run();
  const TensorFile before = snapshot(model, step);
  // The slope of the square root is infinite at 0, its value is not.
  model.behind = [&](const torch::Tensor& logits) {
    return logits + (model.convolution->bias - model.convolution->bias.detach()).sqrt().sum();
  };
  const std::string text = not_finite([&] { run(); });
  EXPECT_THAT(text, ::testing::HasSubstr("the gradient of convolution.bias is not finite"));
  EXPECT_THAT(changes(before, snapshot(model, step)), ::testing::IsEmpty());
  model.behind = nullptr;
  run();
  EXPECT_THAT(changes(before, snapshot(model, step)), ::testing::Not(::testing::IsEmpty()));
}

TEST_F(TrainingStepOfASmallNetwork, ScaledGradientsThatAreNeverFiniteEndInAnError) {
  step.scaler().emplace();
  model.behind = [&](const torch::Tensor& logits) {
    return logits + (model.convolution->bias - model.convolution->bias.detach()).sqrt().sum();
  };
  for (int i = 0; i < 32; ++i) run();
  EXPECT_THROW(run(), LossNotFinite);
}

TEST_F(TrainingStepOfASmallNetwork, AnInfiniteLossIsNamed) {
  model.behind = [](const torch::Tensor& logits) { return logits * std::numeric_limits<float>::infinity(); };
  EXPECT_THAT(not_finite([&] { run(); }), ::testing::HasSubstr("the loss cross_entropy.mask.label is "));
}

TEST_F(TrainingStepOfASmallNetwork, MemoryThatDoesNotSufficeNamesTheBatch) {
  const char* expected =
      "out of memory with batches of 2 images of 4x6; make trainer.batch_size or preprocessing.size smaller";
  model.behind = [](const torch::Tensor& logits) {
    return logits + torch::zeros({std::int64_t{1} << 60}, torch::kUInt8).sum();
  };
  EXPECT_EQ(refusal(), expected);
  model.behind = [](const torch::Tensor&) -> torch::Tensor { throw std::bad_alloc(); };
  EXPECT_EQ(refusal(), expected);
}

Device cpu_in(Precision precision, bool fused) {
  DeviceOptions options;
  options.name = "cpu";
  options.threads = 1;
  options.fused = fused;
  options.precision = precision;
  return Device(options);
}

/// Loss of each step, and where the last one led: the mask of the batch after it.
struct Course {
  std::vector<double> losses;
  torch::Tensor mask;
};

Course train(const std::string& name, Precision precision, bool fused = true) {
  const Device device = cpu_in(precision, fused);
  torch::manual_seed(1);
  const auto options = models().at(name)();
  options->num_classes = 2;
  const auto model = options->build();
  device.place(*model);
  model->train();
  Batch batch;
  batch.image = torch::randn({2, 3, 64, 64});
  batch.targets[{"label"}] = torch::randint(0, 2, {2, 64, 64}, torch::kUInt8);
  OptimizerOptions sgd;
  Config::parse("{name: sgd}", "test").read(sgd);
  TrainingStep step(*model, {LossTerm()}, sgd, device);
  Course course;
  for (int i = 0; i < 3; ++i) course.losses.push_back(step.run(batch, 1e-3).front());
  EXPECT_EQ(step.runner().obstacle(), "") << name;
  course.mask = step.outputs(batch).image.mask.detach();
  return course;
}

class PrecisionOf : public ::testing::TestWithParam<const char*> {};

TEST_P(PrecisionOf, InFloat64ATrainingIsTheSameFusedOrNot) {
  const Course fused = train(GetParam(), Precision::kFloat64),
               eager = train(GetParam(), Precision::kFloat64, false);
  EXPECT_EQ(fused.mask.scalar_type(), torch::kFloat64);
  for (const std::size_t i : {0, 1})  // from then on a rounding grows: the deepest BatchNorms see 8 values
    EXPECT_NEAR(fused.losses[i], eager.losses[i], 1e-10) << i;
}

TEST_P(PrecisionOf, InBfloat16TheOutputsAreFloat32AndTheCourseIsNearlyTheSame) {
  const Course brief = train(GetParam(), Precision::kBfloat16),
               exact = train(GetParam(), Precision::kFloat32);
  EXPECT_EQ(brief.mask.scalar_type(), torch::kFloat32);
  EXPECT_LT(brief.losses.back(), brief.losses.front());
  for (std::size_t i = 0; i < exact.losses.size(); ++i)
    EXPECT_NEAR(brief.losses[i] / exact.losses[i], 1, 0.05) << i;
  EXPECT_NE(brief.losses, exact.losses) << "it was not used";
}

INSTANTIATE_TEST_SUITE_P(TrainingStep, PrecisionOf, ::testing::Values("sinet", "extremec3net", "portraitnet"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Precision, OfNetworksIsFloat32ButForFloat64) {
  EXPECT_EQ(cpu_in(Precision::kFloat32, true).dtype(), torch::kFloat32);
  EXPECT_EQ(cpu_in(Precision::kBfloat16, true).dtype(), torch::kFloat32);
  EXPECT_EQ(cpu_in(Precision::kFloat64, true).dtype(), torch::kFloat64);
}

TEST(Precision, Fp16OnTheCpuIsRefused) {
  try {
    cpu_in(Precision::kFloat16, true);
    ADD_FAILURE();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("device.precision: fp16 needs CUDA"));
  }
}

INSTANTIATE_TEST_SUITE_P(TrainingStep, TrainingSteps, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "fused" : "eager"; });

}  // namespace
}  // namespace portraitseg
