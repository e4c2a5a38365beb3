#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/command.h"
#include "support/runs.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

/// The configurations that a paper's or a repository's schedule stands in, by file name.
std::vector<std::string> recipes() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(PORTRAITSEG_SOURCE_DIR) / "configs")) {
    const std::string name = entry.path().stem().string();
    const bool derived =
        name.find("_fast") != std::string::npos || name.find("quickstart") != std::string::npos;
    if (entry.path().extension() == ".yaml" && !derived) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The recipe on small portraits, six epochs a stage, with averaged weights.
std::vector<std::string> small(const std::string& recipe) {
  const std::string side = recipe == "sinet_cityscapes" ? "128" : "64";  // the least that it takes
  return {"preprocessing.size=[" + side + ", " + side + "]",
          "data={name: folders, root: data, train_list: train.txt, val_list: val.txt, workers: 1}",
          "model.init_from=",
          "trainer.epochs=6",
          "trainer.batch_size=8",
          "trainer.ema_decay=0.9",
          "evaluation.best_from=0.5",
          "device={name: cpu, threads: 1}"};
}

/// Clova's recipes with the consistency loss beside theirs, which wants two channels; the other recipes' losses are their own.
std::vector<std::string> with_consistency(const std::string& recipe) {
  if (recipe != "sinet_eg1800" && recipe != "extremec3net_eg1800") return {};
  return {"model.num_classes=2",
          "losses=[{name: cross_entropy}, {name: cross_entropy, target: edge_band, weight: 0.5}, "
          "{name: consistency, weight: 2}]"};
}

class Recipe : public ::testing::TestWithParam<std::string> {};

TEST_P(Recipe, KilledAfterThreeEpochsOfEachStageEndsWithTheSameBytes) {
  const Workplace place;
  const auto train = [&](const std::string& output) {
    std::vector<std::string> arguments = {
        "train", "--config", PORTRAITSEG_SOURCE_DIR "/configs/" + GetParam() + ".yaml", "--output", output};
    for (const auto& settings : {small(GetParam()), with_consistency(GetParam())}) {
      for (const auto& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
    }
    return place.command(arguments);
  };
  expect_finishes(train("whole"));
  const auto expected = contents(place / "whole");
  const bool staged = expected.count(kLast.string()) == 0;

  std::vector<Moment> moments = {{3, 0}};
  if (staged) moments.push_back({6, 0});  // three that were left of the first stage, three of the second
  for (const Moment& moment : moments) {
    Process training = (fs::exists(place / "killed") ? place.resume("killed") : train("killed")).start();
    ASSERT_TRUE(reach(training, moment)) << training.err();
    training.send(SIGKILL);
    EXPECT_EQ(training.wait().signal, SIGKILL);
  }
  expect_finishes(place.resume("killed"));

  const auto found = contents(place / "killed");
  int compared = 0;
  for (const auto& [name, bytes] : expected) {
    const fs::path path = name;
    if (path.extension() != ".safetensors" && path.filename() != "metrics.csv") continue;
    ++compared;
    EXPECT_TRUE(found.count(name) == 1 && found.at(name) == bytes) << name << " differs";
  }
  EXPECT_EQ(compared, staged ? 8 : 4) << "last, best, best_ema and metrics.csv of each stage";
}

INSTANTIATE_TEST_SUITE_P(Configs, Recipe, ::testing::ValuesIn(recipes()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace portraitseg::testing
