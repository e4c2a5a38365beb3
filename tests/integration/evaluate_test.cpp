#include <algorithm>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "support/command.h"
#include "support/refusal.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;

/// A workplace with a short training in run/, whose network finds part of a portrait.
class Evaluate : public ::testing::Test {
 protected:
  void SetUp() override {
    const Ending trained = place.train("run", {"trainer.epochs=3"}).run();
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }

  /// Puts 6 + 5 portraits that are not of the network's size into portraits/.
  void draw_portraits() const {
    const Ending drawn =
        place
            .command({"dataset", "synthesize", "--output", "portraits", "--test", "0", "--train", "6",
                      "--val", "5", "--height", "88", "--width", "72", "--seed", "7"})
            .run();
    ASSERT_EQ(drawn.exit_code, 0) << drawn.err;
  }

  /// `portraitseg evaluate ...`, which must succeed.
  Ending evaluate(std::vector<std::string> arguments) const { return evaluate_in(place.path(), arguments); }
  static Ending evaluate_in(const fs::path& folder, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "evaluate");
    const Ending ending = Command(arguments).in(folder).environment("OMP_WAIT_POLICY", "passive").run();
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return ending;
  }

  Workplace place;
};

/// The lines of a CSV file as maps from the header's names. The tests' own names need no quotes.
std::vector<std::map<std::string, std::string>> csv(const std::string& text) {
  std::vector<std::vector<std::string>> lines;
  for (const auto& line : lines_of(text)) {
    lines.emplace_back();
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) lines.back().push_back(cell);
  }
  std::vector<std::map<std::string, std::string>> rows;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].size(), lines[0].size());
    rows.emplace_back();
    for (std::size_t k = 0; k < lines[0].size(); ++k) rows.back()[lines[0][k]] = lines[i].at(k);
  }
  return rows;
}

struct Counts {
  double tp = 0, fp = 0, fn = 0, tn = 0;

  static Counts of(const std::map<std::string, std::string>& row, const std::string& prefix) {
    const auto number = [&](const char* name) { return std::stod(row.at(prefix + name)); };
    return {number("tp"), number("fp"), number("fn"), number("tn")};
  }
  double foreground() const { return 100 * tp / (tp + fp + fn); }
  double background() const { return 100 * tn / (tn + fp + fn); }
  double f1() const {
    const double precision = tp + fp == 0 ? 1 : tp / (tp + fp), recall = tp + fn == 0 ? 1 : tp / (tp + fn);
    return precision + recall == 0 ? 0 : 100 * 2 * precision * recall / (precision + recall);
  }
};

/// The results but for the name of the weights' file.
Json figures_of(const Ending& ending) {
  Json results = Json::parse(ending.out).at("results");
  for (Json& result : results) result.erase("weights");
  return results;
}

TEST_F(Evaluate, FiguresDoNotDependOnBatchSizeWorkersOrThreads) {
  ASSERT_NO_FATAL_FAILURE(draw_portraits());
  const std::vector<std::string> common = {"--run",     "run",        "--root",       "portraits", "--list",
                                           "train.txt", "--protocol", "clova,native", "--json",    "-"};
  const auto figures = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = common;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return evaluate(arguments).out;
  };
  const std::string expected = figures({"--batch-size", "1", "--workers", "0"});
  const auto metrics = Json::parse(expected).at("results").at(0).at("metrics");
  ASSERT_GT(metrics.at("iou_foreground").get<double>(), 20) << "an empty prediction proves nothing";
  for (const char* batch_size : {"4", "5", "32"})
    EXPECT_EQ(figures({"--batch-size", batch_size, "--workers", "1"}), expected)
        << "batch size " << batch_size;
  for (const char* workers : {"2", "4"})
    EXPECT_EQ(figures({"--batch-size", "4", "--workers", workers}), expected) << workers << " workers";
  EXPECT_EQ(figures({"--set", "device.threads=2"}), expected) << "2 threads";
}

TEST_F(Evaluate, JsonGoesToStandardOutputAloneOrToAFile) {
  const Ending dash = evaluate({"--run", "run", "--json", "-", "--output", "out"});
  const Json printed = Json::parse(dash.out);  // throws if anything else is there
  EXPECT_EQ(dash.out, bytes_of(place / "out/metrics.json"));

  const Ending file = evaluate({"--run", "run", "--json", "figures.json"});
  EXPECT_EQ(bytes_of(place / "figures.json"), dash.out);
  EXPECT_THAT(file.out, HasSubstr("foreground IoU"));
  EXPECT_THAT(file.out, HasSubstr("clova (protocol "));

  const Json& result = printed.at("results").at(0);
  EXPECT_EQ(result.at("protocol"), "clova");
  EXPECT_EQ(result.at("list"), "val.txt");
  EXPECT_EQ(result.at("list_sha256").get<std::string>().size(), 64U);
  EXPECT_EQ(result.at("protocol_hash").get<std::string>().size(), 64U);
  EXPECT_EQ(result.at("n"), 8);
  EXPECT_TRUE(result.at("skipped").empty());
}

TEST_F(Evaluate, ValidationOfTheTrainingGivesTheSameFigures) {
  const Json metrics =
      Json::parse(evaluate({"--weights", "run/checkpoints/last.safetensors", "--json", "-"}).out)
          .at("results")
          .at(0)
          .at("metrics");
  const auto last = csv(bytes_of(place / "run/metrics.csv")).back();
  for (const char* name : {"iou_foreground", "iou_background", "miou", "miou_per_image"})
    EXPECT_NEAR(std::stod(last.at(std::string("val_") + name)), metrics.at(name).get<double>(), 1e-6) << name;
  EXPECT_NEAR(std::stod(last.at("val_boundary_f1_15")), metrics.at("boundary_f1_15").get<double>(), 1e-6);
}

TEST_F(Evaluate, EveryFigureCanBeRecomputedFromThePerImageFile) {
  ASSERT_NO_FATAL_FAILURE(draw_portraits());
  evaluate({"--run", "run", "--root", "portraits", "--list", "train.txt", "--protocol", "clova,native",
            "--output", "out"});
  const Json results = Json::parse(bytes_of(place / "out/metrics.json")).at("results");
  ASSERT_EQ(results.size(), 2U);
  for (const Json& result : results) {
    const auto protocol = result.at("protocol").get<std::string>();
    SCOPED_TRACE(protocol);
    const std::string text = bytes_of(place / "out" / protocol / "per_image.csv");

    const auto rows = csv(text);
    ASSERT_EQ(rows.size(), 6U);
    ASSERT_EQ(result.at("n"), 6);

    std::map<std::string, double> sums;  // over images
    Counts total;
    for (const auto& row : rows) {
      const Counts counts = Counts::of(row, "");
      EXPECT_EQ(row.at("protocol"), protocol);
      EXPECT_EQ(row.at("protocol_hash"), result.at("protocol_hash"));
      EXPECT_EQ(row.at("list"), "train.txt");
      EXPECT_EQ(row.at("list_sha256"), result.at("list_sha256"));
      const double pixels = protocol == "native" ? 88 * 72 : 64 * 64;
      EXPECT_EQ(counts.tp + counts.fp + counts.fn + counts.tn, pixels);
      EXPECT_EQ(std::stod(row.at("height")) * std::stod(row.at("width")), pixels);
      total = {total.tp + counts.tp, total.fp + counts.fp, total.fn + counts.fn, total.tn + counts.tn};
      EXPECT_NEAR(std::stod(row.at("iou_foreground")), counts.foreground(), 1e-6);
      sums["iou_foreground"] += counts.foreground();
      sums["iou_background"] += counts.background();
      sums["miou_per_image"] += (counts.foreground() + counts.background()) / 2;
      for (const char* kernel : {"5", "15"})
        sums[std::string("boundary_f1_") + kernel] +=
            Counts::of(row, std::string("band") + kernel + "_").f1();
      for (const auto& item : result.at("metrics").items()) {
        if (item.key().rfind("edge_iou_", 0) == 0 || item.key().rfind("weighted_iou_", 0) == 0)
          sums[item.key()] += std::stod(row.at(item.key()));
      }
    }
    for (const auto& [name, sum] : sums) {
      EXPECT_NEAR(result.at("metrics").at(name).get<double>(), sum / 6, 1e-6) << name;
    }
    EXPECT_EQ(sums.size(), 3 + 2 + 6 + 3U);
    EXPECT_NEAR(result.at("metrics").at("miou").get<double>(), (total.foreground() + total.background()) / 2,
                1e-6);
  }
  EXPECT_NE(results[0].at("metrics"), results[1].at("metrics"));
}

TEST_F(Evaluate, OverlaysShowTheWorstImages) {
  ASSERT_NO_FATAL_FAILURE(draw_portraits());
  evaluate(
      {"--run", "run", "--root", "portraits", "--list", "train.txt", "--output", "out", "--overlays", "3"});
  std::map<std::string, double> iou;
  for (const auto& row : csv(bytes_of(place / "out/clova/per_image.csv")))
    iou[row.at("id")] = std::stod(row.at("iou_foreground"));
  std::vector<double> sorted;
  for (const auto& [unused, value] : iou) sorted.push_back(value);
  std::sort(sorted.begin(), sorted.end());

  const auto files = contents(place / "out/clova/overlays");
  ASSERT_EQ(files.size(), 3U);
  std::size_t rank = 0;
  for (const auto& [name, unused] : files) {  // worst_01_<id>_iou_<percent>.png
    EXPECT_THAT(name, StartsWith("worst_0" + std::to_string(rank + 1) + "_"));
    EXPECT_EQ(iou.at(name.substr(9, 5)), sorted[rank++]) << name;
    const cv::Mat picture = cv::imread((place / "out/clova/overlays" / name).string());
    EXPECT_EQ(picture.size(), cv::Size(2 * 72, 88));
  }

  evaluate({"--run", "run", "--output", "none", "--overlays", "0"});
  EXPECT_TRUE(!fs::exists(place / "none/clova/overlays") || fs::is_empty(place / "none/clova/overlays"));
}

TEST_F(Evaluate, RunMeansItsBestCheckpoint) {
  const auto figures = [&](const std::vector<std::string>& what) {
    std::vector<std::string> arguments = what;
    arguments.insert(arguments.end(), {"--json", "-"});
    return figures_of(evaluate(arguments));
  };
  const Json best = figures({"--weights", "run/checkpoints/best.safetensors"});
  write_bytes(place / "run/checkpoints/last.safetensors", "no weights");
  EXPECT_EQ(figures({"--run", "run"}), best);
  const auto progress = Safetensors::parse(bytes_of(place / "run/checkpoints/best.safetensors")).progress();
  EXPECT_EQ(best.at(0).at("metrics").at("iou_foreground"), progress.at("best").at("value"));
}

TEST_F(Evaluate, WeightsFileAloneNeedsNoConfiguration) {
  const Json expected = figures_of(evaluate({"--run", "run", "--json", "-"}));
  const TemporaryFolder elsewhere;
  fs::copy(place / "run/checkpoints/best.safetensors", elsewhere.path() / "w.safetensors");
  fs::remove_all(place / "run");
  fs::remove(place / "config.yaml");
  // Lists of the same name where the command is called are other lists.
  write_bytes(elsewhere.path() / "val.txt", "00001.jpg\n");
  EXPECT_EQ(figures_of(evaluate_in(elsewhere.path(), {"--weights", "w.safetensors", "--json", "-"})),
            expected);
}

TEST_F(Evaluate, OtherDataComeFromAFileOrFromRootAndList) {
  ASSERT_NO_FATAL_FAILURE(draw_portraits());
  write_bytes(place / "portraits.yaml", "name: folders\nroot: portraits\nval_list: train.txt\n");
  const std::string expected =
      evaluate({"--run", "run", "--root", "portraits", "--list", "train.txt", "--json", "-"}).out;
  EXPECT_EQ(Json::parse(expected).at("results").at(0).at("n"), 6);
  EXPECT_EQ(evaluate({"--run", "run", "--data", "portraits.yaml", "--json", "-"}).out, expected);
  EXPECT_EQ(evaluate({"--run", "run", "--root", "portraits", "--list",
                      (place / "portraits/train.txt").string(), "--json", "-"})
                .out,
            expected);
}

TEST_F(Evaluate, SkippedImagesAreNamedAndNotCounted) {
  const std::string broken = bytes_of(place / "data/Images/00027.jpg");
  write_bytes(place / "data/Images/00027.jpg", broken.substr(0, broken.size() / 2));
  fs::remove(place / "data/Labels/00030.png");
  const Ending ending = evaluate({"--run", "run", "--set", "data.on_error=skip", "--protocol", "clova,native",
                                  "--json", "-", "--output", "out"});
  const Json results = Json::parse(ending.out).at("results");
  for (const Json& result : results) {
    EXPECT_EQ(result.at("n"), 6);
    EXPECT_THAT(result.at("skipped").get<std::vector<std::string>>(),
                ::testing::UnorderedElementsAre(HasSubstr("Images/00027.jpg: truncated"),
                                                HasSubstr("Labels/00030.png: image without mask")));
  }
  EXPECT_EQ(csv(bytes_of(place / "out/clova/per_image.csv")).size(), 6U);
  for (const char* file : {"00027.jpg", "00030.png"}) EXPECT_THAT(ending.err, HasSubstr(file));
  EXPECT_THAT(evaluate({"--run", "run", "--set", "data.on_error=skip"}).out, HasSubstr("2 skipped"));

  // The others' figures are those of a list without the two.
  write_bytes(place / "data/rest.txt", "00025.jpg\n00026.jpg\n00028.jpg\n00029.jpg\n00031.jpg\n00032.jpg\n");
  EXPECT_EQ(Json::parse(evaluate({"--run", "run", "--list", "rest.txt", "--json", "-"}).out)
                .at("results")[0]
                .at("metrics"),
            Json::parse(ending.out).at("results")[0].at("metrics"));
}

TEST_F(Evaluate, FileNamesMayHoldCommasQuotesBlanksAndUmlauts) {
  const std::string stem = "M\xc3\xbcller, \"Anna\" 1";
  fs::copy(place / "data/Images/00001.jpg", place / "data/Images" / (stem + ".jpg"));
  fs::copy(place / "data/Labels/00001.png", place / "data/Labels" / (stem + ".png"));
  write_bytes(place / "data/odd.txt", stem + ".jpg\r\n");
  const Ending ending = evaluate({"--run", "run", "--list", "odd.txt", "--json", "-", "--output", "out"});
  EXPECT_EQ(Json::parse(ending.out).at("results").at(0).at("n"), 1);
  EXPECT_THAT(bytes_of(place / "out/clova/per_image.csv"),
              HasSubstr("\n\"M\xc3\xbcller, \"\"Anna\"\" 1\",64,64,"));
}

TEST_F(Evaluate, SeveralNetworksGiveWhatEachGivesAlone) {
  const std::vector<std::string> common = {"--protocol", "clova,native", "--output"};
  const auto with = [&](std::vector<std::string> networks, const std::string& output) {
    networks.insert(networks.end(), common.begin(), common.end());
    networks.push_back(output);
    return evaluate(networks);
  };
  const Ending both = with({"--run", "run", "--weights", "run/checkpoints/last.safetensors"}, "both");
  with({"--run", "run"}, "one");
  with({"--weights", "run/checkpoints/last.safetensors"}, "other");
  EXPECT_THAT(both.out, HasSubstr("         run        last\n"));
  for (const auto& [network, alone] : {std::pair("run", "one"), std::pair("last", "other")}) {
    auto together = contents(place / "both" / network), expected = contents(place / alone);
    ASSERT_EQ(together.size(), expected.size());
    for (const auto& [file, bytes] : expected) EXPECT_EQ(together.at(file) == bytes, true) << file;
    EXPECT_EQ(together.count("native/masks/00025.png"), 1U);
  }
  const cv::Mat mask = cv::imread((place / "one/native/masks/00025.png").string(), cv::IMREAD_UNCHANGED);
  EXPECT_EQ(mask.type(), CV_8UC1);
  EXPECT_EQ(mask.size(), cv::Size(64, 64));
}

TEST_F(Evaluate, SeveralListsHaveFoldersOfTheirOwn) {
  write_bytes(place / "data/few.txt", "00025.jpg\n00026.jpg\n");
  const Ending ending =
      evaluate({"--run", "run", "--list", "val.txt", "--list", "few.txt", "--output", "out", "--json", "-"});
  const Json results = Json::parse(ending.out).at("results");
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].at("n"), 8);
  EXPECT_EQ(results[1].at("n"), 2);
  for (const char* file :
       {"val/metrics.json", "val/clova/per_image.csv", "few/metrics.json", "few/config.yaml"})
    EXPECT_TRUE(fs::exists(place / "out" / file)) << file;
}

TEST_F(Evaluate, ResumeLeavesOutWhatIsCompleteAndDoesTheRest) {
  const std::vector<std::string> call = {
      "--run",      "run",    "--weights", "run/checkpoints/last.safetensors",
      "--protocol", "native", "--output",  "out"};
  const std::string whole = evaluate([&] {
                              auto more = call;
                              more.insert(more.end(), {"--json", "-"});
                              return more;
                            }())
                                .out;
  const auto expected = contents(place / "out");
  fs::create_directory(place / "out/last/.partial");  // as if it had been killed at the very end
  fs::rename(place / "out/last/metrics.json", place / "out/last/.partial/metrics.json");
  fs::remove_all(place / "out/last/native/masks");
  auto again = call;
  again.insert(again.end(), {"--resume", "--json", "-"});
  const Ending resumed = evaluate(again);
  EXPECT_THAT(resumed.err, HasSubstr("left out: out/run is complete"));
  EXPECT_THAT(resumed.err, Not(HasSubstr("out/last is complete")));
  EXPECT_EQ(resumed.out, whole);
  EXPECT_EQ(contents(place / "out"), expected);
}

TEST_F(Evaluate, ResumeOfACompleteFolderPrintsTheFiguresAgain) {
  const std::vector<std::string> one = {"--run", "run", "--protocol", "clova,native", "--output", "one"};
  std::vector<std::string> two = {
      "--run",      "run",          "--weights", "run/checkpoints/last.safetensors",
      "--protocol", "clova,native", "--output",  "two"};
  std::string first;
  for (auto call : {one, two}) {
    first = evaluate(call).out;
    call.emplace_back("--resume");
    EXPECT_EQ(evaluate(call).out, first);
  }
  fs::remove_all(place / "two/last");
  two.emplace_back("--resume");
  EXPECT_EQ(evaluate(two).out, first) << "of which a part is measured again";
  EXPECT_TRUE(fs::exists(place / "two/last/metrics.json"));
}

TEST_F(Evaluate, AFolderOfAnotherEvaluationIsNeverOverwritten) {
  evaluate({"--run", "run", "--output", "out"});
  const auto before = contents(place / "out");
  const auto expect_refused = [&](std::vector<std::string> more, const std::string& words) {
    more.insert(more.begin(), "evaluate");
    const Ending ending = place.command(more).run();
    EXPECT_EQ(ending.exit_code, 2);
    EXPECT_THAT(last_line(ending.err), HasSubstr(words));
    EXPECT_EQ(contents(place / "out"), before);
  };
  expect_refused({"--run", "run", "--output", "out"}, "already holds an evaluation");
  expect_refused({"--run", "run", "--output", "run"},
                 "run: holds something else (checkpoints); choose another --output");
  EXPECT_FALSE(fs::exists(place / "run/native"));
  evaluate({"--run", "run", "--weights", "run/checkpoints/last.safetensors", "--output", "both"});
  expect_refused(
      {"--run", "run", "--output", "both"},
      "both: holds the evaluations of several networks or lists (last, run); choose another --output");
  const std::vector<std::string> resume = {"--run", "run", "--output", "out", "--resume"};
  const auto resumed = [&](const std::vector<std::string>& more) {
    auto all = resume;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  expect_refused(resumed({"--protocol", "native"}), "another protocol");
  expect_refused(resumed({"--protocol", "clova,native"}), "another number of protocols");
  expect_refused(resumed({"--metrics", "iou"}), "another choice of metrics");
  expect_refused(resumed({"--list", "train.txt"}), "another list");
  expect_refused(resumed({"--set", "preprocessing.scale=0.003"}), "another model or preprocessing");
  expect_refused({"--run", "run", "--weights", "run/checkpoints/last.safetensors", "--output", "out"},
                 "already holds the evaluation of one network");
}

TEST_F(Evaluate, MetricsAreChosenByName) {
  const auto names = [&](const std::string& metrics) {
    const Json result =
        Json::parse(evaluate({"--run", "run", "--metrics", metrics, "--json", "-"}).out).at("results").at(0);
    std::vector<std::string> keys;
    for (const auto& item : result.at("metrics").items()) keys.push_back(item.key());
    return keys;
  };
  EXPECT_THAT(names("iou"), ::testing::Not(::testing::Contains("boundary_f1_15")));
  EXPECT_THAT(names("boundary_f1"),
              ::testing::IsSupersetOf({"boundary_f1_15", "boundary_f1_5", "band_iou_15", "iou_foreground"}));
  EXPECT_THAT(names("all"), ::testing::IsSupersetOf({"edge_iou_80", "weighted_iou_10", "boundary_f1_15"}));
}

TEST_F(Evaluate, SettingsThatNetworksCannotHaveEachAreSaidOrAskedFor) {
  const auto config = [&](const std::string& name, const std::string& from, const std::string& to) {
    std::string text = bytes_of(place / "run/config.yaml");
    const auto found = text.find(from);
    ASSERT_NE(found, std::string::npos) << from;
    write_bytes(place / name, text.replace(found, from.size(), to));
  };
  config("native.yaml", "  protocol: clova\n", "  protocol: native\n");
  config("skip.yaml", "  on_error: fail\n", "  on_error: skip\n");
  const auto call = [](const std::string& other) {
    return std::vector<std::string>{
        "evaluate", "--run",           "run",      "--weights", "run/checkpoints/last.safetensors",
        "--config", "run/config.yaml", "--config", other};
  };
  expect_refusal(place, call("native.yaml"),
                 {"run and last name different protocols (clova and native); say which with --protocol"});
  const Ending ending = place.command(call("skip.yaml")).run();
  EXPECT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.err,
              HasSubstr("data.on_error as the configuration of run has it; that of last differs"));
}

TEST_F(Evaluate, WhatIsGivenTwiceIsRefused) {
  const auto refused = [&](std::vector<std::string> more, const std::string& words) {
    more.insert(more.begin(), {"evaluate", "--run", "run"});
    expect_refusal(place, more, {words});
  };
  refused({"--weights", "run/checkpoints/best.safetensors"},
          "the network run/checkpoints/best.safetensors is given twice");
  refused({"--run", "./run"}, "best.safetensors is given twice");
  refused({"--list", "val.txt", "--list", "train.txt", "--list", "data/../data/val.txt"},
          "--list: data/../data/val.txt is given twice");
  refused({"--protocol", "clova,native", "--protocol", "clova"}, "--protocol: clova is given twice");
  refused({"--metrics", "iou,boundary_f1,iou"}, "--metrics: iou is given twice");
  refused({"--perturb", "rotate:25", "--perturb", "rotate:25.0"}, "is given twice");
}

TEST_F(Evaluate, FullStandardOutputIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  const Ending ending =
      place.command({"evaluate", "--run", "run", "--json", "-"}).stdout_to("/dev/full").run();
  EXPECT_EQ(ending.exit_code, 2);
  EXPECT_THAT(last_line(ending.err), StartsWith("portraitseg: "));
}

}  // namespace
}  // namespace portraitseg::testing
