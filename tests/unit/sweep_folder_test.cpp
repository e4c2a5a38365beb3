#include "portraitseg/sweep/sweep_folder.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SweepFolders : public ::testing::Test {
 protected:
  SweepPlan plan(const std::string& seeds) const {
    write_file(folder_.path() / "base.yaml", "trainer: {epochs: 7}\n");
    write_file(folder_.path() / "sweep.yaml",
               "base: base.yaml\naxes: {model.decoder: [none], trainer.seed: " + seeds + "}\n");
    return SweepPlan::load(folder_.path() / "sweep.yaml");
  }
  std::filesystem::path path() const { return folder_.path() / "run"; }

  testing::TemporaryFolder folder_;
};

TEST_F(SweepFolders, HoldEverythingThatASweepIs) {
  const SweepPlan two = plan("[1, 2]");
  SweepFolder::write(path(), two, 3, 4);
  std::filesystem::remove(folder_.path() / "base.yaml");
  std::filesystem::remove(folder_.path() / "sweep.yaml");
  const SweepFolder folder = SweepFolder::open(path());
  EXPECT_EQ(folder.sweep().workers, 3);
  EXPECT_EQ(folder.sweep().threads, 4);
  ASSERT_EQ(folder.sweep().trials.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const StoredTrial& trial = folder.sweep().trials[i];
    EXPECT_EQ(trial.id, two.trials[i].id);
    EXPECT_EQ(folder.sweep().label(trial), two.trials[i].label());
    EXPECT_EQ(trial_id(TrainingPlan::load(folder.config(trial.id))), trial.id);
  }
}

TEST_F(SweepFolders, RememberTheirLauncherAndWithoutOneAreLocal) {
  const LauncherChoice slurm = {LauncherKind::kSlurm, {"--partition=gpu", "--comment=two words"}};
  SweepFolder::write(path(), plan("[1]"), 1, 1, slurm);
  EXPECT_EQ(SweepFolder::open(path()).sweep().launcher.kind, LauncherKind::kSlurm);
  EXPECT_EQ(SweepFolder::open(path()).sweep().launcher.slurm, slurm.slurm);
  std::string older;
  for (const auto& line : {"name: sweep", "workers: 3", "threads: 4"}) older += std::string(line) + "\n";
  write_file(path() / "sweep.yaml", older);
  EXPECT_EQ(SweepFolder::open(path()).sweep().launcher.kind, LauncherKind::kLocal);
  EXPECT_EQ(SweepFolder::open(path()).sweep().workers, 3);
}

TEST_F(SweepFolders, HoldTheRungsOfEarlyStoppingUntilItIsTakenOutOfTheSweep) {
  SweepPlan three = plan("[1, 2, 3]");
  three.early_stopping = {{2, 6}, 3, "miou"};
  SweepFolder::write(path(), three, 1, 1);
  const Halving halving = SweepFolder::open(path()).sweep().early_stopping;
  EXPECT_THAT(halving.rungs, ElementsAre(2, 6));
  EXPECT_EQ(halving.factor, 3);
  EXPECT_EQ(halving.figure, "miou");
  SweepFolder::write(path(), plan("[1, 2, 3]"), 1, 1);
  EXPECT_THAT(SweepFolder::open(path()).sweep().early_stopping.rungs, ElementsAre());
}

TEST_F(SweepFolders, KnowTheValuesThatATrialWasNotGiven) {
  plan("[1]");
  write_file(folder_.path() / "base.yaml", "losses: [{name: cross_entropy, weight: 1}]\n");
  write_file(folder_.path() / "sweep.yaml", read_file(folder_.path() / "sweep.yaml") +
                                                "trials: [{trainer.seed: 7, losses.0.weight: 5e-1, "
                                                "preprocessing.size: [32, 32]}]\n");
  const SweepFolder sweep = SweepFolder::write(path(), SweepPlan::load(folder_.path() / "sweep.yaml"), 1, 1);
  const StoredTrial &first = sweep.sweep().trials.front(), &last = sweep.sweep().trials.back();
  const auto& axes = sweep.sweep().axes;
  const auto of = [&](const StoredTrial& trial, const std::string& axis) {
    return sweep.all_values(trial).at(
        static_cast<std::size_t>(std::find(axes.begin(), axes.end(), axis) - axes.begin()));
  };
  EXPECT_EQ(of(last, "losses.0.weight"), "0.5");
  EXPECT_EQ(of(first, "losses.0.weight"), "1") << "the configuration's";
  EXPECT_EQ(of(last, "trainer.seed"), "7");
  EXPECT_EQ(of(first, "preprocessing.size"), "") << "no single value";
  EXPECT_EQ(of(last, "model.decoder"), "information_blocking");
}

TEST_F(SweepFolders, KeepAPapersFiguresAndOpenWithoutThem) {
  SweepPlan with = plan("[1]");
  write_file(
      folder_.path() / "sweep.yaml",
      read_file(folder_.path() / "sweep.yaml") +
          "paper: {source: \"Park, Table 4: mIoU in %\", figures: [{model.decoder: none, miou: 94.74}]}\n");
  with = SweepPlan::load(folder_.path() / "sweep.yaml");
  SweepFolder::write(path(), with, 1, 1);
  const PaperOptions paper = SweepFolder::open(path()).sweep().paper;
  EXPECT_EQ(paper.source, "Park, Table 4: mIoU in %");
  const auto variants = read_paper(paper, {{"model.decoder", {"none"}}});
  ASSERT_EQ(variants.size(), 1U);
  EXPECT_EQ(variants[0].figures.at("miou"), 94.74);

  std::string older = read_file(path() / "sweep.yaml");
  older.resize(older.find("paper:"));
  write_file(path() / "sweep.yaml", older);
  EXPECT_TRUE(read_paper(SweepFolder::open(path()).sweep().paper, {}).empty());
}

TEST_F(SweepFolders, OfAnEarlierVersionKeepTheNamesOfTheirTrials) {
  const SweepFolder before = SweepFolder::write(path(), plan("[1]"), 1, 1);
  const std::string id = before.sweep().trials.front().id, older = "0123456789ab", line = "  clip_norm: 0\n";
  std::string config = read_file(before.config(id));  // which had fewer settings
  ASSERT_NE(config.find(line), std::string::npos);
  config.erase(config.find(line), line.size());
  std::filesystem::remove(before.config(id));
  write_file(before.config(older), config);
  std::string list = read_file(before.list());
  list.replace(list.find(id), id.size(), older);
  write_file(before.list(), list);
  const SweepFolder after = SweepFolder::write(path(), plan("[2, 1]"), 1, 1);
  ASSERT_EQ(after.sweep().trials.size(), 2U);
  EXPECT_NE(after.sweep().trials[0].id, id);
  EXPECT_EQ(after.sweep().trials[1].id, older);
  EXPECT_EQ(read_file(after.config(older)), config);
}

TEST_F(SweepFolders, ResultsHaveTheFinishedTrialsInTheOrderOfThePlan) {
  const SweepFolder folder = SweepFolder::write(path(), plan("[1, 2, 3]"), 1, 1);
  Journal journal(folder.journal());
  TrialEvent event;
  event.kind = TrialEvent::Kind::kFinished;
  event.result = {7, 5, {{"iou_foreground", 91.25}}, "clova", "abc", 8};
  const auto& trials = folder.sweep().trials;
  for (const std::size_t i : {2, 0}) {
    event.trial = trials[i].id;
    journal.add(event);
  }
  folder.write_results(journal);
  EXPECT_THAT(read_lines(folder.results()),
              ElementsAre("id,model.decoder,trainer.seed,epochs,best_epoch,val_iou_foreground,val_protocol,"
                          "val_list_sha256,val_n",
                          trials[0].id + ",none,1,7,5,91.25,clova,abc,8",
                          trials[2].id + ",none,3,7,5,91.25,clova,abc,8"));
}

TEST_F(SweepFolders, LoseNoTrialThatHasBegun) {
  const SweepFolder folder = SweepFolder::write(path(), plan("[1, 2, 3]"), 1, 1);
  Journal journal(folder.journal());
  const auto& trials = folder.sweep().trials;
  const auto add = [&](std::size_t trial, TrialEvent::Kind kind) {
    TrialEvent event;
    event.kind = kind;
    event.trial = trials[trial].id;
    event.result.protocol = "clova";
    journal.add(event);
  };
  add(0, TrialEvent::Kind::kFinished);
  add(2, TrialEvent::Kind::kFailed);
  const std::string before = read_file(path() / "sweep.yaml");
  EXPECT_THAT([&] { SweepFolder::write(path(), plan("[2, 4]"), 1, 1); },
              ::testing::ThrowsMessage<DataError>(
                  AllOf(HasSubstr("run: holds the finished trial " + trials[0].id),
                        HasSubstr("model.decoder=none, trainer.seed=1"), HasSubstr("another --output"))));
  EXPECT_EQ(read_file(path() / "sweep.yaml"), before);
  add(1, TrialEvent::Kind::kStarted);
  EXPECT_THAT([&] { SweepFolder::write(path(), plan("[1, 4]"), 1, 1); },
              ::testing::ThrowsMessage<DataError>(HasSubstr("holds the unfinished trial " + trials[1].id)));
  // What failed, or was never begun, may go.
  EXPECT_EQ(SweepFolder::write(path(), plan("[4, 2, 1]"), 1, 1).sweep().trials.size(), 3U);
}

TEST_F(SweepFolders, WhatHoldsSomethingElseIsRefused) {
  EXPECT_FALSE(SweepFolder::exists(path()));
  EXPECT_THROW(SweepFolder::open(path()), DataError);
  make_folder(path());
  EXPECT_FALSE(SweepFolder::exists(path()));
  write_file(path() / "photo.jpg", "");
  EXPECT_THROW(SweepFolder::exists(path()), DataError);
}

}  // namespace
}  // namespace portraitseg
