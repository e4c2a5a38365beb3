// What the source tree promises: dependencies run one way, and every configuration that is shipped loads.
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "portraitseg/core/file.h"
#include "portraitseg/engine/plan_check.h"
#include "portraitseg/engine/stage.h"
#include "portraitseg/sweep/cost.h"
#include "portraitseg/sweep/plan.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = PORTRAITSEG_SOURCE_DIR;

/// core <- weights <- nn <- {models, losses, metrics, data} <- engine <- {report, sweep}
const std::map<std::string, int> kLayers = {{"core", 0},   {"weights", 1}, {"nn", 2},   {"models", 3},
                                            {"losses", 3}, {"metrics", 3}, {"data", 3}, {"engine", 4},
                                            {"report", 5}, {"sweep", 5}};
constexpr int kTop = 5;  // report and sweep know nothing of each other

TEST(Source, IncludesFollowTheArrow) {
  const std::regex include(R"re(#include "portraitseg/(\w+)/)re");
  std::size_t checked = 0;
  for (const fs::path& top : {kRoot / "include/portraitseg", kRoot / "src"}) {
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
      if (!entry.is_regular_file()) continue;
      const std::string own = fs::relative(entry.path(), top).begin()->string();
      ASSERT_EQ(kLayers.count(own), 1u) << entry.path() << " is in a folder that the layers do not know";
      for (const auto& line : read_lines(entry.path())) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        ++checked;
        ASSERT_EQ(kLayers.count(match[1]), 1u) << line;
        EXPECT_LE(kLayers.at(match[1]), kLayers.at(own)) << entry.path() << ": " << line;
        EXPECT_TRUE(kLayers.at(match[1]) < kTop || match[1] == own) << entry.path() << ": " << line;
      }
    }
  }
  EXPECT_GT(checked, 100u);
}

/// Then the header is proven to need nothing that comes before it.
TEST(Source, EverySourceIncludesItsOwnHeaderFirst) {
  const std::regex include(R"re(#include ["<](.*)[">])re");
  std::size_t checked = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "src")) {
    const fs::path own =
        fs::path("portraitseg") / fs::relative(entry.path(), kRoot / "src").replace_extension(".h");
    if (entry.path().extension() != ".cpp" || !fs::exists(kRoot / "include" / own)) continue;
    std::smatch match;
    for (const auto& line : read_lines(entry.path())) {
      if (std::regex_search(line, match, include)) {
        EXPECT_EQ(match[1], own.string()) << entry.path();
        break;
      }
    }
    ++checked;
  }
  EXPECT_GT(checked, 80u);
}

TEST(Configs, EveryShippedOneLoadsAndItsEffectiveFormReadsBackTheSame) {
  std::size_t checked = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "configs")) {
    if (entry.path().extension() != ".yaml" || entry.path().parent_path().filename() == "sweeps") continue;
    ++checked;
    for (const Stage& stage : TrainingPlan::load(entry.path()).stages) {
      const RunConfig again = RunConfig::parse(stage.config.yaml(), "effective");
      EXPECT_EQ(stage.config.yaml(), again.yaml()) << entry.path() << " " << stage.name;
    }
  }
  EXPECT_GE(checked, 2u);
}

TEST(Configs, EveryShippedSweepPlansTrialsThatAllTrain) {
  const std::map<std::string, std::size_t> trials = {{"extremec3net_branches", 6},
                                                     {"extremec3net_dilations", 12},
                                                     {"extremec3net_losses", 12},
                                                     {"portraitnet_losses", 12},
                                                     {"sinet_decoders", 12},
                                                     {"sinet_losses", 6},
                                                     {"sinet_s2", 21}};
  std::size_t checked = 0;
  for (const auto& entry : fs::directory_iterator(kRoot / "configs/sweeps")) {
    const SweepPlan plan = SweepPlan::load(entry.path(), {"model.init_from="});
    ASSERT_EQ(trials.count(plan.name), 1U) << entry.path();
    EXPECT_EQ(plan.trials.size(), trials.at(plan.name)) << entry.path();
    std::set<std::string> networks;
    for (const Trial& trial : plan.trials) {
      if (!networks.insert(network_key(trial.plan)).second) continue;
      EXPECT_NO_THROW(check_plan(trial.plan)) << entry.path() << " " << trial.label();
    }
    ++checked;
  }
  EXPECT_EQ(checked, trials.size());
}

}  // namespace
}  // namespace portraitseg
