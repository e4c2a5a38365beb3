// What the source tree promises: dependencies run one way, and every configuration that is shipped loads.
#include <filesystem>
#include <map>
#include <regex>

#include <gtest/gtest.h>

#include "portraitseg/core/file.h"
#include "portraitseg/engine/stage.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = PORTRAITSEG_SOURCE_DIR;

/// core <- weights <- nn <- {models, losses, metrics, data} <- engine <- report
const std::map<std::string, int> kLayers = {{"core", 0},   {"weights", 1}, {"nn", 2},
                                            {"models", 3}, {"losses", 3},  {"metrics", 3},
                                            {"data", 3},   {"engine", 4},  {"report", 5}};

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
    if (entry.path().extension() != ".yaml") continue;
    ++checked;
    for (const Stage& stage : TrainingPlan::load(entry.path()).stages) {
      const RunConfig again = RunConfig::parse(stage.config.yaml(), "effective");
      EXPECT_EQ(stage.config.yaml(), again.yaml()) << entry.path() << " " << stage.name;
    }
  }
  EXPECT_GE(checked, 2u);
}

}  // namespace
}  // namespace portraitseg
