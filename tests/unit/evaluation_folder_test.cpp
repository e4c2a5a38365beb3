#include "portraitseg/report/evaluation_folder.h"

#include <cmath>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/report/csv.h"
#include "portraitseg/report/results.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

Evaluation measured(const std::string& protocol = "clova") {
  Evaluation evaluation;
  evaluation.protocol = protocol_of(protocol);
  evaluation.network = {"sinet", "w.pth", "weights' hash", "config's hash"};
  evaluation.list_name = "val.txt";
  evaluation.list_sha256 = "list's hash";
  evaluation.network_size = {64, 64};
  evaluation.metrics = chosen_metrics({}, evaluation.protocol, 2);
  ImageRow row;
  row.id = "00001";
  row.values = {1, 2, 3, 4};
  evaluation.images.push_back(row);
  return evaluation;
}

class AnEvaluationFolder : public ::testing::Test {
 protected:
  fs::path path() const { return place.path() / "out" / "sinet"; }

  void write(const std::vector<Evaluation>& evaluations) const {
    EvaluationFolder folder(path());
    folder.begin();
    folder.add_mask("clova", "00001", cv::Mat::ones(4, 5, CV_8UC1));
    folder.finish(evaluations, "model: {}\n");
  }

  testing::TemporaryFolder place;
};

TEST_F(AnEvaluationFolder, HoldsWhatWasMeasured) {
  write({measured()});
  EXPECT_TRUE(EvaluationFolder(path()).complete());
  EXPECT_EQ(read_file(path() / "metrics.json"), results_json({measured()}));
  EXPECT_EQ(read_file(path() / "clova/per_image.csv"), per_image_csv(measured()));
  EXPECT_EQ(read_file(path() / "config.yaml"), "model: {}\n");
  EXPECT_EQ(cv::countNonZero(cv::imread((path() / "clova/masks/00001.png").string(), cv::IMREAD_UNCHANGED)),
            20);
  EXPECT_FALSE(fs::exists(path() / ".partial"));
}

TEST_F(AnEvaluationFolder, ShowsNothingUntilItIsFinishedAndGoesIfItNeverIs) {
  {
    EvaluationFolder folder(path());
    folder.begin();
    folder.add_mask("clova", "00001", cv::Mat::ones(4, 5, CV_8UC1));
    EXPECT_FALSE(folder.complete());
    EXPECT_FALSE(fs::exists(path() / "clova"));
  }
  EXPECT_FALSE(fs::exists(place.path() / "out"));
}

TEST_F(AnEvaluationFolder, IsWrittenByOneAtATime) {
  {
    EvaluationFolder first(path());
    first.begin();
    first.add_mask("clova", "00001", cv::Mat::ones(4, 5, CV_8UC1));
    EXPECT_THAT([&] { EvaluationFolder(path()).begin(); },
                ::testing::ThrowsMessage<DataError>(HasSubstr("out/sinet: is being written by process ")));
    EXPECT_TRUE(fs::exists(path() / ".partial/clova/masks/00001.png"))
        << "the refused one takes nothing away";
    first.finish({measured()}, "");
    EXPECT_THROW(EvaluationFolder(path()).begin(), DataError) << "overlays are still to come";
  }
  EXPECT_THAT([&] { EvaluationFolder(path()).begin(); },
              ::testing::ThrowsMessage<DataError>(HasSubstr("was completed by another program")));
  EXPECT_TRUE(EvaluationFolder(path()).complete());
  EXPECT_FALSE(fs::exists(path() / FolderLock::kFile));
}

TEST_F(AnEvaluationFolder, LeavesWhatLayThere) {
  fs::create_directories(path());
  write_file(path() / "notes.txt", "mine");
  { EvaluationFolder(path()).begin(); }
  EXPECT_EQ(read_file(path() / "notes.txt"), "mine");
}

TEST_F(AnEvaluationFolder, WhatAKilledProgramLeftGivesWay) {
  fs::create_directories(path() / ".partial/clova/masks");
  write_file(path() / ".partial/clova/masks/old.png", "half");
  fs::create_directories(path() / "clova/masks");
  write_file(path() / "clova/masks/older.png", "of another list");
  write({measured()});
  EXPECT_FALSE(fs::exists(path() / "clova/masks/old.png"));
  EXPECT_FALSE(fs::exists(path() / "clova/masks/older.png"));
  EXPECT_TRUE(fs::exists(path() / "clova/masks/00001.png"));
}

TEST_F(AnEvaluationFolder, IsFreeIfItHoldsNothingButWhatAKilledProgramLeft) {
  const EvaluationFolder folder(path());
  EXPECT_NO_THROW(folder.require_free());  // there is none
  fs::create_directories(path());
  EXPECT_NO_THROW(folder.require_free());
  write_file(path() / "config.yaml", "model: {}\n");
  EXPECT_THAT([&] { folder.require_free(); },
              ::testing::ThrowsMessage<DataError>(HasSubstr("out/sinet: holds something else")));
  fs::create_directory(path() / ".partial");
  EXPECT_NO_THROW(folder.require_free());
}

TEST_F(AnEvaluationFolder, MasksOfIdsWithFoldersLieInFoldersAndNeverOutside) {
  EvaluationFolder folder(path());
  folder.begin();
  for (const char* id : {"a/b", "../../up", "/etc/c"})
    folder.add_mask("clova", id, cv::Mat::ones(2, 2, CV_8UC1));
  folder.finish({measured()}, "");
  const fs::path masks = path() / "clova/masks";
  for (const char* file : {"a/b.png", "__/__/up.png", "etc/c.png"})
    EXPECT_TRUE(fs::exists(masks / file)) << file;
}

TEST_F(AnEvaluationFolder, IsTheSameOnlyIfEverythingIs) {
  write({measured("clova"), measured("native")});
  const EvaluationFolder folder(path());
  const auto planned = [](const std::string& protocol) {
    Evaluation evaluation = measured(protocol);
    evaluation.images.clear();
    evaluation.list_name = "renamed.txt";
    return evaluation;
  };
  EXPECT_NO_THROW(folder.require({planned("clova"), planned("native")}));
  EXPECT_NO_THROW(folder.require({planned("native"), planned("clova")}));
  const auto expect_other = [&](std::vector<Evaluation> evaluations, const std::string& difference) {
    EXPECT_THAT([&] { folder.require(evaluations); },
                ::testing::ThrowsMessage<DataError>(
                    AllOf(HasSubstr("out/sinet/metrics.json"), HasSubstr("another " + difference))));
  };
  expect_other({planned("clova")}, "number of protocols");
  expect_other({planned("clova"), planned("deepixel")}, "protocol");
  const auto with = [&](auto change) {
    std::vector<Evaluation> both = {planned("clova"), planned("native")};
    for (Evaluation& evaluation : both) change(evaluation);
    return both;
  };
  expect_other(with([](Evaluation& e) { e.network.weights_sha256 = "x"; }), "weights");
  expect_other(with([](Evaluation& e) { e.network.config_sha256 = "x"; }), "model or preprocessing");
  expect_other(with([](Evaluation& e) { e.list_sha256 = "x"; }), "list");
  expect_other(with([](Evaluation& e) { e.metrics = chosen_metrics({"boundary_f1"}, e.protocol, 2); }),
               "choice of metrics");
}

TEST_F(AnEvaluationFolder, SaysWhatItHoldsOfThePlannedOnes) {
  write({measured("clova"), measured("native")});
  const auto all = EvaluationFolder(path()).require({measured("native"), measured("clova")});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].protocol, "native");
  const Evaluation expected = measured("native");
  ASSERT_FALSE(all[0].figures.empty());
  for (const FigureValue& figure : all[0].figures) {
    if (!std::isnan(figure.value)) {
      EXPECT_DOUBLE_EQ(figure.value, expected.figure(figure.name)) << figure.name;
    }
  }

  std::string damaged = read_file(path() / "metrics.json");  // every key but this one is there
  for (std::size_t at = damaged.find("\"n\""); at != std::string::npos; at = damaged.find("\"n\""))
    damaged[at + 1] = 'm';
  write_file(path() / "metrics.json", damaged);
  EXPECT_THROW(EvaluationFolder(path()).require({measured("clova"), measured("native")}), DataError);
}

TEST_F(AnEvaluationFolder, ThatIsNotCompleteIsNoResult) {
  write({measured()});
  const fs::path half = path() / kPartialEvaluation;
  fs::create_directories(half);
  fs::copy_file(path() / "metrics.json", half / "metrics.json");
  EXPECT_EQ(results_below(path().parent_path()), std::vector<fs::path>{path()});
}

TEST_F(AnEvaluationFolder, OfSomethingElseIsRefused) {
  fs::create_directories(path());
  for (const char* text : {"", "{}", "[1]", "{\"results\": [{}]}", "{\"loss\": 1}"}) {
    write_file(path() / "metrics.json", text);
    EXPECT_THAT([&] { EvaluationFolder(path()).require({measured()}); },
                ::testing::ThrowsMessage<DataError>(HasSubstr("metrics.json")))
        << text;
  }
}

TEST(MergeResults, PutsThemOneAfterTheOther) {
  const std::string a = results_json({measured("clova")}), b = results_json({measured("native")});
  EXPECT_EQ(merge_results({a, b}), results_json({measured("clova"), measured("native")}));
}

}  // namespace
}  // namespace portraitseg
