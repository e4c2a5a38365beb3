#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <utility>

#include <gmock/gmock.h>

#include "portraitseg/core/file.h"
#include "portraitseg/sweep/slurm_launcher.h"

#include "support/slurm_launchers.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing::SlurmLaunchers;
using testing::Variable;

TEST_F(SlurmLaunchers, ATaskCallsTheProgramWithItsWordsAndSaysHowItEnded) {
  write_program("for word; do printf '<%s>' \"$word\"; done; exit 3\n");
  SlurmLauncher slurm = launcher();
  const auto ids = slurm.start(jobs(3));
  queue_holds("12_0\n12_1\n12_2\n");
  run_task(1);
  EXPECT_EQ(read_file(place_ / "o'clock 1.log"), "<train><--config><it's \"$HOME\" `x` \\ 1.yaml>");
  const JobEnd end = end_of(slurm, *ids[1]);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
  ASSERT_TRUE(end.seconds);
  EXPECT_LT(*end.seconds, 30);
  EXPECT_FALSE(slurm.end(*ids[0]));
  EXPECT_FALSE(slurm.end(*ids[2]));
}

TEST_F(SlurmLaunchers, ASignalOfTheProgramIsToldFromAnExit) {
  for (const auto& [signal, expected] : {std::pair("KILL", SIGKILL), std::pair("SEGV", SIGSEGV)}) {
    write_program(std::string("kill -") + signal + " $$\n");
    SlurmLauncher slurm = launcher();
    const auto id = slurm.start(jobs(1)).front();
    const int array = signal == std::string("KILL") ? 1 : 2;
    run_task(0, array);
    EXPECT_EQ(end_of(slurm, *id).signal, expected);
  }
  write_program("exit 143\n");  // as `train` ends that was asked to stop
  SlurmLauncher slurm = launcher();
  const auto id = slurm.start(jobs(1)).front();
  run_task(0, 3);
  const JobEnd end = end_of(slurm, *id);
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.exit_code, 143);
}

TEST_F(SlurmLaunchers, ATaskThatSlurmStartsAgainDoesNotTrainAgain) {
  SlurmLauncher slurm = launcher();
  slurm.start(jobs(1));
  EXPECT_EQ(run_task(0), 0);
  EXPECT_NE(run_task(0), 0);
  EXPECT_THAT(calls("program"), SizeIs(1));
}

TEST_F(SlurmLaunchers, AJobThatIsGoneWithoutAStatusWasKilledAndWillNotBegin) {
  SlurmLauncher slurm = launcher();
  const auto id = *slurm.start(jobs(1)).front();
  queue_holds("12_0\n");
  look(slurm, id, 8);
  queue_holds("");
  look(slurm, id, 4);  // fewer than would mean that it is lost
  queue_holds("12_0\n");
  look(slurm, id, 2);
  queue_holds("");
  look(slurm, id, 4);
  const JobEnd end = end_of(slurm, id);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.seconds, 0) << "it never ran";
  EXPECT_THAT(said_, ElementsAre(AllOf(HasSubstr("job 12_0 ended before it began"), HasSubstr("1/0.txt"))));
  EXPECT_NE(run_task(0), 0);
  EXPECT_THAT(calls("program"), IsEmpty());
}

TEST_F(SlurmLaunchers, AJobIsNotLostBeforeItsFilesMustBeSeen) {
  options_.lost_seconds = 3600;
  SlurmLauncher slurm = launcher();
  const auto ids = slurm.start(jobs(2));
  look(slurm, *ids[0], 20);  // it is out of the queue
  run_task(0);
  EXPECT_EQ(end_of(slurm, *ids[0]).signal, 0);
  options_.lost_seconds = 0.3;
  SlurmLauncher next = launcher();
  const auto start = std::chrono::steady_clock::now();
  const auto left = next.adopt("trial1.1");
  ASSERT_TRUE(left);
  EXPECT_EQ(end_of(next, *left).signal, SIGKILL);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(300));
}

TEST_F(SlurmLaunchers, WhatSlurmCallsEndedHasAndAnythingElseHasNot) {
  SlurmLauncher slurm = launcher();
  const auto ids = slurm.start(jobs(2));
  queue_holds("12_0 CANCELLED\n12_1 SUSPENDED\n");
  EXPECT_EQ(end_of(slurm, *ids[0]).signal, SIGKILL);
  look(slurm, *ids[1], 8);
}

TEST_F(SlurmLaunchers, ASingleArrayThatSlurmHasForgottenHasEnded) {
  SlurmLauncher slurm = launcher();
  const auto id = *slurm.start(jobs(1)).front();
  fails("squeue", "slurm_load_jobs error: Invalid job id specified\n");
  EXPECT_EQ(end_of(slurm, id).signal, SIGKILL);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("ended before it began")));
}

TEST_F(SlurmLaunchers, AControllerThatDoesNotAnswerLosesNoJob) {
  SlurmLauncher slurm = launcher();
  const auto id = *slurm.start(jobs(1)).front();
  fails("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n");
  look(slurm, id, 20);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("Unable to contact slurm controller")));
  works_again("squeue");
  queue_holds("12_0\n");
  look(slurm, id, 3);
  EXPECT_THAT(said_, SizeIs(2));
  fails("squeue", "again\n");
  look(slurm, id, 2);
  EXPECT_THAT(said_, SizeIs(3));
  run_task(0);  // what is in files is found all the same
  EXPECT_EQ(end_of(slurm, id).exit_code, 0);
}

TEST_F(SlurmLaunchers, OneCallAsksForAllJobsWhateverNarrowsTheUsersQueue) {
  const Variable filter("SQUEUE_PARTITION", "other");
  SlurmLauncher slurm = launcher();
  const auto id = *slurm.start(jobs(3)).front();
  slurm.start(jobs(2));
  queue_holds("12_0\n12_1\n12_2\n13_0\n13_1\n");
  look(slurm, id, 8);
  EXPECT_THAT(said_, IsEmpty());
  for (const auto& call : calls("squeue"))
    EXPECT_EQ(call, "[--noheader][--all][--array][--states=all][--format=%F_%K %T][--jobs=12,13]");
}

TEST_F(SlurmLaunchers, AStopTakesWaitingJobsBackAndTellsRunningOnesOnce) {
  SlurmLauncher slurm = launcher();
  const auto ids = slurm.start(jobs(3));
  queue_holds("12_0\n12_1\n12_2\n");
  write_file(options_.folder / "1/0.begun", "12_0\n");
  look(slurm, *ids[0], 2);
  fails("scancel", "scancel: error: Unable to contact slurm controller\n");
  for (const auto& id : ids) slurm.stop(*id);
  look(slurm, *ids[0], 1);
  works_again("scancel");
  look(slurm, *ids[0], 5);
  const auto told = calls("scancel");
  EXPECT_EQ(std::count(told.begin(), told.end(), "[--quiet][12_1][12_2]"), 1);
  EXPECT_EQ(std::count(told.begin(), told.end(), "[--full][--signal=TERM][12_0]"), 2) << "once in vain";
  for (const int i : {1, 2}) {
    const JobEnd end = end_of(slurm, *ids[static_cast<std::size_t>(i)]);
    EXPECT_EQ(end.exit_code, 143);
    EXPECT_EQ(end.seconds, 0);
    EXPECT_NE(run_task(i), 0);
  }
  EXPECT_THAT(calls("program"), IsEmpty());
  write_file(options_.folder / "1/0.status", "143 7\n");
  const JobEnd end = end_of(slurm, *ids[0]);
  EXPECT_EQ(end.exit_code, 143);
  EXPECT_EQ(end.seconds, 7);
}

TEST_F(SlurmLaunchers, AStopIsToldOnceToEachThatRunsAlsoWhereOneHasEnded) {
  SlurmLauncher slurm = launcher();
  const auto ids = slurm.start(jobs(3));
  queue_holds("12_0\n12_1\n12_2\n");
  for (const char* file : {"1/0.begun", "1/1.begun", "1/2.begun"})
    write_file(options_.folder / file, "12_" + std::string(file).substr(2, 1) + "\n");
  write_file(options_.folder / "1/2.status", "0 7\n");  // its end is yet to be looked for
  fake("scancel", "echo \"$*\" >>'" + (place_ / "scancel.calls").string() +
                      "'\n"
                      "case $* in *12_1*) echo 'scancel: error: Kill job error on job id 12_1: Invalid job "
                      "id' >&2; exit 1;; esac\n");
  for (const auto& id : ids) slurm.stop(*id);
  look(slurm, *ids[0], 3);
  const auto told = calls("scancel");
  EXPECT_EQ(std::count(told.begin(), told.end(), "--full --signal=TERM 12_0"), 1);
  EXPECT_GE(std::count(told.begin(), told.end(), "--full --signal=TERM 12_1"), 2);
  EXPECT_THAT(told, Each(Not(HasSubstr("12_2"))));
  EXPECT_EQ(end_of(slurm, *ids[2]).exit_code, 0);
}

TEST_F(SlurmLaunchers, TheNextOneTakesOverWhatGoesOn) {
  launcher().start(jobs(3));
  run_task(2);
  EXPECT_THAT(unended_slurm_jobs(options_.folder, {"trial0.1", "trial2.1", "trial9.1"}), ElementsAre("12_0"));
  SlurmLauncher next = launcher();
  EXPECT_EQ(next.adopt("trial0.2"), std::nullopt);
  const auto waits = next.adopt("trial0.1"), ended = next.adopt("trial2.1");
  ASSERT_TRUE(waits);
  ASSERT_TRUE(ended);
  EXPECT_EQ(waits->job, "12_0");
  queue_holds("12_0\n");
  EXPECT_EQ(end_of(next, *ended).exit_code, 0);
  look(next, *waits, 3);
  EXPECT_THAT(calls("sbatch"), SizeIs(1));
}

TEST_F(SlurmLaunchers, WhatWasHandedOverByOneThatWasKilledAtThatRunsOnlyIfItHasBegun) {
  launcher().start(jobs(2));
  fs::remove(options_.folder / "1/array");
  run_task(1);
  SlurmLauncher next = launcher();
  EXPECT_EQ(next.adopt("trial0.1"), std::nullopt);
  ASSERT_TRUE(next.adopt("trial1.1"));
  EXPECT_EQ(next.adopt("trial1.1")->job, "12_1");
  EXPECT_NE(run_task(0), 0);
  EXPECT_THAT(calls("program"), SizeIs(1));
  EXPECT_EQ(next.start(jobs(1)).front()->job, "13_0");
  EXPECT_EQ(launcher().adopt("trial0.1")->job, "13_0") << "of the later array";
}

}  // namespace
}  // namespace portraitseg
