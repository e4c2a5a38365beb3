#include "portraitseg/sweep/slurm_launcher.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "support/slurm_launchers.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing::SlurmLaunchers;
using testing::Variable;

TEST_F(SlurmLaunchers, HandAllJobsOverAsOneArray) {
  options_.sbatch = {"--partition=gpu", "--comment=two words"};
  SlurmLauncher slurm = launcher();
  const auto ids = slurm.start(jobs(3));
  ASSERT_THAT(ids, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ids[i]->job, "12_" + std::to_string(i));
  const fs::path array = options_.folder / "1";
  EXPECT_THAT(calls("sbatch"),
              ElementsAre("[--cpus-per-task=3][--job-name=losses][--output=" +
                          (place_ / "100%% of a sweep's \"$HOME\"/slurm/1/%a.txt").string() +
                          "][--partition=gpu]"
                          "[--comment=two words][--parsable][--no-requeue][--array=0-2%9][--chdir=" +
                          array.string() + "][" + (array / "script.sh").string() + "]"));
  EXPECT_EQ(slurm.start(jobs(1)).front()->job, "13_0");
  EXPECT_THAT(calls("sbatch").back(), HasSubstr("[--array=0-0%9]"));
}

TEST_F(SlurmLaunchers, WhatSbatchRefusesAtFirstIsItsOwnLine) {
  fails("sbatch",
        "sbatch: error: invalid partition specified: gpux\nsbatch: error: Batch job submission failed\n");
  SlurmLauncher slurm = launcher();
  EXPECT_EQ(taken(slurm.start(jobs(2))), 0);
  try {
    slurm.start(jobs(2));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(
        error.what(),
        "sbatch: error: invalid partition specified: gpux; sbatch: error: Batch job submission failed");
  }
}

TEST_F(SlurmLaunchers, WhereSbatchTakesFewerTheyAreHalvedAndASweepEndsAtOneAlone) {
  options_.poll_seconds = 0.1;
  write_file(place_ / "most", "4");
  SlurmLauncher slurm = launcher();
  EXPECT_GE(slurm.capacity(9), 20U);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(taken(slurm.start(jobs(20))), 0);
  EXPECT_EQ(slurm.capacity(9), 5U);
  EXPECT_EQ(taken(slurm.start(jobs(20))), 0);
  const auto ids = slurm.start(jobs(20));
  ASSERT_THAT(ids, SizeIs(20));
  EXPECT_EQ(ids[0]->job, "12_0");
  EXPECT_EQ(ids[1]->job, "12_1");
  EXPECT_EQ(taken(ids), 2);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("asked to take fewer: sbatch: error: too many")));

  EXPECT_EQ(slurm.capacity(9), 2U + 2);
  write_file(place_ / "most", "1");
  EXPECT_EQ(taken(slurm.start(jobs(3))), 0);
  EXPECT_EQ(slurm.capacity(9), 0U) << "while others train it is asked later";
  for (const int i : {0, 1}) {
    run_task(i, 4);
    end_of(slurm, *ids[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(taken(slurm.start(jobs(3))), 1);

  write_file(place_ / "most", "0");
  SlurmLauncher next = launcher();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(taken(next.start(jobs(20))), 0);
  EXPECT_THROW(next.start(jobs(20)), UserError);
  EXPECT_THAT(calls("sbatch"), SizeIs(6 + 5));
}

TEST_F(SlurmLaunchers, BesideOthersGoOnlyAsManyAsKeepTheWorkersBusy) {
  options_.workers = 3;
  SlurmLauncher slurm = launcher();
  const auto first = slurm.start(jobs(5));
  queue_holds("12_0\n12_1\n12_2\n12_3\n12_4\n");
  const auto end_one = [&](std::size_t i) {
    run_task(static_cast<int>(i));
    end_of(slurm, *first[i]);
  };
  for (const std::size_t i : {0, 1}) {
    EXPECT_EQ(slurm.capacity(3), 0U);
    EXPECT_EQ(taken(slurm.start(jobs(1))), 0);
    end_one(i);
  }
  EXPECT_EQ(slurm.capacity(3), 0U) << "three are left";
  end_one(2);
  end_one(3);
  EXPECT_EQ(slurm.capacity(3), 3U);
  const auto more = slurm.start(jobs(3));
  EXPECT_EQ(more[0]->job, "13_0");
  EXPECT_EQ(more[1]->job, "13_1");
  EXPECT_EQ(more[2], std::nullopt);
  EXPECT_EQ(slurm.capacity(3), 0U);

  // So it is beside those that an earlier launcher handed over.
  SlurmLauncher next = launcher();
  EXPECT_TRUE(next.adopt("trial1.1"));
  EXPECT_EQ(next.capacity(3), 3U);
  EXPECT_EQ(next.start(jobs(9))[2], std::nullopt);
  EXPECT_THAT(calls("sbatch").back(), HasSubstr("[--array=0-1%3]"));
}

TEST_F(SlurmLaunchers, ALauncherThatHasTakenJobsOverWaitsWhereSbatchRefuses) {
  launcher().start(jobs(1));
  SlurmLauncher next = launcher();
  ASSERT_TRUE(next.adopt("trial0.1"));
  fails("sbatch", "sbatch: error: job submit limit\n");
  EXPECT_EQ(taken(next.start(jobs(1))), 0);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("job submit limit")));
}

TEST_F(SlurmLaunchers, TheNumberIsFoundBesideWhatASitePrints) {
  SlurmLauncher slurm = launcher();
  fake("sbatch", "echo '3 nodes are down'; echo; echo '77;cluster '; echo Good luck\n");
  EXPECT_EQ(slurm.start(jobs(1)).front()->job, "77_0");
  fake("sbatch", "echo; echo 78\n");
  EXPECT_EQ(slurm.start(jobs(1)).front()->job, "78_0");
  fake("sbatch", "echo 'The cluster is closed'; echo '3 days'\n");
  SlurmLauncher next = launcher();
  try {
    next.start(jobs(2));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "sbatch: The cluster is closed; 3 days");
  }
}

TEST_F(SlurmLaunchers, AWordThatWouldBeTakenForTheScriptIsRefused) {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"-p", "gpu", "--time", "1:00", "--gres=gpu:1", "-N2", "--exclusive"}, {}}) {
    options_.sbatch = options;
    EXPECT_NO_THROW(launcher());
  }
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"gpu"}, {"--partition=gpu", "fast"}, {"-p", "gpu", "fast"}, {"-N2", ""}}) {
    options_.sbatch = options;
    EXPECT_THROW(launcher(), UserError) << options.back();
  }
}

TEST_F(SlurmLaunchers, AfterTheFirstArrayARefusalIsSaidOnceAndTriedAgain) {
  options_.poll_seconds = 0.1;
  SlurmLauncher slurm = launcher();
  slurm.start(jobs(1));
  fails("sbatch", "sbatch: error: job submit limit\n");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(slurm.start(jobs(1)).front(), std::nullopt);
    EXPECT_EQ(slurm.capacity(9), 0U);
  }
  EXPECT_THAT(said_, ElementsAre(HasSubstr("job submit limit")));
  for (int i = 0; i < 1000 && slurm.capacity(9) == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(slurm.capacity(9), 9U);
  works_again("sbatch");
  EXPECT_TRUE(slurm.start(jobs(1)).front());
}

TEST_F(SlurmLaunchers, JobsWhoseNumberWasLostTrainOnlyIfTheyHaveBegun) {
  SlurmLauncher slurm = launcher();
  slurm.start(jobs(1));
  fake("sbatch",
       "for script; do :; done\n"
       "SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID=1 sh \"$script\"\n"
       "echo 'sbatch: error: Socket timed out' >&2; exit 1\n");
  const auto ids = slurm.start(jobs(3));
  EXPECT_EQ(ids[0], std::nullopt);
  ASSERT_TRUE(ids[1]);
  EXPECT_EQ(ids[1]->job, "77_1");
  EXPECT_EQ(ids[2], std::nullopt);
  EXPECT_EQ(end_of(slurm, *ids[1]).exit_code, 0);
  EXPECT_NE(run_task(0, 2, "77"), 0);
  EXPECT_THAT(calls("program"), SizeIs(1));
}

TEST_F(SlurmLaunchers, WithoutSlurmAreRefused) {
  const Variable path("PATH", (place_ / "bin").string());
  EXPECT_NO_THROW(SlurmLauncher::check_programs());
  fs::remove(place_ / "bin/squeue");
  try {
    SlurmLauncher::check_programs();
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no squeue in PATH"));
  }
}

TEST_F(SlurmLaunchers, WithoutAClusterAreRefused) {
  EXPECT_NO_THROW(SlurmLauncher::check_cluster());
  fails("squeue",
        "squeue: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\nsqueue: fatal\n");
  try {
    SlurmLauncher::check_cluster();
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("no cluster answers: squeue: error:"), Not(HasSubstr("\n"))));
  }
}

TEST(WordsOf, AreThoseThatAShellWouldSee) {
  EXPECT_THAT(words_of("  --partition=gpu\t--nodelist=node[1-3] "),
              ElementsAre("--partition=gpu", "--nodelist=node[1-3]"));
  EXPECT_THAT(words_of("--comment=\"it's mine\" '' -p a'b c'd"),
              ElementsAre("--comment=it's mine", "", "-p", "ab cd"));
  EXPECT_THAT(words_of(""), IsEmpty());
  EXPECT_THROW(words_of("--comment='x"), UserError);
}

}  // namespace
}  // namespace portraitseg
