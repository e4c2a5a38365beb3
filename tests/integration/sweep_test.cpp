#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "portraitseg/core/folder_lock.h"
#include "portraitseg/core/random.h"

#include "support/command.h"
#include "support/refusal.h"
#include "support/sweeps.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

/// Sweeps that stop trials early.
class HalvingSweeps : public Sweeps {};

TEST_F(Sweeps, KilledTwiceAndItsWorkersThreeTimesEndsWithTheSameBytesAndTrainsNothingTwice) {
  write_sweep(kTwelveTrials);
  Process calm = sweep("calm").start();
  EXPECT_EQ(wait(calm).exit_code, 0) << calm.err();
  ASSERT_EQ(count("calm", "finished"), 12U);

  Random random(7, Purpose::kShuffle);
  std::vector<std::string> blows = {"sweep", "sweep", "worker", "worker", "worker"};
  std::vector<std::string> order;
  for (const auto i : permutation(5, random)) order.push_back(blows[static_cast<std::size_t>(i)]);
  auto process = std::make_unique<Process>(sweep("storm").start());
  std::size_t begun = 0;  // attempts that are awaited before the next blow
  for (const auto& blow : order) {
    begun += static_cast<std::size_t>(random.integer(1, 2));
    const auto delay = std::chrono::milliseconds(random.integer(0, 900));
    ASSERT_TRUE(process->wait_until([&] { return count("storm", "started") >= begun; })) << process->err();
    std::this_thread::sleep_for(delay);
    if (blow == "sweep") {
      ASSERT_TRUE(process->running());
      process->send(SIGKILL);
      EXPECT_EQ(process->wait().signal, SIGKILL);
      process = std::make_unique<Process>(resume("storm").start());
    } else {
      ASSERT_TRUE(process->wait_until([&] {
        for (const pid_t worker : workers("storm")) {
          if (is_alive(worker)) return ::kill(worker, SIGKILL) == 0;
        }
        return false;
      }));
    }
  }
  const Ending ending = wait(*process);
  ASSERT_EQ(ending.exit_code, 0) << ending.err;

  expect_same_trials("storm", "calm", 12);
  EXPECT_GT(count("storm", "started"), 12U);
}

TEST_F(HalvingSweeps, StopTrialsEarlyAndGoOnAfterAKillToTheBytesOfUndisturbedTrainings) {
  const std::string axes = "axes: {optimizer.lr: [0.0001, 0.01, 0.03], trainer.seed: [1, 2, 3]}\n";
  write_halving_sweep(4, axes + "early_stopping: {name: asha, first: 1, factor: 3, figure: miou}\n");
  auto process = std::make_unique<Process>(sweep("run").start());
  ASSERT_TRUE(process->wait_until([&] { return count("run", "rung") >= 4; })) << process->err();
  process->send(SIGKILL);
  EXPECT_EQ(process->wait().signal, SIGKILL);
  process = std::make_unique<Process>(resume("run").start());
  const Ending ending = wait(*process);
  ASSERT_EQ(ending.exit_code, 0) << ending.err;

  const std::size_t finished = expect_the_bytes_of_trainings_alone("run");
  EXPECT_GE(finished, 1U);
  EXPECT_LE(finished, 5U);
  EXPECT_GE(expect_promotions_of_the_best("run"), 4U) << "3 from the first rung, 1 from the second";
  EXPECT_THAT(last_line(ending.err),
              ::testing::ContainsRegex(std::to_string(finished) + " of 9 trials finished, " +
                                       std::to_string(9 - finished) + " stopped early: .*/results.csv"));
  const std::string log = bytes_of(place_ / "run/log.txt");
  EXPECT_THAT(log, HasSubstr(": reached rung 1 of 2, epoch 1, miou "));
  EXPECT_THAT(log, HasSubstr(": reached rung 2 of 2, epoch 3, miou "));
  EXPECT_THAT(log, HasSubstr(": promoted, to epoch 3"));
  EXPECT_THAT(log, HasSubstr(": promoted, to its last epoch"));
  EXPECT_THAT(lines_of(bytes_of(place_ / "run/results.csv")), SizeIs(1 + finished));

  const std::size_t started = count("run", "started");
  expect_ends(resume("run"), 0);
  EXPECT_EQ(count("run", "started"), started) << "nothing is left to do";
  const auto left = plan("run");
  EXPECT_EQ(left.at("early_stopping").at("rungs"), nlohmann::json({1, 3}));
  EXPECT_EQ(left.at("images_left"), 0);
  std::size_t stopped = 0;
  for (const auto& trial : left.at("trials")) stopped += trial.at("state") == "stopped early" ? 1 : 0;
  EXPECT_EQ(stopped, 9 - finished);

  write_halving_sweep(4, axes);  // every trial is to be trained to its end after all
  process = std::make_unique<Process>(sweep("run").start());
  EXPECT_EQ(wait(*process).exit_code, 0) << process->err();
  EXPECT_EQ(expect_the_bytes_of_trainings_alone("run"), 9U);
  EXPECT_THAT(lines_of(bytes_of(place_ / "run/results.csv")), SizeIs(10));
}

TEST_F(HalvingSweeps, WidenedTheyPromoteTrialsThatWereStoppedEarly) {
  const auto write = [&](const std::string& seeds) {
    write_halving_sweep(
        2, "axes: {trainer.seed: " + seeds + "}\nearly_stopping: {name: asha, first: 1, figure: miou}\n");
  };
  write("[1, 2, 3]");
  const auto before = plan("run");
  EXPECT_EQ(before.at("images_left"), 24 * (3 + 1)) << "at most";
  EXPECT_EQ(before.at("early_stopping").at("images_left_usually"), 24 * (3 + 1));
  expect_ends(sweep("run"), 0);
  EXPECT_EQ(count("run", "finished"), 1U);
  EXPECT_EQ(count("run", "started"), 4U);
  EXPECT_EQ(plan("run").at("images_left"), 0);
  write("[1, 2, 3, 4, 5, 6]");
  EXPECT_EQ(plan("run").at("images_left"), 24 * (3 + 3));
  expect_ends(sweep("run"), 0);
  EXPECT_EQ(count("run", "rung"), 6U);
  EXPECT_GE(count("run", "finished"), 2U);
  EXPECT_EQ(count("run", "started"), 6U + count("run", "finished"));
  expect_promotions_of_the_best("run");
}

TEST_F(HalvingSweeps, AFailingTrialCountsAtNoRung) {
  write_halving_sweep(2,
                      "axes: {trainer.seed: [1, 2]}\n"
                      "trials: [{device.precision: fp16}]\n"
                      "early_stopping: {name: asha, first: 1, figure: miou}\n");
  const Ending ending = sweep("run").run();
  EXPECT_EQ(ending.exit_code, 1) << ending.err;
  EXPECT_EQ(count("run", "rung"), 2U);
  EXPECT_EQ(count("run", "failed"), 1U);
  EXPECT_EQ(count("run", "finished"), 0U) << "two are too few for one to go on";
  EXPECT_THAT(ending.err, HasSubstr("0 of 3 trials finished, 2 stopped early"));
}

TEST_F(Sweeps, ASignalStopsTheWorkersWhichLeaveTheirCheckpoints) {
  write_sweep("axes: {trainer.seed: [1, 2, 3]}\n");
  for (const auto& [signal, code] : {std::pair(SIGINT, 130), std::pair(SIGTERM, 143)}) {
    const std::string output = "run" + std::to_string(signal);
    Process process = sweep(output, {"--set", "trainer.epochs=500"}).start();
    ASSERT_TRUE(process.wait_until([&] { return is_training(output); })) << process.err();
    process.send(signal);
    const Ending ending = process.wait();
    EXPECT_EQ(ending.exit_code, code) << ending.err;
    EXPECT_THAT(last_line(ending.err), HasSubstr("continue with: portraitseg sweep --resume"));
    EXPECT_THAT(ending.err, HasSubstr(": stopped\n"));
    EXPECT_THAT(ending.err, Not(HasSubstr("0 left")));
    EXPECT_GE(count(output, "stopped"), 1U);
    EXPECT_EQ(count(output, "stopped"), count(output, "started"));
    EXPECT_TRUE(is_training(output));
    for (const auto& event : journal(output)) EXPECT_FALSE(is_alive(event.at("pid"))) << event;
  }
}

TEST_F(Sweeps, AFailingTrialIsRecordedDoesNotStopTheRestAndIsTriedAgainOnlyWhenAsked) {
  write_sweep("axes: {device.precision: [fp16, float32]}\n");
  const Ending ending = sweep("run").run();
  EXPECT_EQ(ending.exit_code, 1) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("failed: device.precision: fp16 needs CUDA"));
  EXPECT_THAT(last_line(ending.err), HasSubstr("1 failed"));
  EXPECT_EQ(count("run", "finished"), 1U);
  for (const auto& event : journal("run")) {
    if (event.at("event") != "failed") continue;
    EXPECT_EQ(event.at("exit_code"), 2);
    EXPECT_THAT(event.at("error"), ::testing::StartsWith("device.precision: fp16 needs CUDA"));
  }
  expect_ends(resume("run"), 1);
  EXPECT_EQ(count("run", "started"), 2U);
  expect_ends(resume("run", {"--retry-failed"}), 1);
  EXPECT_EQ(count("run", "started"), 3U);
  EXPECT_EQ(count("run", "failed"), 2U);
}

TEST_F(Sweeps, AWorkerThatIsKilledTooOftenCountsAsFailed) {
  write_sweep("axes: {trainer.seed: [1]}\n");
  Process process = sweep("run", {"--restarts", "0", "--set", "trainer.epochs=500"}).start();
  ASSERT_TRUE(process.wait_until([&] { return !workers("run").empty(); }));
  ::kill(workers("run").front(), SIGKILL);
  const Ending ending = process.wait();
  EXPECT_EQ(ending.exit_code, 1) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("failed: its worker was killed"));
}

TEST_F(Sweeps, RestartsAreCountedAnewWithEachEpoch) {
  write_sweep("axes: {trainer.seed: [1]}\n");
  Process process = sweep("run", {"--restarts", "1", "--set", "trainer.epochs=500"}).start();
  ASSERT_TRUE(process.wait_until([&] { return !workers("run").empty(); })) << process.err();
  const fs::path trial = place_ / "run/trials" / journal("run").front().at("trial");
  const auto trains_beyond = [&](std::size_t epochs) {
    const auto running = workers("run");
    return finished_epochs(trial) > epochs && !running.empty() && is_alive(running.front());
  };
  std::size_t epochs = 0;
  for (std::size_t kills = 1; kills <= 3; ++kills) {
    ASSERT_TRUE(process.wait_until([&] { return trains_beyond(epochs); })) << process.err();
    ::kill(workers("run").front(), SIGKILL);
    ASSERT_TRUE(process.wait_until([&] { return count("run", "stopped") == kills; })) << process.err();
    epochs = finished_epochs(trial) + 1;  // of the next one the checkpoint may be there already
  }
  EXPECT_EQ(count("run", "failed"), 0U);
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().exit_code, 143) << process.err();
}

TEST_F(Sweeps, WidenedItTrainsOnlyWhatIsNewAndNarrowedItIsRefused) {
  write_sweep("axes: {trainer.seed: [1, 2]}\n");
  const auto before = plan("run");
  EXPECT_GT(before.at("hours_left"), 0);
  ASSERT_THAT(before.at("trials"), SizeIs(2));
  EXPECT_EQ(before.at("trials")[0].at("state"), "new");
  EXPECT_EQ(before.at("trials")[0].at("images"), 2 * 24);
  EXPECT_FALSE(fs::exists(place_ / "run"));
  expect_ends(sweep("run"), 0);

  write_sweep("axes: {trainer.seed: [3, 1, 2]}\n");
  const auto between = plan("run");
  EXPECT_EQ(between.at("trials")[0].at("state"), "new");
  EXPECT_EQ(between.at("trials")[1].at("state"), "finished");
  EXPECT_EQ(between.at("trials")[1].at("id"), before.at("trials")[0].at("id"));
  EXPECT_EQ(between.at("workers"), 2) << "as the sweep in the folder had it";
  expect_ends(place_.command({"sweep", "--config", "sweep.yaml", "--output", "run"}), 0);
  EXPECT_EQ(count("run", "started"), 3U);
  const auto results = lines_of(bytes_of(place_ / "run/results.csv"));
  ASSERT_THAT(results, SizeIs(4));
  EXPECT_THAT(results[0], ::testing::StartsWith("id,trainer.seed,epochs,best_epoch,val_"));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_THAT(results[i + 1],
                ::testing::StartsWith(between.at("trials")[i].at("id").get<std::string>() + ","));
  expect_ends(resume("run"), 0);
  EXPECT_EQ(count("run", "started"), 3U);

  write_sweep("axes: {trainer.seed: [1, 2]}\n");
  const std::vector<std::string> lost = {"run: holds the finished trial", "which this one does not have"};
  expect_refusal(place_, {"sweep", "plan", "--config", "sweep.yaml", "--output", "run"}, lost);
  expect_refusal(place_, {"sweep", "--config", "sweep.yaml", "--output", "run"}, lost);
}

TEST_F(Sweeps, ATrialThatAnotherProcessTrainsIsWaitedFor) {
  write_sweep("axes: {trainer.seed: [1, 2]}\n");
  const std::string trial = plan("run").at("trials")[0].at("id");
  fs::create_directories(place_ / "run/trials" / trial);
  auto other = std::make_unique<FolderLock>(place_ / "run/trials" / trial);
  Process process = sweep("run").start();
  ASSERT_TRUE(process.wait_until([&] { return count("run", "finished") == 1; })) << process.err();
  EXPECT_THAT(process.err(), HasSubstr(trial + " trainer.seed=1: waits: "));
  EXPECT_EQ(count("run", "started"), 1U);
  other.reset();
  EXPECT_EQ(process.wait().exit_code, 0);
  EXPECT_EQ(count("run", "finished"), 2U);
}

TEST_F(Sweeps, EvaluateTakesAFolderForItsFinishedTrials) {
  write_sweep("axes: {device.precision: [fp16]}\n");
  expect_ends(sweep("failed"), 1);
  expect_refusal(place_, {"evaluate", "--run", "failed"},
                 {"failed: none of this sweep's 1 trials is finished", "portraitseg sweep --resume failed"});

  write_sweep("axes: {trainer.seed: [2]}\n");
  expect_ends(sweep("run"), 0);
  std::vector<std::string> call = {"evaluate", "--run",    "run", "--perturb", "none", "--perturb",
                                   "noise:20", "--output", "out", "--json",    "-"};
  expect_ends(place_.command(call), 0);
  EXPECT_TRUE(fs::exists(place_ / "out/trainer.seed=2/clova+noise:20/per_image.csv"))
      << "a folder of its own, although it is the only one so far";

  // Those that finish later come to it, and so do other runs.
  write_sweep("axes: {trainer.seed: [1, 2]}\n");
  expect_ends(sweep("run"), 0);
  expect_ends(place_.train("single", {"trainer.epochs=1"}), 0);
  call.insert(call.end(), {"--resume", "--run", "single"});
  const Ending ending = place_.command(call).run();
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("left out: out/trainer.seed=2 is complete"));
  std::vector<std::string> weights, expected;
  const auto printed = nlohmann::json::parse(ending.out), planned = plan("run");
  for (const auto& result : printed.at("results")) weights.push_back(result.at("weights"));
  for (const auto& trial : planned.at("trials"))
    expected.insert(expected.end(), 2,
                    "run/trials/" + trial.at("id").get<std::string>() + "/checkpoints/best.safetensors");
  expected.insert(expected.end(), 2, "single/checkpoints/best.safetensors");
  EXPECT_EQ(weights, expected);
  for (const char* folder : {"trainer.seed=1", "trainer.seed=2", "single"})
    EXPECT_TRUE(fs::exists(place_ / "out" / folder / "metrics.json")) << folder;
  expect_refusal(place_, {"evaluate", "--run", "run", "--weights", expected.front()},
                 {expected.front() + " is given twice"});
}

TEST_F(Sweeps, EvaluationsOfTrialsThatNoFolderCanBeCalledByHaveTheirIds) {
  write_sweep("axes: {data.val_list: [val.txt, ../data/train.txt]}\n");
  expect_ends(sweep("run"), 0);
  expect_ends(place_.command({"evaluate", "--run", "run", "--list", "val.txt", "--output", "out"}), 0);
  const nlohmann::json planned = plan("run"), trials = planned.at("trials");
  EXPECT_TRUE(fs::exists(place_ / "out/data.val_list=val.txt/metrics.json"));
  EXPECT_TRUE(fs::exists(place_ / "out" / trials[1].at("id") / "metrics.json"));
}

TEST_F(Sweeps, AFolderHasOneSweepAtATime) {
  write_sweep("axes: {trainer.seed: [1]}\n");
  Process process = sweep("run", {"--set", "trainer.epochs=500"}).start();
  ASSERT_TRUE(process.wait_until([&] { return !workers("run").empty(); })) << process.err();
  expect_refusal(place_, {"sweep", "--resume", "run"}, {"run: has a sweep at work, run by process"});
}

TEST_F(Sweeps, MistakesAreOneLineBeforeAnythingRuns) {
  struct Mistake {
    std::string axes;
    std::vector<std::string> words;
  };
  const std::vector<Mistake> mistakes = {
      {"axes: {model.decodr: [none]}\n", {"sweep.yaml:3:23: ", "did you mean 'decoder'?"}},
      {"axes: {model.decoder: []}\n", {"sweep.yaml:3:8: axes.model.decoder: has no values"}},
      {"axes: {data.workers: [1, 2]}\n", {"two trials are the same training"}},
      {"axes: {model.num_classes: [2, 1]}\n", {"sweep.yaml:3:31: model.num_classes: must be at least 2"}},
      {"axes: {output: {two: {}, one: {model.decoder: none, model.num_classes: 1}}}\n",
       {"trial output=one: losses: cross_entropy needs a network with at least 2"}},
      {"axes: {data.train_list: [train.txt, trian.txt]}\n", {"trial data.train_list=trian.txt: "}},
      {"axes: {trainer.seed: [1, 2, 3]}\nearly_stopping: {name: asha, first: 2}\n",
       {"sweep.yaml:4:37: early_stopping.first: must be below the 2 epochs"}}};
  for (const Mistake& mistake : mistakes) {
    write_sweep(mistake.axes);
    expect_refusal(place_, {"sweep", "--config", "sweep.yaml", "--output", "run"}, mistake.words);
    expect_refusal(place_, {"sweep", "plan", "--config", "sweep.yaml"}, mistake.words);
    EXPECT_FALSE(fs::exists(place_ / "run")) << mistake.axes;
  }
  write_bytes(place_ / "config.yaml", "trainer: {epochs: [\n");
  write_sweep("axes: {trainer.seed: [1]}\n");
  expect_refusal(place_, {"sweep", "--config", "sweep.yaml", "--output", "run"},
                 {"config.yaml:2:1: not YAML"});
  expect_refusal(place_, {"sweep"}, {"sweep needs --config FILE"});
  expect_refusal(place_, {"sweep", "--resume", "data", "--launcher", "moon"}, {"moon"});
  expect_refusal(place_, {"sweep", "--resume", "data"}, {"holds no sweep"});
  expect_refusal(place_, {"sweep", "--config", "sweep.yaml", "--output", "data"},
                 {"data: holds something else than a sweep (", "); choose another --output"});
  expect_refusal(place_, {"sweep", "--config", "sweep.yaml", "--output", "sweep.yaml"},
                 {"sweep.yaml is a file"});
  expect_refusal(place_, {"sweep", "--resume", "sweep.yaml"},
                 {"sweep.yaml: is a file, not a sweep's folder"});
}

TEST_F(Sweeps, OnSlurmNeedItsProgramsBeforeAnythingIsWritten) {
  write_sweep("axes: {trainer.seed: [1]}\n");
  const auto refused = [&](const std::vector<std::string>& options, const std::string& word) {
    expect_refusal(place_, sweep("run", options).environment("PATH", "/nowhere"), {word});
  };
  refused({"--launcher", "slurm"}, "--launcher slurm: no sbatch in PATH");
  refused({"--slurm", "--partition=gpu --time=8:00:00"}, "--slurm is for --launcher slurm");
}

}  // namespace
}  // namespace portraitseg::testing
