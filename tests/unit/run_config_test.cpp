#include "portraitseg/engine/run_config.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "portraitseg/engine/update_rules.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string error(const std::string& yaml) {
  try {
    RunConfig::parse(yaml, "test");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

const std::string kLosses = "losses: [{name: cross_entropy, output: mask, target: label, weight: 1}]\n";

TEST(RunConfig, APriorNeedsItsChannelAndItsNetwork) {
  const std::string prior = kLosses + "augment:\n  prior: {probability: 0.5}\n";
  EXPECT_THAT(error(prior), AllOf(HasSubstr("test:3:"), HasSubstr("augment.prior.probability"),
                                  HasSubstr("preprocessing.prior_channel")));
  const std::string channel = prior + "preprocessing: {prior_channel: true}\n";
  EXPECT_THAT(error(channel), AllOf(HasSubstr("preprocessing.prior_channel"),
                                    HasSubstr("sinet takes 3 channels"), HasSubstr("model.prior_channel")));
  EXPECT_THAT(error(channel + "model: {name: portraitnet}\n"), HasSubstr("portraitnet takes 3 channels"));
  EXPECT_EQ(error(channel + "model: {name: portraitnet, prior_channel: true}\n"), "no error");
}

TEST(RunConfig, ALossThatComparesViewsHasNoTarget) {
  EXPECT_EQ(error("losses: [{name: consistency, weight: 2}]\n"), "no error");
  for (const char* field : {"target: label", "view: deformed"}) {
    EXPECT_THAT(error("losses: [{name: consistency, " + std::string(field) + "}]\n"),
                AllOf(HasSubstr("test:1:"), HasSubstr("losses")))
        << field;
  }
}

TEST(RunConfig, ATeacherAndALossThatLearnsFromItNeedEachOther) {
  const std::string loss = "losses: [{name: distillation, temperature: 2}]\n";
  const std::string teacher = "distillation: {teacher: teacher.safetensors}\n";
  EXPECT_EQ(error(loss + teacher), "no error");
  EXPECT_THAT(error(loss), AllOf(HasSubstr("test:1:"), HasSubstr("distillation.teacher names none")));
  EXPECT_THAT(error(kLosses + teacher), HasSubstr("there is no loss distillation"));
  EXPECT_THAT(error("losses: [{name: distillation, target: label}]\n" + teacher), HasSubstr("losses"));
  EXPECT_EQ(RunConfig::parse(loss + teacher, "test").losses[0].title(), "distillation.mask");
}

TEST(RunConfig, AnEdgeBandMayHaveItsOwnWidth) {
  const auto losses = [](const std::string& fields) {
    return "losses: [{name: cross_entropy, output: coarse, " + fields + "}]\n";
  };
  const auto config = RunConfig::parse(losses("target: edge_band, edge_kernel: 5"), "test");
  EXPECT_EQ(config.losses[0].title(), "cross_entropy.coarse.edge_band_5");
  EXPECT_EQ(config.losses[0].target_at(8).edge_kernel, 5);
  EXPECT_EQ(RunConfig::parse(config.yaml(), "effective").yaml(), config.yaml());
  for (const char* even : {"4", "1", "-3"})
    EXPECT_THAT(error(losses("target: edge_band, edge_kernel: " + std::string(even))),
                HasSubstr("edge_kernel"));
  EXPECT_THAT(error(losses("target: label, edge_kernel: 5")), HasSubstr("unknown key 'edge_kernel'"));
}

TEST(RunConfig, TheSameLossOnBothViewsIsTwoColumns) {
  const auto config = RunConfig::parse(
      "losses: [{name: cross_entropy}, {name: cross_entropy, view: deformed}, {name: consistency}]\n",
      "test");
  EXPECT_EQ(config.losses[0].title(), "cross_entropy.mask.label");
  EXPECT_EQ(config.losses[1].title(), "cross_entropy.mask.label.deformed");
  EXPECT_EQ(config.losses[2].title(), "consistency.mask");
}

TEST(RunConfig, OptimizerAndScheduleOfEarlierVersionsMeanTheSame) {
  const auto config = RunConfig::parse(
      "optimizer:\n  name: adam\n  lr: 0.0005\n  betas: [0.9, 0.999]\n  eps: 1e-08\n  weight_decay: 0.0002\n"
      "  decay_rule: clova\nschedule:\n  name: multistep\n  milestones: [3]\n  gamma: 0.5\n",
      "stored");
  EXPECT_EQ(config.optimizer.name, "adam");
  EXPECT_EQ(config.optimizer.options->lr, 5e-4);
  EXPECT_EQ(config.optimizer.options->weight_decay, 2e-4);
  EXPECT_EQ(config.optimizer.decay_rule, DecayRule::kClova);
  EXPECT_EQ(config.optimizer.clip_norm, 0);
  EXPECT_TRUE(config.optimizer.groups.empty());
  EXPECT_EQ(config.schedule.factor({3, 0, 1, 4}), 0.5);
}

TEST(RunConfig, EveryOptimizerAndScheduleReadsBackAsItWasWritten) {
  const std::string groups =
      "groups: [{keys: 'encoder.*', lr_factor: 0.1}, {keys: [a, '*.b'], frozen: true}]";
  for (const auto& name : update_rules().names()) {
    const auto config = RunConfig::parse("optimizer: {name: " + name + ", " + groups + "}\n", "test");
    const auto again = RunConfig::parse(config.yaml(), "effective");
    EXPECT_EQ(again.yaml(), config.yaml());
    ASSERT_EQ(again.optimizer.groups.size(), 2u) << config.yaml();
    EXPECT_EQ(again.optimizer.groups[0].keys, std::vector<std::string>{"encoder.*"});
    EXPECT_TRUE(again.optimizer.groups[1].frozen);
  }
  for (const auto& name : schedules().names()) {
    const auto config = RunConfig::parse("schedule: {name: " + name + "}\n", "test");
    EXPECT_EQ(RunConfig::parse(config.yaml(), "effective").yaml(), config.yaml());
  }
}

/// A file that builds on another one.
struct Pair {
  testing::TemporaryFolder folder;
  Pair(const std::string& base, const std::string& own) {
    std::ofstream(folder.path() / "base.yaml") << base;
    std::ofstream(folder.path() / "own.yaml") << "extends: base.yaml\n" << own;
  }
  RunConfig load(const std::vector<std::string>& overrides = {}) const {
    return RunConfig::load(folder.path() / "own.yaml", overrides);
  }
  std::string error(const std::vector<std::string>& overrides = {}) const {
    try {
      load(overrides);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  }
};

const char* const kAdam =
    "optimizer: {name: adam, lr: 3e-4, weight_decay: 0.1, betas: [0.5, 0.6], clip_norm: 7}\n";

TEST(AnotherName, DropsTheFormerThingsOwnOptionsAndKeepsTheRest) {
  const RunConfig config = Pair(kAdam, "optimizer: {name: sgd, momentum: 0.9}\n").load();
  EXPECT_EQ(config.optimizer.name, "sgd");
  EXPECT_EQ(config.optimizer.options->lr, 3e-4);
  EXPECT_EQ(config.optimizer.options->weight_decay, 0.1);
  EXPECT_EQ(config.optimizer.clip_norm, 7);
  EXPECT_EQ(dynamic_cast<const Sgd&>(*config.optimizer.options).momentum, 0.9);
  EXPECT_EQ(Pair(kAdam, "").load().optimizer.clip_norm, 7);
}

TEST(AnotherName, DoesNotTakeOverAnOptionThatIsOnlyCalledTheSame) {
  const RunConfig config =
      Pair("schedule: {name: step, every: 20, gamma: 0.25}\n", "schedule: {name: exponential}\n").load();
  EXPECT_EQ(dynamic_cast<const ExponentialSchedule&>(*config.schedule.options).gamma,
            ExponentialSchedule().gamma);
  const RunConfig adam = Pair(kAdam, "optimizer: {name: adamw}\n").load();
  EXPECT_EQ(dynamic_cast<const Adam&>(*adam.optimizer.options).betas, Adam().betas);
}

TEST(AnotherName, KeepsListsRootAndWorkersOfTheData) {
  const RunConfig config =
      Pair("data: {name: folders, root: R, images: a, train_list: t.txt, workers: 3, cache: {mib: 5}}\n",
           "data: {name: eg1800, cache: {}}\n")
          .load();
  EXPECT_EQ(config.data.options->root, "R");
  EXPECT_EQ(config.data.train_list, "t.txt");
  EXPECT_EQ(config.data.workers, 3);
  EXPECT_EQ(config.data.cache.mib, 5);
}

TEST(AnotherName, KeepsClassesAndStartOfTheModel) {
  const RunConfig config = Pair("model: {name: sinet, num_classes: 3, init_from: w.pth, decoder: gau}\n", "")
                               .load({"model.name=portraitnet"});
  EXPECT_EQ(config.model.name, "portraitnet");
  EXPECT_EQ(config.model.options->num_classes, 3);
  EXPECT_EQ(config.model.init_from, "w.pth");
}

TEST(AnotherName, OfALossDropsWhatTheNewOneDoesNotHave) {
  const RunConfig config =
      Pair("losses: [{name: cross_entropy, target: label, class_weights: [1, 2], weight: 4}]\n", "")
          .load({"losses.0.name=consistency"});
  EXPECT_EQ(config.losses[0].name, "consistency");
  EXPECT_EQ(config.losses[0].weight, 4);
}

TEST(AnotherName, OnTheCommandLineIsMetByItsOtherOptionsInAnyOrder) {
  const Pair files(kAdam, "");
  for (const auto& overrides : {std::vector<std::string>{"optimizer.name=sgd", "optimizer.momentum=0.9"},
                                {"optimizer.momentum=0.9", "optimizer.name=sgd"}}) {
    const RunConfig config = files.load(overrides);
    EXPECT_EQ(dynamic_cast<const Sgd&>(*config.optimizer.options).momentum, 0.9);
    EXPECT_EQ(config.optimizer.options->lr, 3e-4);
  }
}

TEST(AnotherName, ThanTheDefaultDropsOptionsOfTheDefault) {
  EXPECT_EQ(Pair("optimizer: {betas: [0.5, 0.6]}\n", "optimizer: {name: sgd}\n").load().optimizer.name,
            "sgd");
  const RunConfig same = Pair("optimizer: {betas: [0.5, 0.6]}\n", "").load({"optimizer.name=adam"});
  EXPECT_EQ(dynamic_cast<const Adam&>(*same.optimizer.options).betas, (std::vector<double>{0.5, 0.6}));
}

TEST(AnotherName, TakenBackGivesTheOptionsBack) {
  const RunConfig config =
      Pair(kAdam, "optimizer: {name: sgd, momentum: 0.9}\n").load({"optimizer.name=adam"});
  EXPECT_EQ(dynamic_cast<const Adam&>(*config.optimizer.options).betas, (std::vector<double>{0.5, 0.6}));
}

TEST(AnotherName, DoesNotExcuseMistakes) {
  const Pair typo(kAdam, "optimizer: {name: sgd, momentun: 0.9}\n");
  EXPECT_THAT(typo.error(),
              AllOf(HasSubstr("own.yaml:2:24"), HasSubstr("'momentun'"), HasSubstr("'momentum'")));
  EXPECT_THAT(Pair(kAdam, "optimizer: {name: sgd, betas: [0.5, 0.6]}\n").error(),
              AllOf(HasSubstr("own.yaml:2:24"), HasSubstr("'betas'")));
  EXPECT_THAT(Pair(kAdam, "").error({"optimizer.name=sgd", "optimizer.betas=[0.1, 0.2]"}),
              AllOf(HasSubstr("--set optimizer.betas"), HasSubstr("'betas'")));
  EXPECT_THAT(Pair(kAdam, "optimizer: {name: [sgd]}\n").error(),
              HasSubstr("optimizer.name: expected a word"));
  EXPECT_THAT(Pair("device: {name: cpu, thread: 1}\n", "device: {name: auto}\n").error(),
              AllOf(HasSubstr("base.yaml"), HasSubstr("'thread'")));
}

TEST(RunConfig, AMisspeltKeyIsNamedBeforeWhatIsMissingForWantOfIt) {
  EXPECT_THAT(error("optimizer:\n  groups: [{key: 'encoder.*', frozen: true}]\n"),
              AllOf(HasSubstr("test:2:13: unknown key 'key'"), HasSubstr("did you mean 'keys'")));
  EXPECT_THAT(error("optimizer:\n  groups: [{frozen: true}]\n"), HasSubstr("expected at least one pattern"));
  EXPECT_THAT(error("model: {level2: [[3, 1, 5]]}\n"), HasSubstr("expected four numbers"));
}

}  // namespace
}  // namespace portraitseg
