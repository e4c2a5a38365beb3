#include "portraitseg/report/ablation_files.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "portraitseg/report/ablation.h"

#include "support/ablations.h"

namespace portraitseg {
namespace {

using testing::ablation_of;
using testing::add_trial;
using testing::evaluation;
using ::testing::HasSubstr;
using testing::kNone;
using testing::kSha;
using ::testing::Not;
using ::testing::StartsWith;
using testing::two_losses;

/// Names that no format takes as they are.
Ablation wild_names() {
  Ablation ablation = ablation_of({"losses", "trainer.seed"});
  ablation.name = "50%_<b>&\"x\"";
  add_trial(ablation, {"a_b,\"c\"", "1"}, 90);
  add_trial(ablation, {"<i>&{d}|e", "1"}, 89.5);
  ablation.trials[1].error = "<script>";
  return ablation;
}

TEST(AblationFiles, CsvHasALineAValueWithTenDigits) {
  const Ablation ablation = two_losses();
  const std::string csv = ablation_csv(ablation, ablation_tables(ablation));
  EXPECT_THAT(
      csv,
      StartsWith("source,weights,protocol,protocol_hash,list,list_sha256,images,figure,axis,value,n,trials,"
                 "stopped_early,mean,sd,base,pairs,difference,low,high,p,p_holm,paper\n"));
  const std::string start = "validation,plain,clova,,val.txt," + kSha + ",134,iou_foreground,losses,";
  EXPECT_THAT(csv, HasSubstr(start + "mask,3,3,0,91.5,0.5,mask,,,,,,,\n"));
  EXPECT_THAT(csv, HasSubstr(start + "both,3,3,0,92.36666667,0.7234178138,mask,3,0.8666666667,"));
  EXPECT_THAT(ablation_csv(wild_names(), ablation_tables(wild_names())),
              HasSubstr("losses,\"a_b,\"\"c\"\"\",1,1,0,90,,"));
}

TEST(AblationFiles, TexIsEscapedAndHasItsMarksInMathematicalMode) {
  const Ablation ablation = two_losses();
  const std::string tex = ablation_tex(ablation, ablation_tables(ablation));
  EXPECT_THAT(tex,
              HasSubstr("\\begin{tabular}{lrrrrrr}\n\\toprule\nlosses & n & mean $\\pm$ sd & to mask, 95 \\% "
                        "interval & pairs & p & p Holm \\\\\n\\midrule\n"));
  EXPECT_THAT(tex,
              HasSubstr("both & 3 & 92.37 $\\pm$ 0.72 & +0.87 [$-$0.17, 1.90] & 3 & 0.069 & 0.069 \\\\\n"));
  EXPECT_THAT(tex, HasSubstr("& $<$0.001 &"));
  EXPECT_THAT(tex, HasSubstr("list sha256 aaaaaaaa, n = 134"));
  const std::string wild = ablation_tex(wild_names(), ablation_tables(wild_names()));
  EXPECT_THAT(wild, HasSubstr("$<$i$>$\\&\\{d\\}|e"));
  EXPECT_THAT(wild, HasSubstr("a\\_b,``c''"));
}

TEST(AblationFiles, NoRowOfALatexTableBeginsLikeAnOptionOfTheLineBeforeIt) {
  Ablation ablation = ablation_of({"preprocessing.size"});
  add_trial(ablation, {"[32, 32]"}, 90);
  add_trial(ablation, {"*"}, 91);
  const std::string tex = ablation_tex(ablation, ablation_tables(ablation));
  EXPECT_THAT(tex, HasSubstr("\\midrule\n{}[32, 32] & 1 &"));
  EXPECT_THAT(tex, HasSubstr("\\\\\n{}* & 1 &"));
}

TEST(AblationFiles, EveryFormSaysWhatEarlyStoppingDoes) {
  Ablation ablation = two_losses();
  EXPECT_THAT(ablation_text(ablation, ablation_tables(ablation)), Not(HasSubstr("stopped early")));
  add_trial(ablation, {"both", "4"}, kNone);
  ablation.trials.back().state = "stopped early";
  const auto tables = ablation_tables(ablation);
  const std::string note =
      "1 of 7 trials was stopped early: means, differences and p are over those that were not";
  for (const std::string& text :
       {ablation_text(ablation, tables), ablation_markdown(ablation, tables), ablation_tex(ablation, tables),
        ablation_json(ablation, tables), ablation_page(ablation, tables, "")})
    EXPECT_THAT(text, HasSubstr(note));
  EXPECT_THAT(ablation_csv(ablation, tables), HasSubstr("losses,both,3,4,1,92.36666667,"));
}

/// Values, each with so many seeds; of every other value every other figure is 0.1 higher.
Ablation many_values(int values, int seeds, double step) {
  Ablation ablation = ablation_of({"a", "trainer.seed"});
  for (int v = 0; v < values; ++v) {
    for (int s = 0; s < seeds; ++s)
      add_trial(ablation, {"v" + std::to_string(v), std::to_string(s)}, 50 + step * v + 0.1 * (v * s % 2));
  }
  return ablation;
}

TEST(AblationFiles, ThePageSumsManyComparisonsUpByThoseThatCouldBeTested) {
  const auto page = [](const Ablation& ablation) {
    return ablation_page(ablation, ablation_tables(ablation), "");
  };
  EXPECT_THAT(page(many_values(9, 1, 1)),
              HasSubstr("No difference has two pairs that vary, so none can be tested."));
  Ablation some = many_values(9, 2, 0);
  EXPECT_THAT(page(some), HasSubstr("None of 8 tested differences can be told from 0."));
  some.measurements[0].trials.erase(3);
  EXPECT_THAT(page(some), HasSubstr("None of 7 tested differences can be told from 0."));
  const Ablation distinct = many_values(17, 8, 1);  // of them 8 vary
  EXPECT_THAT(page(distinct), HasSubstr("<p class=\"headline\">And 2 more, see the tables.</p>"));
}

TEST(AblationFiles, ThePageNamesMeasurementsApartAndEachFiguresN) {
  Ablation ablation = two_losses();
  ablation.measurements[0].trials[4].erase("boundary_f1_15");
  TrialFigures test = evaluation(88);
  ablation.add(0, test);
  ablation.add(3, test);
  const std::string page = ablation_page(ablation, ablation_tables(ablation), "");
  for (const char* part :
       {"<p class=\"headline\">validation, clova: both and mask", "<p class=\"headline\">clova, test.txt: ",
        "difference to the base, validation, clova", "difference to the base, clova, test.txt",
        "<h2>Evaluation by clova, test.txt</h2>", "86.00 \xC2\xB1 1.41 (n = 2 of 3)"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, HasSubstr("<td class=\"figure\">81.00 \xC2\xB1 1.00<small>"))
      << "n is the first figure's";
}

TEST(AblationFiles, ThePageIsKnownByItsHead) {
  EXPECT_TRUE(is_ablation_page(ablation_page(two_losses(), {}, "")));
  EXPECT_FALSE(is_ablation_page("<!DOCTYPE html>\n<html></html>"));
  EXPECT_FALSE(is_ablation_page(""));
  std::string other = ablation_page(two_losses(), {}, "");
  other.replace(other.find("portraitseg sweep report"), 24, "portraitseg report");
  EXPECT_FALSE(is_ablation_page(other));
}

TEST(AblationFiles, MarkdownAndThePageAreEscaped) {
  const Ablation wild = wild_names();
  const auto tables = ablation_tables(wild);
  EXPECT_THAT(ablation_markdown(wild, tables), HasSubstr("\\<i\\>&\\{d\\}\\|e"));
  const std::string page = ablation_page(wild, tables, "name: <x>\n");
  for (const char* raw : {"<i>&", "<script>", "<b>&", "name: <x>"}) EXPECT_THAT(page, Not(HasSubstr(raw)));
  EXPECT_THAT(page, HasSubstr("&lt;i&gt;&amp;{d}|e"));
  EXPECT_THAT(page, HasSubstr("<b>Failed:</b> trial1: &lt;script&gt;"));
}

TEST(AblationFiles, ThePageHasTablesDrawingsCurvesTrialsAndPlanAndNothingFromOutside) {
  Ablation ablation = two_losses();
  for (auto& trial : ablation.trials) trial.curves["iou_foreground"] = {50, 80, 90};
  const std::string page = ablation_page(ablation, ablation_tables(ablation), "workers: 2\n");
  for (const char* part :
       {"3</td>", "92.37 \xC2\xB1 0.72", "+0.87 [-0.17, 1.90]", "<h2>By how much</h2>",
        "foreground IoU by losses", "<h2>Training</h2>", "losses=both, trainer.seed=3", "<h2>Trials</h2>",
        "workers: 2", "they are optimistic", "list sha256 aaaaaaaa", "n = 134"})
    EXPECT_THAT(page, HasSubstr(part));
  for (const char* never : {"<script", "http:", "https:", "nan"}) EXPECT_THAT(page, Not(HasSubstr(never)));
  EXPECT_THAT(page, Not(HasSubstr("Every trial, from its settings"))) << "one axis, and no numbers";
}

TEST(AblationFiles, SeveralAxesAreDrawnAsLinesToTheFigure) {
  Ablation ablation = ablation_of({"a", "optimizer.lr"});
  add_trial(ablation, {"x", "0.0001"}, 90);
  add_trial(ablation, {"y", "0.01"}, 91);
  add_trial(ablation, {"", "0.001"}, 92);
  const std::string page = ablation_page(ablation, ablation_tables(ablation), "");
  EXPECT_THAT(page, HasSubstr("Every trial, from its settings to foreground IoU"));
  EXPECT_THAT(page, HasSubstr("(base)"));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
}

TEST(AblationFiles, OfManyTrialsTheCurvesAreMeansAsFarAsAllHaveCome) {
  Ablation ablation = ablation_of({"a", "trainer.seed"});
  for (int i = 0; i < 10; ++i) {
    add_trial(ablation, {i < 5 ? "x" : "y", std::to_string(i % 5)}, 90);
    ablation.trials.back().curves["iou_foreground"] = std::vector<double>(i == 2 ? 3 : 4, 10.0 * (i % 5));
  }
  const std::string page = ablation_page(ablation, ablation_tables(ablation), "");
  EXPECT_THAT(page, HasSubstr("<title>epoch 3\na=x 20\na=y 20</title>"));
  EXPECT_THAT(page, HasSubstr("<title>epoch 4\na=y 20</title>"));
}

TEST(AblationFiles, JsonHasNullsWhereThereIsNoNumber) {
  const auto json = nlohmann::json::parse(ablation_json(wild_names(), ablation_tables(wild_names())));
  const auto& values = json.at("figures")[0].at("axes")[0].at("values");
  EXPECT_TRUE(values[0].at("sd").is_null());
  EXPECT_EQ(values[1].at("difference").at("pairs"), 1);
  EXPECT_TRUE(values[1].at("difference").at("interval").is_null());
  EXPECT_EQ(json.at("trials")[0].at("settings").at("losses"), "a_b,\"c\"");
  EXPECT_EQ(json.at("figures")[0].at("best").at("trial"), "trial0");
}

TEST(AblationFiles, TheTerminalGetsTheFirstFigureOfEachMeasurement) {
  const Ablation ablation = two_losses();
  const std::string text = ablation_text(ablation, ablation_tables(ablation));
  EXPECT_THAT(
      text, StartsWith("sweep losses: 6 of 6 trials are finished.\n\nforeground IoU, validation by protocol "
                       "clova, val.txt, list sha256 aaaaaaaa, n = 134\n"));
  EXPECT_THAT(text, HasSubstr("both and mask are not distinguishable over 3 pairs"));
  EXPECT_THAT(text, HasSubstr("Best foreground IoU: 93.20 in trial trial5 (losses=both, trainer.seed=3)"));
  EXPECT_THAT(text, Not(HasSubstr("boundary F1")));
  EXPECT_THAT(text, HasSubstr("report.html has the same of boundary_f1_15\n"));
}

}  // namespace
}  // namespace portraitseg
