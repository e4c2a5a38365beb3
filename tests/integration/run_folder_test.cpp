// Run folders: who may train in one, what they take from one another, and what is refused before there is one.
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "support/command.h"
#include "support/refusal.h"
#include "support/runs.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kStages =
    "stages=[{name: encoder, model: {name: sinet_encoder}}, {name: full, init_from: encoder/best}]";

/// While the training is at work, and held so, this call finds the folder taken.
void expect_taken(Process& training, const Command& command, const std::string& folder) {
  training.send(SIGSTOP);
  const Ending ending = command.run();
  ASSERT_TRUE(training.running());
  training.send(SIGCONT);
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr(folder + ": is being trained by process "));
}

TEST(RunFolderLock, ASecondTrainingInTheSameFolderIsRefusedAndTheFirstOneGoesOn) {
  const Workplace place;
  expect_finishes(place.train("whole"));
  Process training = place.train("run").start();
  ASSERT_TRUE(reach(training, {1, 0})) << training.err();
  expect_taken(training, place.resume("run"), "run");
  EXPECT_EQ(training.wait().exit_code, 0);
  expect_same_run(place / "run", place / "whole");
  EXPECT_FALSE(fs::exists(place / "run/.lock"));
}

TEST(RunFolderLock, OfTwoThatBeginAtOnceOneTrains) {
  const Workplace place;
  Process first = place.train("run").start(), second = place.train("run").start();
  std::vector<Ending> endings = {first.wait(), second.wait()};
  if (endings[0].exit_code != 0) std::swap(endings[0], endings[1]);
  EXPECT_EQ(endings[0].exit_code, 0) << endings[0].err;
  EXPECT_EQ(endings[1].exit_code, 2) << endings[1].err;
  EXPECT_THAT(endings[1].err,
              ::testing::AnyOf(HasSubstr("run: is being trained by"), HasSubstr("run: already holds a run")));
}

TEST(RunFolderLock, AKilledTrainingLeavesNoneThatKeepsOthersOut) {
  const Workplace place;
  Process training = place.train("run").start();
  ASSERT_TRUE(reach(training, {1, 0}));
  training.send(SIGKILL);
  training.wait();
  EXPECT_TRUE(fs::exists(place / "run/.lock"));
  expect_finishes(place.resume("run"));
}

TEST(RunFolderLock, AStageCannotBeTrainedBesideItsRunNorTheRunBesideAStage) {
  const Workplace place;
  Process training = place.train("run", {kStages}).start();
  ASSERT_TRUE(training.wait_until([&] { return fs::exists(place / "run/full" / kLast); })) << training.err();
  expect_taken(training, place.resume("run/full"), "run");
  expect_taken(training, place.resume("run/encoder"), "run");
  training.send(SIGKILL);
  training.wait();

  Process stage = place.resume("run/full").start();
  ASSERT_TRUE(reach(stage, {0, 0})) << stage.err();
  expect_taken(stage, place.resume("run"), "run");
  EXPECT_EQ(stage.wait().exit_code, 0);
}

TEST(StagedRun, HasTheSameBytesWhereverItLiesAndGoesOnElsewhere) {
  const Workplace place;
  const std::vector<std::string> overrides = {kStages, "trainer.epochs=2"};
  fs::create_directories(place / "far/away");
  expect_finishes(place.train("run", overrides));
  expect_finishes(place.train("far/away/other", overrides));
  for (const char* stage : {"encoder", "full"})
    expect_same_run(place / "far/away/other" / stage, place / "run" / stage);
  for (const fs::path& file : {kLast, kBest, fs::path("metrics.csv")}) fs::remove(place / "run/full" / file);
  fs::rename(place / "run", place / "moved");
  const Ending ending = place.resume("moved").run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("stage encoder: done before"));
  EXPECT_THAT(ending.err, HasSubstr("initialised from moved/encoder/checkpoints/best.safetensors"));
  expect_same_run(place / "moved/full", place / "far/away/other/full");
}

TEST(StagedRun, TeachesALaterStageByAnEarlierOne) {
  const Workplace place;
  const std::string losses = "losses: [{name: cross_entropy}, {name: distillation}]";
  const auto stages = [&](const std::string& teacher, const std::string& network) {
    return std::vector<std::string>{"stages=[{name: a, " + network + "}, {name: b, " + losses +
                                        ", distillation: {teacher: " + teacher + "}}]",
                                    "trainer.epochs=1"};
  };
  expect_finishes(place.train("run", stages("a/best", "model: {name: portraitnet}")));
  EXPECT_THAT(bytes_of(place / "run/b/log.txt"), HasSubstr("teacher run/a/" + kBest.string()));
  EXPECT_THAT(bytes_of(place / "run/b/config.yaml"), HasSubstr("teacher: ../a/" + kBest.string()));
  expect_finishes(place.resume("run/b"));
  expect_refusal(place, place.train("other", stages("b/best", "trainer: {seed: 2}")),
                 {"stage b: ", "b/best"});
  const std::string other_classes = "model: {num_classes: 3}, evaluation: {protocol: mmseg, select_by: miou}";
  expect_refusal(place, place.train("other", stages("a/best", other_classes)),
                 {"stage b: a/best: cannot be the teacher: it has num_classes 3, the network 2"});
}

TEST(RunFolder, StandsForItsBestWhereWeightsAreAskedFor) {
  const Workplace place;
  expect_finishes(place.train("run", {kStages, "trainer.epochs=1"}));
  expect_finishes(place.command({"weights", "convert", "run", "best.safetensors"}));
  expect_finishes(
      place.command({"weights", "convert", "run/full/checkpoints/best.safetensors", "same.safetensors"}));
  EXPECT_TRUE(bytes_of(place / "best.safetensors") == bytes_of(place / "same.safetensors"));
  expect_finishes(place.command({"evaluate", "--weights", "run", "--list", "val.txt"}));

  const Ending start = place.train("start", {"trainer.epochs=1", "model.init_from=run"}).run();
  EXPECT_EQ(start.exit_code, 0) << start.err;
  EXPECT_THAT(start.err, HasSubstr("sinet, from trained weights on"));
  EXPECT_THAT(start.err, HasSubstr("initialised from " + (place / "run/full" / kBest).string()));
  const Ending taught =
      place.train("taught", {"trainer.epochs=1", "distillation.teacher=run", "losses=[{name: distillation}]"})
          .run();
  EXPECT_EQ(taught.exit_code, 0) << taught.err;
  EXPECT_THAT(taught.err, HasSubstr("teacher " + (place / "run/full" / kBest).string()));
  expect_refusal(place, place.train("x", {"model.init_from=data"}), {"data: holds no run"});
}

TEST(NewRun, ThatFailsOnItsFirstImageLeavesNoFolder) {
  const Workplace place;
  for (int i = 1; i <= 24; ++i)
    write_bytes(place / ("data/Images/000" + std::string(i < 10 ? "0" : "") + std::to_string(i) + ".jpg"),
                "no image");
  expect_refusal(place, place.train("run"), {"data/Images/000"});
  expect_refusal(place, place.train("run", {kStages}), {"data/Images/000"});
}

TEST(NewRun, WithMoreBatchesAnUpdateThanAnEpochHasIsRefused) {
  const Workplace place;
  expect_refusal(place, place.train("run", {"trainer.accumulate=7"}),
                 {"trainer.accumulate is 7, but an epoch has only 6 batches of 4 images"});
}

TEST(ConfigCheck, FindsWhatATrainingWouldWithoutItsData) {
  const Workplace place;
  expect_finishes(place.train(
      "three", {"trainer.epochs=1", "model.num_classes=3", "evaluation={protocol: mmseg, select_by: miou}"}));
  fs::rename(place / "data", place / "elsewhere");
  const auto check = [&](const std::vector<std::string>& overrides) {
    std::vector<std::string> arguments = {"config", "check", "config.yaml"};
    for (const auto& override : overrides) arguments.insert(arguments.end(), {"--set", override});
    return place.command(arguments);
  };
  expect_finishes(check({}));
  expect_finishes(check({kStages}));
  const std::string losses = "losses=[{name: distillation}]";
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> mistakes = {
      {{"device.name=tpu"}, {"--set device.name=tpu: device.name: ", "unknown device 'tpu'"}},
      {{"device={name: cpu, precision: fp16}"},
       {"--set device={name: cpu, precision: fp16}: device.precision: fp16 needs CUDA"}},
      {{"device.precision=fp16"}, {"--set device.precision=fp16: device.precision: fp16 needs CUDA"}},
      {{"preprocessing.size=[60, 64]"}, {"--set preprocessing.size=", "multiples of 32"}},
      {{"losses=[{name: cross_entropy, output: boundary}]"}, {"--set losses=", "no output 'boundary'"}},
      {{"losses=[{name: cross_entropy, class_weights: [1]}]"},
       {"--set losses=", ": losses: ", "class_weights"}},
      {{"model.num_classes=3"}, {"evaluation.protocol: ", "the protocol clova", "3 classes"}},
      {{"model.init_from=none.pth"}, {"--set model.init_from=", "none.pth"}},
      {{"model.init_from=elsewhere/train.txt"}, {"train.txt"}},
      {{losses, "distillation.teacher=none.pth"}, {"none.pth"}},
      {{losses, "distillation.teacher=three"}, {"num_classes 3, the network 2"}},
      {{kStages, "stages.full.preprocessing.size=[60, 64]"}, {"stage full: ", "multiples of 32"}},
      {{kStages, "stages.full.model.name=portraitnet"}, {"stage full: encoder/best"}}};
  for (const auto& [overrides, words] : mistakes) {
    SCOPED_TRACE(overrides.back());
    expect_refusal(place, check(overrides), words);
  }
  write_bytes(place / "odd.yaml", "extends: config.yaml\npreprocessing:\n  size: [60, 64]\n");
  expect_refusal(place, place.command({"config", "check", "odd.yaml"}),
                 {"odd.yaml:3:9: preprocessing.size: input size 60x64"});
}

TEST(ConfigCheck, LeavesAGpuToTheMachineThatTrains) {
  const Workplace place;
  expect_finishes(
      place.command({"config", "check", "config.yaml", "--set", "device={name: cuda:9, precision: fp16}"}));
}

}  // namespace
}  // namespace portraitseg::testing
