#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include <gmock/gmock.h>

#include "support/command.h"
#include "support/refusal.h"
#include "support/runs.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kEpochs = 4;        // of Workplace's configuration
constexpr std::size_t kBatches = 24 / 4;  // of an epoch

TEST(Train, WritesACompleteRunFolder) {
  const Workplace place;
  const Ending ending = place.train("run").run();
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_EQ(ending.out, "");
  std::vector<std::string> files;
  for (const auto& [name, unused] : contents(place / "run")) files.push_back(name);
  EXPECT_THAT(files,
              ElementsAre("checkpoints/", "checkpoints/best.safetensors", "checkpoints/last.safetensors",
                          "config.yaml", "environment.json", "events.out.tfevents.0000000000.portraitseg",
                          "log.jsonl", "log.txt", "metrics.csv", "report.html"));

  const auto metrics = lines_of(bytes_of(place / "run/metrics.csv"));
  ASSERT_EQ(metrics.size(), 1 + kEpochs);
  EXPECT_THAT(metrics.front(), ::testing::StartsWith("epoch,lr,skipped,train_loss,"));
  for (std::size_t i = 1; i <= kEpochs; ++i) {
    EXPECT_EQ(metrics[i].substr(0, 2), std::to_string(i) + ",");
    EXPECT_EQ(std::count(metrics[i].begin(), metrics[i].end(), ','),
              std::count(metrics[0].begin(), metrics[0].end(), ','));
  }

  const auto environment = nlohmann::json::parse(bytes_of(place / "run/environment.json"));
  for (const char* key : {"portraitseg", "commit", "libtorch", "opencv", "device", "threads"})
    EXPECT_TRUE(environment.contains(key)) << key;
  EXPECT_EQ(environment.at("threads"), 1);

  const std::string log = bytes_of(place / "run/log.txt");
  for (const auto& line : lines_of(ending.err)) EXPECT_THAT(log, HasSubstr(line));

  const std::string config = bytes_of(place / "run/config.yaml");
  const auto last = Safetensors::parse(bytes_of(place / "run" / kLast));
  const auto best = Safetensors::parse(bytes_of(place / "run" / kBest));
  for (const auto* checkpoint : {&last, &best})
    EXPECT_EQ(checkpoint->metadata.at("portraitseg.config"), config);
  EXPECT_EQ(last.progress().at("epoch"), kEpochs);
  EXPECT_EQ(last.progress().at("history").size(), kEpochs);
  EXPECT_EQ(best.progress().at("epoch"), last.progress().at("best").at("epoch"));
}

TEST(Train, SameSeedGivesTheSameBytesAndAnotherSeedDoesNot) {
  const Workplace place;
  expect_finishes(place.train("a", {"trainer.epochs=2"}));
  expect_finishes(place.train("b", {"trainer.epochs=2"}));
  expect_finishes(place.train("c", {"trainer.epochs=2", "trainer.seed=2"}));
  expect_same_run(place / "b", place / "a");
  EXPECT_FALSE(Safetensors::parse(bytes_of(place / "c" / kLast))
                   .same_tensors(Safetensors::parse(bytes_of(place / "a" / kLast))));
}

TEST(Train, EffectiveConfigurationAloneReproducesTheRun) {
  const Workplace place;
  const TemporaryFolder elsewhere;
  // Numbers that a careless writer rounds, and values from three sources: file, command line, defaults.
  expect_finishes(
      place.train("run", {"trainer.epochs=2", "optimizer.lr=0.012345678901234567",
                          "preprocessing.mean=[106.670021, 114.814117, 130.361083]",
                          "losses=[{name: cross_entropy, class_weights: [1.5, 0.7]}, "
                          "{name: cross_entropy, target: edge_band, weight: 0.3333333333333333}]"}));
  expect_finishes(Command({"train", "--config", (place / "run/config.yaml").string(), "--output", "again"})
                      .in(elsewhere.path()));
  expect_same_run(elsewhere.path() / "again", place / "run");
}

TEST(Train, PortraitNetWithBoundaryAndConsistencyLossesRepeatsItself) {
  const Workplace place;
  const std::vector<std::string> recipe = {
      "trainer.epochs=1", "model.name=portraitnet", "optimizer.lr=0.001",
      "losses=[{name: cross_entropy}, {name: cross_entropy, view: deformed}, "
      "{name: focal, output: boundary, target: contour, weight: 0.1}, {name: consistency, weight: 2}]"};
  expect_finishes(place.train("a", recipe));
  expect_finishes(place.train("b", recipe));
  expect_same_run(place / "b", place / "a");
  EXPECT_THAT(lines_of(bytes_of(place / "a/metrics.csv")).front(),
              ::testing::AllOf(HasSubstr("cross_entropy.mask.label.deformed"),
                               HasSubstr("focal.boundary.contour"), HasSubstr("consistency.mask")));
}

TEST(Train, OfAnEarlierVersionGoesOnWithTheDefaultsOfWhatWasAddedSince) {
  const Workplace place;
  expect_finishes(place.train("run", {"trainer.epochs=1"}));
  const std::string config = bytes_of(place / "run/config.yaml"), line = "  clip_norm: 0\n";
  ASSERT_THAT(config, HasSubstr(line));
  std::string older = config;
  older.erase(older.find(line), line.size());
  Safetensors last = Safetensors::parse(bytes_of(place / "run" / kLast));
  last.metadata["portraitseg.config"] = older;
  auto progress = last.progress();
  progress["best_epoch"] = progress["best"]["epoch"];
  progress["best_value"] = progress["best"]["value"];
  for (const char* key : {"best", "best_ema", "not_finite", "teacher_sha256"}) progress.erase(key);
  last.metadata["portraitseg.progress"] = progress.dump();
  write_bytes(place / "run" / kLast, last.bytes());
  write_bytes(place / "run/config.yaml", older);
  expect_finishes(place.resume("run"));
  std::string other = config;
  other.replace(other.find(line), line.size(), "  clip_norm: 3\n");
  write_bytes(place / "run/config.yaml", other);
  const Ending ending = place.resume("run").run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_THAT(ending.err, HasSubstr("is not the configuration of"));
}

TEST(Train, WithoutItsCheckpointsIsNotBegunAnew) {
  const Workplace place;
  expect_finishes(
      place.command({"train", "--config", "config.yaml", "--output", "run", "--until-epoch", "2"}));
  const fs::path last = place / "run" / kLast, best = place / "run" / kBest;
  const std::string best_bytes = bytes_of(best), figures = bytes_of(place / "run/metrics.csv");
  fs::rename(last, place / "moved");
  const Ending without_last = place.resume("run").run();
  EXPECT_EQ(without_last.exit_code, 2);
  EXPECT_THAT(without_last.err,
              HasSubstr("last.safetensors: is missing, and run/metrics.csv tells of epochs; "
                        "to go on from the best epoch, copy run/checkpoints/best.safetensors to its place"));
  EXPECT_TRUE(bytes_of(best) == best_bytes);
  EXPECT_EQ(bytes_of(place / "run/metrics.csv"), figures);

  fs::rename(place / "moved", last);
  fs::remove(best);
  const Ending without_best = place.resume("run").run();
  EXPECT_EQ(without_best.exit_code, 0) << without_best.err;
  EXPECT_THAT(without_best.err, ::testing::ContainsRegex(
                                    "warning: run/checkpoints/best.safetensors, of epoch [12], is missing"));
}

TEST(Train, OnImagesOfItsValidationSaysSo) {
  const Workplace place;
  const Ending own = place.train("own", {"trainer.epochs=1"}).run();
  EXPECT_THAT(own.err, ::testing::Not(HasSubstr("warning")));
  const Ending shared = place.train("shared", {"trainer.epochs=1", "data.train_list=val.txt"}).run();
  EXPECT_EQ(shared.exit_code, 0) << shared.err;
  EXPECT_THAT(shared.err,
              ::testing::ContainsRegex("warning: 8 of the 8 images of .*/val.txt are trained on, too"));
}

TEST(Train, ResumedBeforeItsFirstCheckpointSaysSo) {
  const Workplace place;
  expect_finishes(place.train("run", {"trainer.epochs=1"}));
  for (const fs::path& file : {kLast, kBest, fs::path("metrics.csv")}) fs::remove(place / "run" / file);
  const Ending ending = place.resume("run").run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("sinet, resumed from the start (no checkpoint yet) on"));
  EXPECT_THAT(place.resume("run").run().err, HasSubstr("sinet, resumed on"));
}

TEST(Train, ATeacherOrAnOutputThatDoesNotFitIsRefusedBeforeARunFolderIsMade) {
  const Workplace place;
  expect_finishes(place.train(
      "three", {"trainer.epochs=1", "model.num_classes=3", "evaluation={protocol: mmseg, select_by: miou}"}));
  const auto expect_refused = [&](const std::vector<std::string>& overrides, const std::string& words) {
    expect_refusal(place, place.train("run", overrides), {words});
  };
  const std::string losses = "losses=[{name: distillation}]";
  expect_refused({losses, "distillation.teacher=three/" + kBest.string()}, "num_classes 3, the network 2");
  expect_refused({losses, "distillation.teacher=none.pth"}, "none.pth: the teacher of the distillation");
  expect_refused({losses}, "distillation.teacher names none");
  expect_refused({"losses=[{name: cross_entropy, output: coarse}]"}, "no output 'coarse'");
}

TEST(Train, AnAuxiliaryLossOnTheEncoderLearnsAtItsSizeAndRepeatsItself) {
  const Workplace place;
  const std::vector<std::string> recipe = {
      "trainer.epochs=2", "model={name: sinet_cityscapes, num_classes: 2}", "preprocessing.size=[128, 128]",
      "losses=[{name: cross_entropy}, {name: cross_entropy, output: coarse, weight: 0.25}, "
      "{name: cross_entropy, output: coarse, target: edge_band, edge_kernel: 3, weight: 0.1}]"};
  expect_finishes(place.train("a", recipe));
  auto eager = recipe;
  eager.emplace_back("device.fused=false");
  expect_finishes(place.train("b", recipe));
  expect_finishes(place.train("eager", eager));
  expect_same_run(place / "b", place / "a");
  EXPECT_THAT(lines_of(bytes_of(place / "a/metrics.csv")).front(),
              ::testing::AllOf(HasSubstr("cross_entropy.coarse.label"),
                               HasSubstr("cross_entropy.coarse.edge_band_3")));
  const auto losses = [&](const char* run) {
    return Safetensors::parse(bytes_of(place / run / kLast)).progress().at("history").at(0).at("loss_terms");
  };
  const auto fused = losses("a"), plain = losses("eager");
  for (const auto& [title, value] : fused.items())
    EXPECT_NEAR(value.get<double>(), plain.at(title).get<double>(), 0.02) << title;
}

class KilledTraining : public ::testing::TestWithParam<int> {};

TEST_P(KilledTraining, ResumesToTheBytesOfOneThatWasNot) {
  const std::string threads = std::to_string(GetParam());
  const std::vector<std::string> overrides = {"device.threads=" + threads, "data.workers=" + threads};
  const Workplace place;
  expect_finishes(place.train("whole", overrides));
  const std::vector<Moment> moments = {{0, 0}, {0, 90}, {1, 0}, {0, 60}, {1, 20}, {1, 50}};
  train_with_interruptions(place, "killed", overrides, SIGKILL, moments, [&](const Ending& ending) {
    EXPECT_EQ(ending.signal, SIGKILL);
    const std::size_t lines = finished_epochs(place / "killed");
    const std::string last = bytes_of(place / "killed" / kLast);
    if (!last.empty()) {  // metrics.csv may be one behind if the kill fell between the two
      const auto epoch = Safetensors::parse(last).progress().at("epoch").get<std::size_t>();
      EXPECT_TRUE(lines == epoch || lines + 1 == epoch) << lines << " lines, " << epoch << " epochs";
    }
  });
  expect_same_run(place / "killed", place / "whole");
}

TEST(KilledTraining, ResumesWithGroupsMomentumAndALearningRateByStep) {
  const Workplace place;
  const std::vector<std::string> overrides = {
      "optimizer={name: sgd, lr: 0.02, momentum: 0.9, nesterov: true, clip_norm: 1, groups: "
      "[{keys: encoder.level1.*, frozen: true}, {keys: ['*.bias'], weight_decay: 0, lr_factor: 2}]}",
      "schedule={name: one_cycle}", "trainer.checkpoint_every=2"};
  expect_finishes(place.train("whole", overrides));
  train_with_interruptions(place, "killed", overrides, SIGKILL, {{0, 60}, {1, 0}, {1, 50}},
                           [&](const Ending& ending) { EXPECT_EQ(ending.signal, SIGKILL); });
  expect_same_run(place / "killed", place / "whole");
  const std::string last = lines_of(bytes_of(place / "whole/metrics.csv")).back();
  EXPECT_NEAR(std::stod(last.substr(last.find(',') + 1)), 0.02 / 25 / 1e4, 1e-12)
      << "its last step's: " << last;
}

/// The encoder first, then the whole network from its best, each with everything that a checkpoint has to hold.
const std::vector<std::string> kTwoStages = {
    "stages=[{name: encoder, model: {name: sinet_encoder}, trainer: {epochs: 3, edge_kernel: 5}}, "
    "{name: full, init_from: encoder/best}]",
    "losses=[{name: cross_entropy}, {name: cross_entropy, target: edge_band, weight: 0.5}, "
    "{name: consistency, weight: 2}]",
    "augment.color={probability: 0.5, brightness: [0.6, 1.4]}",
    "trainer.ema_decay=0.9",
    "trainer.accumulate=4",
    "trainer.checkpoint_every=3",
    "trainer.on_nan=skip",
    "trainer.patience=9",
    "evaluation.best_from=0.5"};

TEST(KilledTraining, ResumesInWhicheverStageItWas) {
  const Workplace place;
  expect_finishes(place.train("whole", kTwoStages));
  std::set<std::string> killed_in;
  const std::vector<Moment> moments = {{0, 0}, {1, 30}, {0, 60}, {1, 50}, {1, 20}, {1, 40}};
  train_with_interruptions(place, "run", kTwoStages, SIGKILL, moments, [&](const Ending& ending) {
    EXPECT_EQ(ending.signal, SIGKILL);
    killed_in.insert(fs::exists(place / "run/full/config.yaml") ? "full" : "encoder");
  });
  EXPECT_EQ(killed_in.size(), 2U) << "this test proves nothing of one of the stages";
  for (const char* stage : {"encoder", "full"}) {
    expect_same_run(place / "run" / stage, place / "whole" / stage);
    const fs::path average = fs::path(stage) / "checkpoints/best_ema.safetensors";
    EXPECT_TRUE(bytes_of(place / "run" / average) == bytes_of(place / "whole" / average)) << average;
  }
  EXPECT_TRUE(bytes_of(place / "run/config.yaml") == bytes_of(place / "whole/config.yaml"));
}

TEST(Train, ASecondStageStartsFromTheFirstOnesBest) {
  const Workplace place;
  expect_finishes(place.train("run", {kTwoStages[0], "trainer.epochs=1"}));
  const std::string log = bytes_of(place / "run/full/log.txt");
  EXPECT_THAT(log, HasSubstr("initialised from run/encoder/" + kBest.string()));
  EXPECT_THAT(bytes_of(place / "run/full/config.yaml"), HasSubstr("init_from: ../encoder/" + kBest.string()));
  const Ending ending = place.command({"evaluate", "--run", "run", "--list", "val.txt", "--json", "-"}).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
}

TEST(Train, MistakesOfALaterStageShowBeforeTheFirstOneTrains) {
  const Workplace place;
  const Ending size =
      place.train("run", {"stages=[{name: a}, {name: b, preprocessing: {size: [50, 50]}}]"}).run();
  EXPECT_EQ(size.exit_code, 2);
  EXPECT_THAT(size.err, HasSubstr("stage b: input size"));
  const Ending start =
      place.train("run", {"stages=[{name: a}, {name: b, model: {name: portraitnet}, init_from: a/best}]"})
          .run();
  EXPECT_EQ(start.exit_code, 2);
  EXPECT_THAT(last_line(start.err), ::testing::AllOf(HasSubstr("stage b"), HasSubstr("a/best")));
  EXPECT_FALSE(fs::exists(place / "run"));
}

TEST(Train, AveragedWeightsAreEvaluatedBesideTheOthers) {
  const Workplace place;
  const Ending trained = place.train("run", {"trainer.ema_decay=0.9", "trainer.epochs=2"}).run();
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err,
              ::testing::ContainsRegex("epoch 2/2 .* val foreground IoU [0-9.]+ \\(averaged [0-9.]+\\)"));
  EXPECT_THAT(trained.err, HasSubstr("done: best of the averaged weights epoch"));
  expect_finishes(place.train("plain", {"trainer.epochs=2"}));
  EXPECT_THAT(lines_of(bytes_of(place / "run/metrics.csv")).front(), HasSubstr(",val_ema_iou_foreground,"));
  const auto last = Safetensors::parse(bytes_of(place / "run" / kLast));
  const Ending ending = place
                            .command({"evaluate", "--weights", "run/checkpoints/best_ema.safetensors",
                                      "--list", "val.txt", "--json", "-"})
                            .run();
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_NEAR(
      nlohmann::json::parse(ending.out).at("results").at(0).at("metrics").at("iou_foreground").get<double>(),
      last.progress().at("best_ema").at("value").get<double>(), 1e-9);
  const auto average_of = [&](const char* run) { return bytes_of(place / run / kLast).size(); };
  EXPECT_GT(average_of("run"), average_of("plain"));
}

TEST(Train, EndsWhenNoEpochIsBetterAnyMore) {
  const Workplace place;
  const Ending ending =
      place.train("run", {"trainer.epochs=100", "trainer.patience=3", "optimizer.lr=1e-9"}).run();
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("no better epoch in 3"));
  const auto progress = Safetensors::parse(bytes_of(place / "run" / kLast)).progress();
  EXPECT_EQ(progress.at("epoch").get<int>(), progress.at("best").at("epoch").get<int>() + 3);
  EXPECT_LT(progress.at("epoch").get<int>(), 100);
  const std::string before = bytes_of(place / "run" / kLast);
  expect_finishes(place.resume("run"));
  EXPECT_TRUE(bytes_of(place / "run" / kLast) == before);
}

TEST(Train, TheBestEpochIsLookedForFromAShareOfTheEpochsOn) {
  const Workplace place;
  expect_finishes(place.train("run", {"trainer.epochs=3", "evaluation.best_from=1"}));
  EXPECT_EQ(Safetensors::parse(bytes_of(place / "run" / kLast)).progress().at("best").at("epoch"), 3);
}

TEST(KilledTraining, ResumesWithATeacher) {
  const Workplace place;
  expect_finishes(
      place.train("teacher", {"trainer.epochs=2", "preprocessing.channel_order=rgb",
                              "preprocessing.mean=[120, 110, 100]", "preprocessing.std=[60, 61, 62]"}));
  const std::vector<std::string> overrides = {
      "trainer.epochs=2", "trainer.checkpoint_every=2", "distillation.teacher=teacher/" + kBest.string(),
      "losses=[{name: cross_entropy}, {name: distillation, temperature: 2, weight: 0.5}]"};
  expect_finishes(place.train("whole", overrides));
  expect_finishes(place.train("alone", {"trainer.epochs=2"}));
  EXPECT_FALSE(Safetensors::parse(bytes_of(place / "whole" / kLast))
                   .same_tensors(Safetensors::parse(bytes_of(place / "alone" / kLast))));
  train_with_interruptions(place, "killed", overrides, SIGKILL, {{0, 60}, {1, 10}},
                           [&](const Ending& ending) { EXPECT_EQ(ending.signal, SIGKILL); });
  expect_same_run(place / "killed", place / "whole");
  const auto metrics = lines_of(bytes_of(place / "whole/metrics.csv"));
  EXPECT_THAT(metrics.front(), HasSubstr("distillation.mask"));
  EXPECT_THAT(bytes_of(place / "whole/config.yaml"),
              HasSubstr("teacher: " + (place / "teacher" / kBest).string()));

  EXPECT_THAT(bytes_of(place / "whole/log.txt"),
              HasSubstr("teacher " + (place / "teacher" / kBest).string() + " (sha256 "));

  fs::copy_file(place / "alone" / kBest, place / "teacher" / kBest, fs::copy_options::overwrite_existing);
  expect_refusal(place, place.resume("killed"),
                 {"best.safetensors: is not the teacher that the run began with"});

  fs::rename(place / "teacher", place / "elsewhere");
  const Ending ending = place.resume("killed").run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_EQ(lines_of(ending.err).size(), 1U) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("best.safetensors: the teacher of the distillation does not exist"));
}

INSTANTIATE_TEST_SUITE_P(Threads, KilledTraining, ::testing::Values(1, 2));

class InterruptedTraining : public ::testing::TestWithParam<int> {};

TEST_P(InterruptedTraining, WritesACheckpointInMidEpochAndSaysHowToContinue) {
  const int signal = GetParam();
  const Workplace place;
  expect_finishes(place.train("whole"));
  int mid_epoch = 0;
  const std::vector<Moment> moments = {{1, 30}, {0, 10}, {0, 60}, {1, 20}};
  train_with_interruptions(place, "stopped", {}, signal, moments, [&](const Ending& ending) {
    ASSERT_EQ(ending.exit_code, 128 + signal) << ending.err;
    const std::string advice = "continue with: portraitseg train --resume stopped";
    EXPECT_THAT(last_line(ending.err), HasSubstr(advice));
    EXPECT_THAT(bytes_of(place / "stopped/log.txt"), HasSubstr(advice));
    const auto progress = Safetensors::parse(bytes_of(place / "stopped" / kLast)).progress();
    const auto batch = progress.at("batch").get<std::size_t>();
    EXPECT_LE(batch, kBatches);
    if (batch > 0 && batch < kBatches) ++mid_epoch;
    EXPECT_EQ(finished_epochs(place / "stopped"), progress.at("epoch").get<std::size_t>());
  });
  EXPECT_GT(mid_epoch, 0) << "no interruption hit the middle of an epoch; this test proves nothing";
  expect_same_run(place / "stopped", place / "whole");
}

INSTANTIATE_TEST_SUITE_P(Signals, InterruptedTraining, ::testing::Values(SIGINT, SIGTERM));

TEST(Train, CheckpointEveryBoundsWhatAKillCosts) {
  const Workplace place;
  const std::vector<std::string> overrides = {"trainer.checkpoint_every=2"};
  expect_finishes(place.train("whole", overrides));
  expect_finishes(place.train("plain"));
  for (const fs::path& file : {kLast, kBest}) {  // writing checkpoints changes nothing
    EXPECT_TRUE(Safetensors::parse(bytes_of(place / "whole" / file))
                    .same_tensors(Safetensors::parse(bytes_of(place / "plain" / file))));
  }

  std::size_t in_mid_epoch = 0;
  for (const std::size_t epoch : {0, 1, 2}) {
    Process training = (epoch == 0 ? place.train("killed", overrides) : place.resume("killed")).start();
    fs::file_time_type seen;
    ASSERT_TRUE(training.wait_until([&] {
      std::error_code none_yet;
      const auto written = fs::last_write_time(place / "killed" / kLast, none_yet);
      if (none_yet || written == std::exchange(seen, written)) return false;
      const auto progress = Safetensors::parse(bytes_of(place / "killed" / kLast)).progress();
      return progress.at("epoch") == epoch && progress.at("batch") > 0;
    })) << training.err();
    training.send(SIGKILL);
    training.wait();
    const auto progress = Safetensors::parse(bytes_of(place / "killed" / kLast)).progress();
    const auto batch = progress.at("batch").get<std::size_t>();
    EXPECT_EQ(batch % 2, 0U);
    if (batch > 0) ++in_mid_epoch;
  }
  EXPECT_GT(in_mid_epoch, 0U);
  expect_finishes(place.resume("killed"));
  expect_same_run(place / "killed", place / "whole");
}

/// `train` with these arguments until the end of an epoch, which is not the training's.
void expect_stops(const Workplace& place, std::vector<std::string> arguments, std::size_t epoch,
                  const fs::path& run) {
  arguments.insert(arguments.begin(), "train");
  arguments.insert(arguments.end(), {"--until-epoch", std::to_string(epoch)});
  const Ending ending = place.command(arguments).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(last_line(ending.err),
              HasSubstr("stopped behind epoch " + std::to_string(epoch) + " of " + std::to_string(kEpochs)));
  EXPECT_THAT(last_line(ending.err), HasSubstr("continue with: portraitseg train --resume parts"));
  EXPECT_EQ(finished_epochs(place / run), epoch);
  const auto progress = Safetensors::parse(bytes_of(place / run / kLast)).progress();
  EXPECT_EQ(progress.at("epoch"), epoch);
  EXPECT_EQ(progress.at("batch"), 0);
}

TEST(TrainUntilEpoch, StopsThereAndGoesOnToTheBytesOfATrainingThatWasNotStopped) {
  const Workplace place;
  const std::string schedule = "schedule={name: one_cycle}", average = "trainer.ema_decay=0.9";
  expect_finishes(place.train("whole", {schedule, average}));
  expect_stops(place, {"--config", "config.yaml", "--output", "parts", "--set", schedule, "--set", average},
               1, "parts");
  const std::string first = bytes_of(place / "parts" / kLast);
  expect_stops(place, {"--resume", "parts"}, 1, "parts");
  EXPECT_TRUE(bytes_of(place / "parts" / kLast) == first) << "the epoch was there already";
  expect_stops(place, {"--resume", "parts"}, 3, "parts");
  expect_finishes(place.command({"train", "--resume", "parts", "--until-epoch", "1000"}));
  expect_same_run(place / "parts", place / "whole");
  const fs::path best_ema = "checkpoints/best_ema.safetensors";
  EXPECT_TRUE(bytes_of(place / "parts" / best_ema) == bytes_of(place / "whole" / best_ema));
}

TEST(TrainUntilEpoch, CountsTheEpochsOfTheLastStage) {
  const Workplace place;
  expect_finishes(place.train("whole", kTwoStages));
  std::vector<std::string> arguments = {"--config", "config.yaml", "--output", "parts"};
  for (const auto& setting : kTwoStages) arguments.insert(arguments.end(), {"--set", setting});
  expect_stops(place, arguments, 2, "parts/full");
  EXPECT_EQ(finished_epochs(place / "parts/encoder"), 3U);
  expect_finishes(place.resume("parts"));
  for (const char* stage : {"encoder", "full"})
    expect_same_run(place / "parts" / stage, place / "whole" / stage);
}

TEST(TrainUntilEpoch, BeforeTheFirstIsRefused) {
  const Workplace place;
  for (const char* epoch : {"0", "-1", "1.5", "last"}) {
    expect_refusal(
        place, place.command({"train", "--config", "config.yaml", "--output", "run", "--until-epoch", epoch}),
        {"--until-epoch"});
  }
}

TEST(Train, ResumeReadsTheSameListsWhereverItIsCalled) {
  const Workplace place;
  const TemporaryFolder elsewhere;  // holds other lists of the same names
  write_bytes(elsewhere.path() / "train.txt", "00001.jpg\n00002.jpg\n");
  write_bytes(elsewhere.path() / "val.txt", "00003.jpg\n");
  expect_finishes(place.train("whole"));
  Process training = place.train("stopped").start();
  ASSERT_TRUE(reach(training, {1, 20}));
  training.send(SIGTERM);
  ASSERT_EQ(training.wait().exit_code, 128 + SIGTERM);
  expect_finishes(Command({"train", "--resume", (place / "stopped").string()}).in(elsewhere.path()));
  expect_same_run(place / "stopped", place / "whole");
}

TEST(Train, ResumeOfAFinishedRunChangesNoResult) {
  const Workplace place;
  expect_finishes(place.train("run", {"trainer.epochs=2"}));
  auto before = contents(place / "run");
  expect_finishes(place.resume("run"));
  auto after = contents(place / "run");
  before.erase("log.txt");
  after.erase("log.txt");
  EXPECT_TRUE(before == after);
}

TEST(Train, ResultsDoNotDependOnTheNumberOfWorkers) {
  const Workplace place;
  for (const char* workers : {"0", "1", "4"})
    expect_finishes(place.train(workers, {std::string("data.workers=") + workers}));
  for (const char* workers : {"1", "4"}) {
    EXPECT_EQ(bytes_of(place / workers / "metrics.csv"), bytes_of(place / "0/metrics.csv"));
    for (const fs::path& file : {kLast, kBest}) {  // the configuration within the file names the workers
      const auto one = Safetensors::parse(bytes_of(place / workers / file));
      const auto none = Safetensors::parse(bytes_of(place / "0" / file));
      EXPECT_TRUE(one.same_tensors(none)) << workers << " workers, " << file;
      EXPECT_EQ(one.progress(), none.progress());
    }
  }
}

TEST(Train, LastBatchMayHoldASingleImage) {
  const Workplace place;
  write_bytes(place / "data/train.txt", "00001.jpg\n00002.jpg\n00003.jpg\n00004.jpg\n00005.jpg\n");
  expect_finishes(place.train("run", {"trainer.epochs=1"}));
  // At 32x32 SINet's last stage has one pixel, and batch normalisation needs two values: the user's mistake, not ours.
  const Ending ending = place.train("small", {"trainer.epochs=1", "preprocessing.size=[32, 32]"}).run();
  EXPECT_THAT(ending.exit_code, ::testing::AnyOf(0, 2)) << ending.err;
}

/// A run with one finished epoch and one begun.
void make_stopped_run(const Workplace& place, const std::string& output) {
  Process training = place.train(output).start();
  ASSERT_TRUE(reach(training, {1, 20}));
  training.send(SIGTERM);
  ASSERT_EQ(training.wait().exit_code, 128 + SIGTERM);
}

constexpr rlim_t kTooSmall = 256 * 1024;  // a checkpoint has more than 1 MB, every other file a few kB

TEST(FullDisk, LeavesTheLastGoodCheckpointAndTheRunResumes) {
  const Workplace place;
  expect_finishes(place.train("whole"));
  ASSERT_NO_FATAL_FAILURE(make_stopped_run(place, "run"));
  const auto before = contents(place / "run/checkpoints");
  ASSERT_GT(before.at("last.safetensors").size(), kTooSmall);

  const Ending ending = place.resume("run").limit_file_size(kTooSmall).run();
  EXPECT_EQ(ending.exit_code, 2) << ending.err;
  EXPECT_EQ(ending.signal, 0);
  const std::string line = last_line(ending.err);
  EXPECT_THAT(line, ::testing::MatchesRegex("portraitseg: .*checkpoints/.*\\.safetensors: cannot write: .+"));
  EXPECT_TRUE(contents(place / "run/checkpoints") == before);  // no half-written file either

  expect_finishes(place.resume("run"));
  expect_same_run(place / "run", place / "whole");
}

TEST(FullDisk, BeforeTheFirstCheckpointIsNoDeadEnd) {
  const Workplace place;
  expect_finishes(place.train("whole"));
  const Ending ending = place.train("run").limit_file_size(kTooSmall).run();
  EXPECT_EQ(ending.exit_code, 2) << ending.err;
  EXPECT_THAT(last_line(ending.err), ::testing::StartsWith("portraitseg: run/checkpoints/"));
  EXPECT_TRUE(fs::is_empty(place / "run/checkpoints"));
  expect_finishes(place.resume("run"));
  expect_same_run(place / "run", place / "whole");
}

TEST(FullDisk, OnASignalKeepsTheLastGoodCheckpoint) {
  const Workplace place;
  expect_finishes(place.train("whole"));
  ASSERT_NO_FATAL_FAILURE(make_stopped_run(place, "run"));
  const auto before = contents(place / "run/checkpoints");
  Process training = place.resume("run").limit_file_size(kTooSmall).start();
  ASSERT_TRUE(
      training.wait_until([&] { return training.err().find("resumed behind") != std::string::npos; }));
  training.send(SIGINT);
  const Ending ending = training.wait();
  EXPECT_EQ(ending.exit_code, 2) << ending.err;
  EXPECT_THAT(ending.err, HasSubstr("cannot write"));
  EXPECT_THAT(ending.err, Not(HasSubstr("continue with")));
  EXPECT_TRUE(contents(place / "run/checkpoints") == before);
  expect_finishes(place.resume("run"));
  expect_same_run(place / "run", place / "whole");
}

TEST(FullDisk, ThatTakesNoLogIsOneLineToo) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(make_stopped_run(place, "run"));
  fs::remove(place / "run/log.txt");
  fs::create_symlink("/dev/full", place / "run/log.txt");
  const Ending ending = place.resume("run").run();
  EXPECT_THAT(ending.err, Not(HasSubstr("LOG ERROR")));  // spdlog's own complaint, with its source line
  if (ending.exit_code != 0) {
    EXPECT_EQ(ending.exit_code, 2);
    EXPECT_THAT(last_line(ending.err), HasSubstr("log.txt"));
  }
}

}  // namespace
}  // namespace portraitseg::testing
