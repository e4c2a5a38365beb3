#include "portraitseg/sweep/slurm_launcher.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "support/temporary_folder.h"

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

/// A variable of the environment for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// Shell scripts in the place of Slurm's programs. They write their arguments to NAME.calls, a line a call in brackets; sbatch
/// numbers arrays from 12 and takes no more jobs at a time than the file `most` says; squeue prints the file `queue`; each fails
/// with the words in NAME.fails where that is there.
class SlurmLaunchers : public ::testing::Test {
 protected:
  SlurmLaunchers() : path_("PATH", (place_ / "bin").string() + ":" + std::getenv("PATH")) {
    fs::create_directories(place_ / "bin");
    const std::string start = "cd '" + place_.string() +
                              "'\n"
                              "for word; do printf '[%s]' \"$word\"; done >>$name.calls; echo >>$name.calls\n"
                              "[ -e $name.fails ] && { cat $name.fails >&2; exit 1; }\n";
    fake("sbatch", "name=sbatch\n" + start +
                       "last=${*#*--array=0-}\n"
                       "[ -e most ] && [ ${last%%%*} -ge $(cat most) ] && { echo 'sbatch: error: too many' "
                       ">&2; exit 1; }\n"
                       "echo x >>count; echo $((11 + $(wc -l <count)))\n");
    fake("squeue", "name=squeue\n" + start +
                       "[ -n \"$SQUEUE_PARTITION\" ] && exit\n"
                       "awk '{ print $1, (NF > 1 ? $2 : \"RUNNING\") }' queue\n");
    fake("scancel", "name=scancel\n" + start + "true\n");
    write_file(place_ / "queue", "");
    options_.folder = place_ / "100% of a sweep's \"$HOME\"" / "slurm";
    options_.program = place_ / "it's a program";
    options_.name = "losses";
    options_.workers = 9;
    options_.threads = 3;
    options_.poll_seconds = 0.001;
    options_.lost_seconds = 0;
    write_program("for word; do printf '<%s>' \"$word\"; done\n");
  }

  void fake(const std::string& name, const std::string& script) const {
    write_file(place_ / "bin" / name, "#!/bin/sh\n" + script);
    fs::permissions(place_ / "bin" / name, fs::perms::owner_all);
  }
  void write_program(const std::string& script) const {
    write_file(options_.program,
               "#!/bin/sh\necho x >>'" + (place_ / "program.calls").string() + "'\n" + script);
    fs::permissions(options_.program, fs::perms::owner_all);
  }
  void fails(const std::string& name, const std::string& words) const {
    write_file(place_ / (name + ".fails"), words);
  }
  void works_again(const std::string& name) const { fs::remove(place_ / (name + ".fails")); }
  void queue_holds(const std::string& ids) const { write_file(place_ / "queue", ids); }

  std::vector<std::string> calls(const std::string& name) const {
    const fs::path file = place_ / (name + ".calls");
    return fs::exists(file) ? read_lines(file) : std::vector<std::string>();
  }

  SlurmLauncher launcher() {
    return {options_, [this](const std::string& line) { said_.push_back(line); }};
  }
  std::vector<Job> jobs(std::size_t count) const {
    std::vector<Job> all;
    for (std::size_t i = 0; i < count; ++i) {
      all.emplace_back();
      all.back().name = "trial" + std::to_string(i) + ".1";
      all.back().arguments = {"train", "--config", "it's \"$HOME\" `x` \\ " + std::to_string(i) + ".yaml"};
      all.back().output = place_ / ("o'clock " + std::to_string(i) + ".log");
    }
    return all;
  }

  static std::ptrdiff_t taken(const std::vector<std::optional<JobId>>& ids) {
    return std::count_if(ids.begin(), ids.end(), [](const auto& id) { return id.has_value(); });
  }

  /// As a node would. @return exit code
  int run_task(int index, int array = 1, const std::string& job = "12") const {
    const std::string script = (options_.folder / std::to_string(array) / "script.sh").string();
    std::string quoted;
    for (const char c : script) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return std::system(("SLURM_ARRAY_JOB_ID=" + job + " SLURM_ARRAY_TASK_ID=" + std::to_string(index) +
                        " sh '" + quoted + "' 2>/dev/null")
                           .c_str());
  }

  /// Looks until the job has ended; ends the test where it does not.
  static JobEnd end_of(Launcher& launcher, const JobId& id) {
    for (int i = 0; i < 2000; ++i) {
      if (const auto end = launcher.end(id)) return *end;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    throw std::runtime_error("it does not end");
  }

  /// So many looks at the queue, none of which ends the job.
  void look(Launcher& launcher, const JobId& id, std::size_t times) const {
    const std::size_t before = calls("squeue").size();
    while (calls("squeue").size() < before + times) {
      ASSERT_FALSE(launcher.end(id)) << "after " << calls("squeue").size() - before << " looks";
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  testing::TemporaryFolder folder_;
  const fs::path place_ = folder_.path();
  const Variable path_;
  SlurmOptions options_;
  std::vector<std::string> said_;
};

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
