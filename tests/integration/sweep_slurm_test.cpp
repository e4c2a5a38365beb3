// Sweeps on a Slurm cluster that this machine alone is. Left out where Slurm's daemons are not there or do not run.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "portraitseg/core/folder_lock.h"
#include "portraitseg/core/random.h"

#include "support/command.h"
#include "support/slurm_cluster.h"
#include "support/sweeps.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

#define PORTRAITSEG_NEEDS_SLURM() \
  if (!cluster_.why_not().empty()) GTEST_SKIP() << "no Slurm: " << cluster_.why_not()

class SlurmSweeps : public Sweeps {
 protected:
  Process start(const std::string& output, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--launcher", "slurm", "--poll", "0.3"});
    return sweep(output, more).start();
  }
  Process go_on(const std::string& output, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--poll", "0.3"});
    return resume(output, more).start();
  }

  static std::string queue(const std::string& states) {
    return SlurmCluster::output_of("squeue --noheader --array --format=%F_%K --states=" + states);
  }

  /// Kills a process that trains, which its folder's lock names. @return whether there was one
  bool kill_a_training(const std::string& output) const {
    for (const auto& entry : fs::directory_iterator(place_ / output / "trials")) {
      const std::string holder = bytes_of(entry.path() / FolderLock::kFile), before = "process ";
      const std::size_t found = holder.find(before);
      if (found == std::string::npos) continue;
      const pid_t pid = std::stoi(holder.substr(found + before.size()));
      if (is_alive(pid)) return ::kill(pid, SIGKILL) == 0;
    }
    return false;
  }

  /// Has Slurm kill a task with all its processes. @return whether there was one
  static bool kill_a_task() {
    std::istringstream running(queue("RUNNING"));
    std::string id;
    if (!(running >> id)) return false;
    return SlurmCluster::output_of("scancel --signal=KILL " + id).empty();
  }

  const SlurmCluster cluster_;
};

TEST_F(SlurmSweeps, KilledThriceAndTheirJobsThreeTimesEndAsALocalSweepAndTrainNothingTwice) {
  PORTRAITSEG_NEEDS_SLURM();
  write_sweep(kTwelveTrials);
  Process calm = sweep("calm").start();
  ASSERT_EQ(wait(calm).exit_code, 0) << calm.err();

  auto process = std::make_unique<Process>(start("storm"));
  const auto kill_sweep = [&] {
    process->send(SIGKILL);
    EXPECT_EQ(process->wait().signal, SIGKILL);
    process = std::make_unique<Process>(go_on("storm"));
  };
  ASSERT_TRUE(process->wait_until([&] { return fs::exists(place_ / "storm/slurm/1/names"); }))
      << process->err();
  kill_sweep();  // while it hands the jobs over
  Random random(7, Purpose::kShuffle);
  const std::vector<std::string> blows = {"sweep", "sweep", "training", "training", "task"};
  std::size_t finished = 0;  // trials that are awaited before the next blow
  for (const auto i : permutation(5, random)) {
    const std::string blow = blows[static_cast<std::size_t>(i)];
    finished += static_cast<std::size_t>(random.integer(0, 2));
    const auto delay = std::chrono::milliseconds(random.integer(0, 900));
    ASSERT_TRUE(process->wait_until([&] { return count("storm", "finished") >= finished; }))
        << process->err();
    std::this_thread::sleep_for(delay);
    if (blow == "sweep") {
      ASSERT_TRUE(process->running()) << process->err();
      kill_sweep();
    } else {
      ASSERT_TRUE(process->wait_until([&] {
        return blow == "task" ? kill_a_task() : kill_a_training("storm");
      })) << process->err();
    }
  }
  const Ending ending = wait(*process);
  ASSERT_EQ(ending.exit_code, 0) << ending.err;

  expect_same_trials("storm", "calm", 12);
  EXPECT_THAT(bytes_of(place_ / "storm/log.txt"), HasSubstr("goes on as job"));
  for (const auto& array : fs::directory_iterator(place_ / "storm/slurm")) {
    const bool all = lines_of(bytes_of(array.path() / "names")).size() == 12;
    EXPECT_FALSE(all && fs::exists(array.path() / "array"))
        << "the cluster takes nine: this test means little";
  }
  EXPECT_GE(count("storm", "stopped"), 1U);
  EXPECT_EQ(count("storm", "started"), 12 + count("storm", "stopped")) << "a job was handed over twice";
  std::set<std::string> jobs;
  for (const auto& event : journal("storm")) {
    if (event.at("event") != "started") continue;
    EXPECT_TRUE(jobs.insert(event.at("job")).second) << event;
  }
}

TEST_F(SlurmSweeps, StopTrialsEarlyAndGoOnAfterAKillToTheBytesOfTrainingsAlone) {
  PORTRAITSEG_NEEDS_SLURM();
  write_halving_sweep(
      2, "axes: {trainer.seed: [1, 2, 3, 4, 5, 6]}\nearly_stopping: {name: asha, first: 1, figure: miou}\n");
  Process first = start("run");
  ASSERT_TRUE(first.wait_until([&] { return count("run", "rung") >= 2; })) << first.err();
  first.send(SIGKILL);
  first.wait();
  Process second = go_on("run");
  const Ending ending = wait(second);
  ASSERT_EQ(ending.exit_code, 0) << ending.err;

  EXPECT_EQ(count("run", "rung"), 6U);
  const std::size_t finished = expect_the_bytes_of_trainings_alone("run");
  EXPECT_GE(finished, 2U);
  EXPECT_EQ(expect_promotions_of_the_best("run"), finished);
  EXPECT_EQ(count("run", "started"), 6 + finished);
  EXPECT_THAT(last_line(ending.err), HasSubstr(std::to_string(finished) + " of 6 trials finished, " +
                                               std::to_string(6 - finished) + " stopped early"));
}

TEST_F(SlurmSweeps, GoOnWithoutTheirSweepAndASignalStopsThem) {
  PORTRAITSEG_NEEDS_SLURM();
  write_sweep("axes: {trainer.seed: [1, 2, 3]}\n");
  Process first = start("run", {"--set", "trainer.epochs=500"});
  ASSERT_TRUE(first.wait_until([&] { return is_training("run"); })) << first.err();
  first.send(SIGKILL);
  first.wait();
  const Ending local = resume("run", {"--launcher", "local"}).run();
  EXPECT_EQ(local.exit_code, 2);
  EXPECT_THAT(last_line(local.err), HasSubstr("of Slurm may still train"));

  Process second = go_on("run");
  ASSERT_TRUE(second.wait_until([&] { return second.err().find("goes on as job") != std::string::npos; }));
  second.send(SIGINT);
  const Ending ending = second.wait();
  EXPECT_EQ(ending.exit_code, 130) << ending.err;
  EXPECT_EQ(count("run", "started"), 3U);
  EXPECT_EQ(count("run", "stopped"), 3U);
  for (const auto& event : journal("run")) {
    if (event.at("event") != "stopped") continue;
    EXPECT_EQ(event.at("exit_code"), 143) << event;  // train's own, after its checkpoint
  }
  const char* any = "PENDING,RUNNING,COMPLETING";
  for (int i = 0; i < 100 && !queue(any).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(queue(any), "");
}

TEST_F(SlurmSweeps, WaitForAControllerThatIsAway) {
  PORTRAITSEG_NEEDS_SLURM();
  write_sweep("axes: {trainer.seed: [1, 2]}\n");
  Process process = start("run", {"--set", "trainer.epochs=500"});
  ASSERT_TRUE(process.wait_until([&] { return is_training("run"); })) << process.err();
  const auto says = [&](const char* words) {
    return process.wait_until([&] { return process.err().find(words) != std::string::npos; });
  };
  cluster_.stop_controller();
  ASSERT_TRUE(says("does not answer")) << process.err();
  cluster_.start_controller();
  ASSERT_TRUE(says("Slurm answers again")) << process.err();
  process.send(SIGTERM);
  const Ending ending = process.wait();
  EXPECT_EQ(ending.exit_code, 143) << ending.err;
  EXPECT_EQ(count("run", "started"), 2U);
  EXPECT_EQ(count("run", "stopped"), 2U);
}

TEST_F(SlurmSweeps, WhatSbatchRefusesIsOneLineAndAFolderMayHaveAnyName) {
  PORTRAITSEG_NEEDS_SLURM();
  const std::string name = "it's a \"$run\" of 100%a";
  write_sweep("axes: {trainer.seed: [1]}\n");
  Process process = start(name, {"--slurm", "--partition=nope --comment='a b'"});
  const Ending ending = process.wait();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_THAT(last_line(ending.err), HasSubstr("invalid partition specified: nope"));
  Process better = go_on(name, {"--slurm", "--partition=main"});
  EXPECT_EQ(better.wait().exit_code, 0) << better.err();
  EXPECT_EQ(count(name, "finished"), 1U);
}

}  // namespace
}  // namespace portraitseg::testing
