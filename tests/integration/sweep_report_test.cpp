#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "support/command.h"
#include "support/refusal.h"
#include "support/sweeps.h"

namespace portraitseg::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Json = nlohmann::json;

/// A sweep of two decoders and two seeds, and a trial that fails.
class SweepReports : public Sweeps {
 protected:
  void SetUp() override {
    write_sweep(
        "axes: {model.decoder: [information_blocking, none], trainer.seed: [1, 2]}\n"
        "trials: [{device.precision: fp16}]\n"
        "paper: {source: \"Somebody 2020, Table 1\", figures: [{model.decoder: none, miou: 94.5}]}\n",
        "trainer.epochs=2, trainer.ema_decay=0.5");
    const Ending ending = sweep("run").run();
    ASSERT_EQ(ending.exit_code, 1) << ending.err;
  }

  Ending run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"sweep", "report", "--run", "run"});
    return place_.command(arguments).run();
  }

  Json json(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.end(), {"--json", "-"});
    const Ending ending = run(arguments);
    EXPECT_EQ(ending.exit_code, 0) << ending.err;
    return Json::parse(ending.out);
  }

  void refused(std::vector<std::string> arguments, const std::vector<std::string>& words) const {
    arguments.insert(arguments.begin(), {"sweep", "report"});
    expect_refusal(place_, arguments, words);
  }

  /// As the journal is while the trial goes on.
  void take_back_the_end_of(const std::string& trial) const {
    std::string text;
    for (const auto& event : journal("run")) {
      if (event.at("trial") != trial || event.at("event") != "finished") text += event.dump() + "\n";
    }
    write_bytes(place_ / "run/journal.jsonl", text);
  }

  /// The journal's figure of a trial by its settings.
  double figure(const Json& report, const std::string& decoder, const std::string& seed) const {
    for (const auto& trial : report.at("trials")) {
      const auto& settings = trial.at("settings");
      if (settings.value("model.decoder", "") != decoder || settings.value("trainer.seed", "") != seed)
        continue;
      for (const auto& event : journal("run")) {
        if (event.at("event") == "finished" && event.at("trial") == trial.at("id"))
          return event.at("result").at("figures").at("iou_foreground");
      }
    }
    throw std::runtime_error("no such trial");
  }
};

TEST_F(SweepReports, ComeFromTheTrialsWhateverBecameOfThem) {
  const Ending ending = run({});
  ASSERT_EQ(ending.exit_code, 0) << ending.err;
  EXPECT_THAT(ending.out, StartsWith("sweep sweep: 4 of 5 trials are finished; 1 failed.\n"));
  EXPECT_THAT(ending.out, HasSubstr("over 2 pairs"));
  EXPECT_THAT(ending.out, HasSubstr(": device.precision: fp16 needs CUDA"));
  EXPECT_EQ(last_line(ending.out), "run/report/report.html");
  for (const char* name : {"report.html", "tables.csv", "tables.md", "tables.tex"})
    EXPECT_TRUE(fs::exists(place_ / "run/report" / name)) << name;

  const Json report = json();
  ASSERT_THAT(report.at("figures"), SizeIs(4)) << "foreground IoU, miou and two of the boundary";
  const Json& first = report.at("figures")[0];
  EXPECT_EQ(first.at("figure"), "iou_foreground");
  EXPECT_EQ(first.at("list"), "val.txt");
  EXPECT_EQ(first.at("n"), 8);
  const Json& values = first.at("axes")[0].at("values");
  const double one = figure(report, "none", "1") - figure(report, "information_blocking", "1");
  const double two = figure(report, "none", "2") - figure(report, "information_blocking", "2");
  EXPECT_NEAR(values[1].at("difference").at("mean"), (one + two) / 2, 1e-9);
  EXPECT_EQ(values[1].at("difference").at("pairs"), 2);
  EXPECT_EQ(report.at("figures")[1].at("axes")[0].at("values")[1].at("paper"), 94.5);
  const std::string page = bytes_of(place_ / "run/report/report.html");
  for (const char* part :
       {"4 of 5 trials are finished", "fp16 needs CUDA", "<h2>Training</h2>", "Somebody 2020, Table 1"})
    EXPECT_THAT(page, HasSubstr(part));

  // A trial that goes on, whose curves cannot be read just now.
  const std::string open = report.at("trials")[3].at("id");
  take_back_the_end_of(open);
  write_bytes(place_ / "run/trials" / open / "metrics.csv", "epoch,val_miou\n1\n");
  const Ending going_on = run({"--json", "-"});
  ASSERT_EQ(going_on.exit_code, 0) << going_on.err;
  EXPECT_THAT(going_on.err, HasSubstr("left out: the curves of the unfinished trial " + open));
  EXPECT_EQ(Json::parse(going_on.out).at("states").at("unfinished"), 1);

  // Of another plan, whose last stage has not begun.
  write_bytes(place_ / "run/trials" / open / "config.yaml",
              "stages: [{name: encoder}, {name: full, init_from: encoder/best}]\n");
  const Ending staged = run({});
  EXPECT_EQ(staged.exit_code, 0) << staged.err;
  EXPECT_EQ(staged.err, "");

  write_bytes(place_ / "run/journal.jsonl", "");
  const Ending nothing = run({});
  EXPECT_EQ(nothing.exit_code, 0) << nothing.err;
  EXPECT_THAT(nothing.out, StartsWith("sweep sweep: 0 of 5 trials are finished; 5 new.\n"));
  EXPECT_THAT(bytes_of(place_ / "run/report/report.html"), HasSubstr("Nothing is measured yet"));
}

TEST_F(SweepReports, EvaluationsStandBesideTheValidation) {
  const Json report = json();
  take_back_the_end_of(report.at("trials")[3].at("id"));  // its results are left out
  std::vector<std::string> arguments = {"evaluate",  "--perturb", "none",     "--perturb", "rotate:45",
                                        "--workers", "0",         "--output", "out"};
  for (const std::size_t i : {0, 1, 2, 3}) {
    const std::string id = report.at("trials")[i].at("id");
    arguments.insert(arguments.end(), {"--run", "run/trials/" + id});
  }
  const Ending evaluated = place_.command(arguments).run();
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  const Ending again =
      run({"--evaluation", "out", "--figure", "miou", "--base", "model.decoder=none", "--json", "-"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("left out: 2 results in out are of unfinished trials"));
  const Json with = Json::parse(again.out);
  ASSERT_THAT(with.at("figures"), SizeIs(3));
  EXPECT_EQ(with.at("figures")[1].at("protocol"), "clova");
  EXPECT_EQ(with.at("figures")[2].at("protocol"), "clova+rotate:45");
  for (const Json& tables : with.at("figures")) {
    const Json& decoders = tables.at("axes")[0].at("values");
    EXPECT_EQ(decoders[0].at("difference").at("pairs"), 1) << tables.at("protocol");
    EXPECT_EQ(decoders[1].at("n"), 1);
    EXPECT_EQ(decoders[1].at("trials"), 2);
  }
  EXPECT_NEAR(with.at("figures")[1].at("best").at("value"), with.at("figures")[0].at("best").at("value"),
              1e-6)
      << "on the validation's own list the best checkpoint is what the journal says";
}

TEST_F(SweepReports, AveragedWeightsStandBesideAndOtherWeightsAreRefused) {
  const Json report = json();
  const std::string first = report.at("trials")[0].at("id"), open = report.at("trials")[3].at("id");
  const std::string checkpoints = "run/trials/" + first + "/checkpoints/";
  fs::copy_file(place_ / "run/trials" / open / "checkpoints/best.safetensors",
                place_ / (checkpoints + "other.safetensors"));
  take_back_the_end_of(open);  // its best weights are no trial's so far
  for (const auto& [name, id] :
       {std::pair("best", first), std::pair("best_ema", first), std::pair("other", open)}) {
    const Ending ending =
        place_
            .command({"evaluate", "--config", "run/trials/" + id + ".yaml", "--weights",
                      checkpoints + name + ".safetensors", "--workers", "0", "--output", name})
            .run();
    ASSERT_EQ(ending.exit_code, 0) << ending.err;
  }
  const Json averaged = json({"--evaluation", "best", "--evaluation", "best_ema", "--figure", "miou"});
  ASSERT_THAT(averaged.at("figures"), SizeIs(3));
  EXPECT_EQ(averaged.at("figures")[1].at("averaged_weights"), false);
  EXPECT_EQ(averaged.at("figures")[2].at("averaged_weights"), true);
  EXPECT_EQ(averaged.at("figures")[2].at("protocol"), "clova");
  refused({"--run", "run", "--evaluation", "other"}, {"other: holds no result of a trial"});

  const std::string second = report.at("trials")[1].at("id");
  for (const auto& name : {"config.yaml", "checkpoints/best.safetensors"})
    fs::copy_file(place_ / "run/trials" / second / name, place_ / "run/trials" / first / name,
                  fs::copy_options::overwrite_existing);
  refused({"--run", "run", "--evaluation", "best"}, {"measured other weights of the trial"});
}

TEST_F(SweepReports, GiveWayToAnOlderReportAloneAndRefuseWrongNames) {
  // What a killed run leaves, and tables beside the page, give way; another program's page does not.
  EXPECT_EQ(run({}).exit_code, 0);
  write_bytes(place_ / "run/report/tables.csv.tmp", "half");
  for (const char* name : {"tables.json", "tables.json", "mine.json"})
    EXPECT_EQ(run({"--json", "run/report/" + std::string(name)}).exit_code, 0) << name;
  refused({"--run", "run"}, {"run/report: holds something else", "mine.json"});
  EXPECT_EQ(run({"--json", "run/report/mine.json"}).exit_code, 0);
  fs::remove(place_ / "run/report/mine.json");
  fs::create_directories(place_ / "foreign");
  write_bytes(place_ / "foreign/report.html", "<!DOCTYPE html>\n");
  refused({"--run", "run", "--output", "foreign"}, {"foreign/report.html: is there, and is no report"});
  EXPECT_EQ(bytes_of(place_ / "foreign/report.html"), "<!DOCTYPE html>\n");

  // What the report is made of, and its page, do not give way to the tables of --json.
  for (const char* file : {"run/sweep.yaml", "run/journal.jsonl", "run/report/report.html"})
    expect_refusal(place_, place_.command({"sweep", "report", "--run", "run", "--json", file}), {file});

  refused({"--run", "run", "--by", "model.decodr"},
          {"--by: no axis is called", "did you mean 'model.decoder'?"});
  refused({"--run", "run", "--figure", "iou"}, {"--figure: no trial has the figure 'iou'"});
  refused({"--run", "run", "--base", "model.decoder"}, {"--base: expected AXIS=VALUE"});
  refused({"--run", "run", "--evaluation", "data"}, {"data: holds no metrics.json"});
  refused({"--run", "run", "--output", "data"}, {"data: holds something else"});
  refused({"--run", "data"}, {"data: holds no sweep"});
  expect_refusal(place_, {"sweep", "--config", "sweep.yaml", "report", "--run", "run"},
                 {"report excludes --config"});
}

}  // namespace
}  // namespace portraitseg::testing
