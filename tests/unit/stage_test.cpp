#include "portraitseg/engine/stage.h"

#include <gmock/gmock.h>

#include "portraitseg/core/file.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/models/portraitnet.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kTwoStages =
    "model: {name: sinet, num_classes: 3}\n"
    "optimizer: {lr: 0.5}\n"
    "trainer: {epochs: 7, batch_size: 5}\n"
    "stages:\n"
    "  - name: encoder\n"
    "    model: {name: sinet_encoder}\n"
    "    trainer: {epochs: 3}\n"
    "  - name: full\n"
    "    init_from: encoder/best\n";

class Stages : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& yaml) const {
    const auto path = folder_.path() / "plan.yaml";
    write_file(path, yaml);
    return path;
  }
  TrainingPlan load(const std::string& yaml, const std::vector<std::string>& overrides = {}) const {
    return TrainingPlan::load(file(yaml), overrides);
  }
  std::string error(const std::string& yaml, const std::vector<std::string>& overrides = {}) const {
    try {
      load(yaml, overrides);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Stages, AreTheirKeysOverTheRestOfTheFile) {
  const TrainingPlan plan = load(kTwoStages);
  ASSERT_EQ(plan.stages.size(), 2u);
  EXPECT_TRUE(plan.staged());
  const Stage &encoder = plan.stages[0], &full = plan.stages[1];
  EXPECT_EQ(encoder.name, "encoder");
  EXPECT_EQ(encoder.config.model.name, "sinet_encoder");
  EXPECT_EQ(encoder.config.model.options->num_classes, 3);
  EXPECT_EQ(encoder.config.trainer.epochs, 3);
  EXPECT_EQ(encoder.config.trainer.batch_size, 5);
  EXPECT_EQ(encoder.config.optimizer.options->lr, 0.5);
  EXPECT_EQ(full.config.model.name, "sinet");
  EXPECT_EQ(full.config.trainer.epochs, 7);
  EXPECT_FALSE(plan.start(0));
  ASSERT_TRUE(plan.start(1));
  EXPECT_EQ(plan.start(1)->stage, "encoder");
  EXPECT_EQ(plan.config_of(1).model.init_from, "../encoder/checkpoints/best.safetensors");
}

TEST_F(Stages, AFileWithoutThemIsItsOnlyStage) {
  const TrainingPlan plan = load("trainer: {epochs: 2}\n");
  ASSERT_EQ(plan.stages.size(), 1u);
  EXPECT_FALSE(plan.staged());
  EXPECT_EQ(plan.stages[0].config.trainer.epochs, 2);
  EXPECT_EQ(plan.yaml(), plan.stages[0].config.yaml());
}

TEST_F(Stages, KnowWhereAKeyOrElseItsSectionWasWritten) {
  const TrainingPlan plan =
      load("stages:\n- name: a\n- name: b\n  trainer: {epochs: 2}\ntrainer:\n  batch_size: 5\n",
           {"trainer.seed=3"});
  EXPECT_THAT(plan.place(0, "trainer.batch_size").text(), HasSubstr(".yaml:6:15"));
  EXPECT_THAT(plan.place(1, "trainer.epochs").text(), HasSubstr(".yaml:4:21"));
  EXPECT_THAT(plan.place(1, "trainer.accumulate").text(), HasSubstr(".yaml:4:12"));
  EXPECT_EQ(plan.place(1, "trainer.seed").text(), "--set trainer.seed=3");
}

TEST_F(Stages, ASweepIsNone) {
  EXPECT_THAT(error("base: x.yaml\naxes: {}\n"),
              AllOf(HasSubstr(".yaml:1:7: base"), HasSubstr("portraitseg sweep")));
}

TEST_F(Stages, AnOverrideHoldsInAllOfThemOrInTheOneItNames) {
  const TrainingPlan plan = load(kTwoStages, {"trainer.epochs=1", "stages.1.trainer.batch_size=2"});
  EXPECT_EQ(plan.stages[0].config.trainer.epochs, 1);
  EXPECT_EQ(plan.stages[1].config.trainer.epochs, 1);
  EXPECT_EQ(plan.stages[0].config.trainer.batch_size, 5);
  EXPECT_EQ(plan.stages[1].config.trainer.batch_size, 2);
}

TEST_F(Stages, KeepTheOptionsThatStandBesideThem) {
  const TrainingPlan plan = load(
      "model: {name: portraitnet, boundary_head: false}\n"
      "schedule: {name: exponential, gamma: 0.7}\n"
      "stages: [{name: a}, {name: b, schedule: {gamma: 0.8}}, {name: c, model: {name: sinet}}]\n",
      {"stages.0.name=other"});
  ASSERT_EQ(plan.stages.size(), 3u);
  EXPECT_EQ(plan.stages[0].name, "other");
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& model = dynamic_cast<const PortraitNetOptions&>(*plan.stages[i].config.model.options);
    EXPECT_FALSE(model.boundary_head) << i;
  }
  EXPECT_EQ(plan.stages[2].config.model.name, "sinet");
  const auto gamma = [&](std::size_t i) {
    return dynamic_cast<const ExponentialSchedule&>(*plan.stages[i].config.schedule.options).gamma;
  };
  EXPECT_EQ(gamma(0), 0.7);
  EXPECT_EQ(gamma(1), 0.8);
  EXPECT_EQ(gamma(2), 0.7);
}

TEST_F(Stages, AnOverrideOfOneOfThemStandsOverThoseOfAll) {
  for (const bool first : {true, false}) {
    std::vector<std::string> overrides = {"stages.0.trainer.epochs=4", "trainer.epochs=9"};
    if (!first) std::swap(overrides[0], overrides[1]);
    const TrainingPlan plan = load(kTwoStages, overrides);
    EXPECT_EQ(plan.stages[0].config.trainer.epochs, 4) << first;
    EXPECT_EQ(plan.stages[1].config.trainer.epochs, 9) << first;
  }
  const TrainingPlan plan = load(kTwoStages, {"stages.1={name: last}", "stages.1.trainer.epochs=2"});
  EXPECT_EQ(plan.stages[1].name, "last");
  EXPECT_EQ(plan.stages[1].init_from, "");
  EXPECT_EQ(plan.stages[1].config.trainer.epochs, 2);
  EXPECT_EQ(load("trainer: {epochs: 3}\n", {"stages=[{name: a}]"}).stages[0].config.trainer.epochs, 3);
}

TEST_F(Stages, AnotherNameOnTheCommandLineDropsTheFormerThingsOptionsInAllOfThem) {
  const TrainingPlan plan = load(
      "stages: [{name: a, optimizer: {lr: 0.1, betas: [0.8, 0.9]}}, "
      "{name: b, optimizer: {name: rmsprop, alpha: 0.5}}, {name: c, optimizer: {name: sgd, momentum: "
      "0.3}}]\n",
      {"optimizer.name=sgd"});
  for (const Stage& stage : plan.stages) EXPECT_EQ(stage.config.optimizer.name, "sgd");
  EXPECT_EQ(plan.stages[0].config.optimizer.options->lr, 0.1);
  EXPECT_THAT(plan.stages[2].config.yaml(), HasSubstr("momentum: 0.3"));
}

TEST_F(Stages, ReadBackWhatTheyWrite) {
  const TrainingPlan plan = load(kTwoStages);
  const TrainingPlan again = load(plan.yaml());
  EXPECT_EQ(again.yaml(), plan.yaml());
  ASSERT_EQ(again.stages.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(again.stages[i].config.yaml(), plan.stages[i].config.yaml()) << i;
}

TEST_F(Stages, WhereOneNetworkIsAskedForTheLastStageAnswers) {
  const RunConfig config = RunConfig::load(file(kTwoStages));
  EXPECT_EQ(config.model.name, "sinet");
  EXPECT_EQ(config.trainer.epochs, 7);
}

TEST_F(Stages, MistakesAreNamedWithTheirPlace) {
  EXPECT_THAT(error("stages: []\n"), HasSubstr("plan.yaml:1:"));
  EXPECT_THAT(error("stages: [{name: a}, {name: a}]\n"), HasSubstr("two stages are called a"));
  EXPECT_THAT(error("stages: [{trainer: {epochs: 2}}]\n"), HasSubstr("stage's name"));
  EXPECT_THAT(error("stages: [{name: ../a}]\n"), HasSubstr("stage's name"));
  EXPECT_THAT(error("stages: [{name: a, init_from: b/best}]\n"), HasSubstr("'b/best'"));
  EXPECT_THAT(error("stages: [{name: a, init_from: a/best}]\n"), HasSubstr("'a/best'"));
  EXPECT_THAT(error("stages: [{name: a}, {name: b, init_from: a/checkpoint}]\n"),
              HasSubstr("'a/checkpoint'"));
  EXPECT_THAT(error("stages: [{name: a}, {name: b, init_from: a/best_ema}]\n"),
              HasSubstr("trainer.ema_decay"));
  EXPECT_EQ(error("stages: [{name: a, trainer: {ema_decay: 0.9}}, {name: b, init_from: a/best_ema}]\n"),
            "no error");
  EXPECT_THAT(error(kTwoStages, {"stages.2.trainer.epochs=1"}), HasSubstr("list of 2"));
  EXPECT_THAT(error("trainer: {epoch: 3}\nstages: [{name: a}]\n"),
              AllOf(HasSubstr("plan.yaml:1:"), HasSubstr("epochs")));
  EXPECT_THAT(error("stages:\n- name: a\n  trainer: {epoch: 3}\n"),
              AllOf(HasSubstr("plan.yaml:3:"), HasSubstr("epochs")));
  EXPECT_THAT(error("stages: {name: a}\n"), HasSubstr("plan.yaml:1:"));
}

TEST_F(Stages, AMistakeAmongThemIsWhereItIsWritten) {
  const std::string yaml = "stages:\n- name: a\n- name: b\n  init_from: c/best\n- name: a\n";
  EXPECT_THAT(error(yaml), AllOf(HasSubstr("plan.yaml:4:14: stages.1.init_from"), HasSubstr("'c/best'")));
  EXPECT_THAT(error(yaml, {"stages.1.init_from="}), HasSubstr("plan.yaml:5:9: stages.2.name"));
  EXPECT_THAT(error(kTwoStages, {"stages.full.init_from=encoder/first"}),
              HasSubstr("--set stages.full.init_from=encoder/first: stages.1.init_from"));
}

TEST_F(Stages, AnOverrideAddressesOneOfThemByItsName) {
  const TrainingPlan plan =
      load(kTwoStages, {"stages.encoder.name=first", "stages.full.init_from=first/best",
                        "stages.full.trainer.epochs=2", "stages.1.trainer.batch_size=4"});
  EXPECT_EQ(plan.stages[0].name, "first");
  EXPECT_EQ(plan.stages[0].config.trainer.epochs, 3);
  EXPECT_EQ(plan.stages[1].config.trainer.epochs, 2);
  EXPECT_EQ(plan.stages[1].config.trainer.batch_size, 4);
  EXPECT_THAT(error(kTwoStages, {"stages.ful.trainer.epochs=2"}),
              AllOf(HasSubstr("--set stages.ful.trainer.epochs=2: 'ful' is no item"),
                    HasSubstr("did you mean 'full'?; known: encoder, full")));
  EXPECT_THAT(error("losses: [{name: focal}, {name: focal, output: boundary}]\n", {"losses.focal.weight=2"}),
              HasSubstr("several items are called 'focal'"));
}

TEST_F(Stages, TheRunFolderOfAPlanIsTheOneOfItsLastStage) {
  const TrainingPlan plan = load(kTwoStages);
  const auto path = folder_.path() / "run";
  RunFolder::create(path, plan);
  EXPECT_EQ(RunFolder::plan(path).yaml(), plan.yaml());
  EXPECT_THROW(RunFolder::open(path), DataError) << "it has not begun";
  EXPECT_THROW(RunFolder::create(path, plan), DataError) << "taken";
  make_folder(path / "full");
  write_file(path / "full" / "config.yaml", plan.stages[1].config.yaml());
  EXPECT_EQ(RunFolder::open(path).path(), path / "full");
  EXPECT_EQ(RunFolder::whole(path / "full"), std::filesystem::canonical(path));
  EXPECT_EQ(RunFolder::whole(path), path);
}

}  // namespace
}  // namespace portraitseg
