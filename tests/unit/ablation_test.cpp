#include "portraitseg/report/ablation.h"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/report/ablation_files.h"

#include "support/ablations.h"

namespace portraitseg {
namespace {

using testing::ablation_of;
using testing::add_trial;
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::evaluation;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsNan;
using testing::kNone;
using testing::kSha;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::two_losses;
using testing::validation;

std::string refusal(const Ablation& ablation, const AblationOptions& options) {
  try {
    ablation_tables(ablation, options);
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was wrong";
}

TEST(Ablation, MeansAndThePairedIntervalOfThreePairsAreThoseByHand) {
  const auto tables = ablation_tables(two_losses());
  ASSERT_THAT(tables, SizeIs(2));
  EXPECT_EQ(tables[0].title, "foreground IoU");
  EXPECT_EQ(tables[1].figure, "boundary_f1_15");
  ASSERT_THAT(tables[0].axes, SizeIs(1)) << "the seed is averaged over";
  const AxisTable& axis = tables[0].axes[0];
  EXPECT_EQ(axis.base, "mask");
  ASSERT_THAT(axis.rows, SizeIs(2));
  EXPECT_DOUBLE_EQ(axis.rows[0].sample.mean, 91.5);
  EXPECT_DOUBLE_EQ(axis.rows[0].sample.sd, 0.5);
  EXPECT_FALSE(axis.rows[0].difference);
  const MatchedDifference& both = *axis.rows[1].difference;
  ASSERT_THAT(both.differences, SizeIs(3));
  EXPECT_NEAR(both.mean, 2.6 / 3, 1e-12);
  // sd sqrt(0.52 / 3), its error sqrt(0.52) / 3; t = 2.6 / sqrt(0.52) = sqrt(13), and of two degrees p = 1 - t / sqrt(2 + t^2).
  const double half = 4.302652730 * std::sqrt(0.52) / 3;
  EXPECT_NEAR(both.interval.low, 2.6 / 3 - half, 1e-8);
  EXPECT_NEAR(both.interval.high, 2.6 / 3 + half, 1e-8);
  EXPECT_NEAR(both.p, 1 - std::sqrt(13.0 / 15), 1e-12);
  EXPECT_EQ(both.p_holm, both.p) << "one comparison";
  EXPECT_EQ(sentence(tables[0], axis, axis.rows[1]),
            "both and mask are not distinguishable over 3 pairs: foreground IoU differs by 0.87 [-0.17, "
            "1.90] (95 % "
            "paired t interval), p = 0.069 (paired t).");
  const AxisTable& boundary = tables[1].axes[0];
  EXPECT_LT(boundary.rows[1].difference->p, 0.001) << "5, 5.1 and 5";
  EXPECT_THAT(
      sentence(tables[1], boundary, boundary.rows[1]),
      StartsWith("Over 3 pairs boundary F1 (band 15 px) is higher for both than for mask, by 5.03 [4.89, "));
}

TEST(Ablation, TheBaseIsTheFirstValueOrTheOneAskedFor) {
  AblationOptions options;
  options.base = {{"losses", "both"}};
  const auto tables = ablation_tables(two_losses(), options);
  const AxisTable& axis = tables[0].axes[0];
  EXPECT_EQ(axis.base, "both");
  EXPECT_NEAR(axis.rows[0].difference->mean, -2.6 / 3, 1e-12);
  EXPECT_FALSE(axis.rows[1].difference);
  EXPECT_THAT(sentence(tables[1], tables[1].axes[0], tables[1].axes[0].rows[0]),
              HasSubstr("is higher for both than for mask, by 5.03"));
}

TEST(Ablation, OnlyTrialsThatAreEqualInAllElseMakeAPair) {
  Ablation ablation = ablation_of({"a", "b", "trainer.seed"});
  add_trial(ablation, {"0", "x", "1"}, 90);
  add_trial(ablation, {"0", "x", "2"}, kNone);
  add_trial(ablation, {"0", "y", "1"}, 80);
  add_trial(ablation, {"1", "x", "1"}, 91);
  add_trial(ablation, {"1", "x", "2"}, 99);
  add_trial(ablation, {"1", "y", "2"}, 70);
  const auto tables = ablation_tables(ablation);
  ASSERT_THAT(tables, SizeIs(1));
  ASSERT_THAT(tables[0].axes, SizeIs(2));
  const AxisRow& one = tables[0].axes[0].rows[1];
  EXPECT_THAT(one.difference->differences, ElementsAre(1)) << "91 - 90 alone";
  EXPECT_EQ(one.sample.values.size(), 3U);
  EXPECT_THAT(one.difference->interval.low, IsNan());
  EXPECT_THAT(one.difference->p, IsNan());
  EXPECT_THAT(
      sentence(tables[0], tables[0].axes[0], one),
      "foreground IoU of a=1 and a=0 differs by 1.00 in the one pair that there is (n = 1): nobody can say "
      "what another seed would give.");
  const AxisRow& zero = tables[0].axes[0].rows[0];
  EXPECT_EQ(zero.sample.trials, 3U);
  EXPECT_THAT(zero.sample.values, ElementsAre(90, 80));
  const AxisRow& y = tables[0].axes[1].rows[1];
  EXPECT_THAT(y.difference->differences, ElementsAre(-10, -29));
  EXPECT_EQ(tables[0].comparisons, 1U) << "that of a has no p";
  ASSERT_THAT(tables[0].variants, SizeIs(4));
  EXPECT_EQ(tables[0].variants[0].label, "a=0, b=x");
  EXPECT_THAT(tables[0].variants[2].sample.values, ElementsAre(91, 99));
  EXPECT_EQ(ablation.trials[tables[0].best].id, "trial4");
  EXPECT_EQ(tables[0].best_value, 99);
}

TEST(Ablation, ManyComparisonsAreCorrectedTogether) {
  Ablation ablation = two_losses();
  for (const auto& [seed, iou] : {std::pair("1", 91.1), std::pair("2", 91.7), std::pair("3", 92.2)})
    add_trial(ablation, {"boundary", seed}, iou);
  const auto tables = ablation_tables(ablation);
  const auto& rows = tables[0].axes[0].rows;
  // Differences 0.1, 0.2, 0.2: mean 1/6, error 1/30, t = 5.
  const double p = 1 - 5 / std::sqrt(27.0), other = 1 - std::sqrt(13.0 / 15);
  EXPECT_NEAR(rows[2].difference->p, p, 1e-9);
  EXPECT_NEAR(rows[2].difference->p_holm, 2 * p, 1e-9);
  EXPECT_NEAR(rows[1].difference->p_holm, std::max(2 * p, other), 1e-9);
  EXPECT_THAT(sentence(tables[0], tables[0].axes[0], rows[2]),
              HasSubstr("p = 0.038 (paired t), corrected for 2 comparisons 0.075 (Holm)"));
}

TEST(Ablation, WithoutAPairItSaysSo) {
  Ablation ablation = ablation_of({"losses", "trainer.seed"});
  add_trial(ablation, {"mask", "1"}, 90);
  add_trial(ablation, {"both", "1"}, kNone);
  const auto tables = ablation_tables(ablation);
  const AxisTable& axis = tables[0].axes[0];
  EXPECT_EQ(sentence(tables[0], axis, axis.rows[1]),
            "both and mask have no measured pair of trials that are given the same value in all else.");
  EXPECT_THAT(axis.rows[1].sample.mean, IsNan());
  EXPECT_THAT(axis.rows[0].sample.sd, IsNan());
  EXPECT_EQ(tables[0].comparisons, 0U);
}

TEST(Ablation, OfADrawnAxisNothingIsCompared) {
  Ablation ablation = ablation_of({"optimizer.lr"});
  for (const char* lr : {"0.001", "0.004", "0.0002"}) add_trial(ablation, {lr}, 90);
  const auto drawn = ablation_tables(ablation);
  EXPECT_FALSE(drawn[0].axes[0].drawn) << "alone it is what the trials differ in";
  ablation.axes.push_back("weight_decay");
  for (std::size_t i = 0; i < 3; ++i) ablation.trials[i].values.push_back(std::to_string(i));
  EXPECT_TRUE(ablation_tables(ablation)[0].axes[0].drawn);
}

TEST(Ablation, AGridIsNoDrawnOneHoweverLittleOfItIsMeasured) {
  Ablation ablation = ablation_of({"a"});
  add_trial(ablation, {"0"}, kNone);
  add_trial(ablation, {"1"}, 91);
  add_trial(ablation, {"2"}, kNone);
  EXPECT_FALSE(ablation_tables(ablation)[0].axes[0].drawn);
}

TEST(Ablation, EqualDifferencesHaveNeitherPNorInterval) {
  Ablation ablation = two_losses();
  ablation.measurements[0].trials[4]["boundary_f1_15"] = 86;
  const auto tables = ablation_tables(ablation);
  const AxisTable& axis = tables[1].axes[0];
  EXPECT_THAT(axis.rows[1].difference->p, IsNan());
  EXPECT_THAT(axis.rows[1].difference->interval.low, IsNan());
  EXPECT_FALSE(is_distinguishable(*axis.rows[1].difference));
  EXPECT_EQ(tables[1].comparisons, 0U);
  EXPECT_EQ(
      sentence(tables[1], axis, axis.rows[1]),
      "boundary F1 (band 15 px) of both and mask differs by 5.00 in each of 3 pairs: without a spread there "
      "is no test.");
  EXPECT_THAT(ablation_markdown(ablation, tables), HasSubstr("| +5.00 (n = 3) | 3 | - | - |"));
}

TEST(Ablation, OfSeedsAloneTheBaseHasMeanSpreadAndInterval) {
  Ablation ablation = ablation_of({"trainer.seed"});
  add_trial(ablation, {"1"}, 94.8);
  add_trial(ablation, {"2"}, 95.0);
  add_trial(ablation, {"3"}, 95.2);
  const auto tables = ablation_tables(ablation);
  EXPECT_THAT(tables[0].axes, IsEmpty());
  ASSERT_THAT(tables[0].variants, SizeIs(1));
  const FigureSample& sample = tables[0].variants[0].sample;
  EXPECT_NEAR(sample.mean, 95, 1e-9);
  EXPECT_NEAR(sample.sd, 0.2, 1e-9);
  EXPECT_NEAR(sample.interval.low, 95 - 0.49682754, 1e-7);
  EXPECT_THAT(ablation_markdown(ablation, tables),
              HasSubstr("| the base | 3 | 95.00 \xC2\xB1 0.20 | \\[94.50, 95.50\\] |"));
  EXPECT_THAT(ablation_text(ablation, tables), HasSubstr("the base  3   95.00 \xC2\xB1 0.20"));
  const std::string page = ablation_page(ablation, tables, "");
  EXPECT_THAT(page, HasSubstr("<td>the base</td><td class=\"figure\">3</td>"));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Settings and"))) << "there is nothing to draw";
}

TEST(Ablation, AveragedWeightsAreAMeasurementOfTheirOwn) {
  Ablation ablation = two_losses();
  TrialFigures test = evaluation(88);
  ablation.add(0, test);
  test.averaged = true;
  ablation.add(0, test);
  ablation.add(3, test);
  ASSERT_THAT(ablation.measurements, SizeIs(3));
  EXPECT_THAT(ablation.measurements[2].text(), HasSubstr("n = 134, averaged weights"));
  EXPECT_THROW(ablation.add(3, test), UserError) << "measured twice";
  const auto tables = ablation_tables(ablation);
  const std::string csv = ablation_csv(ablation, tables);
  EXPECT_THAT(csv, HasSubstr("\nevaluation,plain,clova,,test.txt,"));
  EXPECT_THAT(csv, HasSubstr("\nevaluation,averaged,clova,,test.txt,"));
}

TEST(Ablation, ShortNamesTellMeasurementsApart) {
  Ablation ablation = two_losses();
  TrialFigures test = evaluation(88);
  ablation.add(0, test);
  test.averaged = true;
  ablation.add(0, test);
  test.protocol = "clova+rotate:45";
  ablation.add(0, test);
  test.list_sha256 = std::string(64, 'c');
  ablation.add(0, test);
  std::vector<std::string> names;
  for (std::size_t m = 0; m < ablation.measurements.size(); ++m) names.push_back(ablation.short_name(m));
  EXPECT_THAT(names, ElementsAre("validation, clova", "clova, test.txt", "clova, test.txt, averaged weights",
                                 "clova+rotate:45, test.txt, averaged weights, list sha256 bbbbbbbb",
                                 "clova+rotate:45, test.txt, averaged weights, list sha256 cccccccc"));
}

TEST(Ablation, ValuesThatATrialWasNotGivenMakePairsButNoName) {
  Ablation ablation = two_losses();
  add_trial(ablation, {"none", "2"}, 90.5);
  ablation.trials[6].unnamed = {1};
  const auto tables = ablation_tables(ablation);
  EXPECT_THAT(tables[0].axes[0].rows[2].difference->differences, ElementsAre(-1)) << "to the seed 2";
  EXPECT_EQ(ablation.label(6), "losses=none");
  const auto json = nlohmann::json::parse(ablation_json(ablation, tables));
  EXPECT_EQ(json.at("trials")[6].at("settings"), nlohmann::json({{"losses", "none"}}));
}

TEST(Ablation, WithoutAFinishedTrialThereIsNothing) {
  Ablation ablation;
  ablation.name = "s";
  ablation.axes = {"losses"};
  add_trial(ablation, {"mask"}, kNone);
  EXPECT_THAT(ablation_tables(ablation), IsEmpty());
  EXPECT_EQ(progress_text(ablation), "0 of 1 trials are finished; 1 new.");
  EXPECT_THAT(ablation_page(ablation, {}, ""), HasSubstr("Nothing is measured yet"));
}

TEST(Ablation, PaperFiguresStandBesideTheValueAndTheVariantThatTheyAreOf) {
  Ablation ablation = ablation_of({"a", "b"});
  add_trial(ablation, {"0", "x"}, 90);
  add_trial(ablation, {"1", "x"}, 91);
  ablation.paper = "Somebody 2020, Table 1";
  ablation.paper_figures = {{{{"a", "1"}}, {{"iou_foreground", 95.5}}},
                            {{{"a", "0"}, {"b", "x"}}, {{"iou_foreground", 94.25}, {"miou", 93}}}};
  const auto tables = ablation_tables(ablation);
  EXPECT_FALSE(tables[0].axes[0].rows[0].sample.paper);
  EXPECT_EQ(tables[0].axes[0].rows[1].sample.paper, 95.5);
  EXPECT_EQ(tables[0].variants[0].sample.paper, 94.25);
  EXPECT_FALSE(tables[0].variants[1].sample.paper);
  EXPECT_THAT(ablation_markdown(ablation, tables), HasSubstr("| a=0, b=x | 1 | 90.00 | 94.25 |"));
  EXPECT_THAT(ablation_markdown(ablation, tables), HasSubstr("Paper: Somebody 2020, Table 1."));

  TrialFigures turned = validation(70);
  turned.validation = false;
  turned.protocol = "clova+rotate:45";
  ablation.add(0, turned);
  EXPECT_FALSE(ablation_tables(ablation)[1].variants[0].sample.paper) << "is not of rotated images";

  turned.protocol = "native";
  ablation.add(0, turned);
  EXPECT_EQ(ablation_tables(ablation)[2].variants[0].sample.paper, 94.25) << "no protocol is named";
  ablation.paper_protocol = "native";
  EXPECT_FALSE(ablation_tables(ablation)[0].variants[0].sample.paper);
  EXPECT_EQ(ablation_tables(ablation)[2].variants[0].sample.paper, 94.25);
  EXPECT_THAT(ablation_markdown(ablation, ablation_tables(ablation)),
              HasSubstr("Paper: Somebody 2020, Table 1, by the protocol native."));
}

TEST(Ablation, EvaluationsGetTablesOfTheirOwnAndTrialsWithoutOneAreCounted) {
  Ablation ablation = two_losses();
  TrialFigures test = evaluation(88);
  ablation.add(0, test);
  test.figures["iou_foreground"] = 89;
  ablation.add(3, test);
  const auto tables = ablation_tables(ablation);
  ASSERT_THAT(tables, SizeIs(3));
  const std::string too = "The same holds for the evaluation by clova, test.txt, which is on that list, too.";
  EXPECT_THAT(ablation_notes(ablation, tables), Not(::testing::Contains(too)));
  ablation.measurements[1].how.list_sha256 = kSha;
  EXPECT_THAT(ablation_notes(ablation, tables), ::testing::Contains(too));
  EXPECT_EQ(tables[2].measurement, 1U);
  EXPECT_EQ(tables[2].axes[0].rows[0].sample.trials, 3U);
  EXPECT_THAT(tables[2].axes[0].rows[1].difference->differences, ElementsAre(1));
  EXPECT_THAT(ablation_markdown(ablation, tables), HasSubstr("| mask | 1 of 3 | 88.00 |"));
}

TEST(Ablation, WhatIsNotMeasuredAlikeIsNotAveraged) {
  const auto refused = [](const TrialFigures& figures) {
    Ablation ablation = two_losses();
    ablation.trials.push_back(ablation.trials.back());
    try {
      ablation.add(6, figures);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was wrong");
  };
  TrialFigures other = validation(90);
  EXPECT_EQ(refused(other), "nothing was wrong");
  other.list_sha256 = std::string(64, 'b');
  EXPECT_THAT(refused(other), StartsWith("the trials trial0 and trial5 are not measured alike"));
  EXPECT_THAT(refused(other), HasSubstr("list sha256 bbbbbbbb"));
  other = validation(90);
  other.protocol = "native";
  EXPECT_THAT(refused(other), HasSubstr("protocol native"));
  other = validation(90);
  other.images = 133;
  EXPECT_THAT(refused(other), HasSubstr("n = 133"));
  Ablation ablation = two_losses();
  EXPECT_THROW(ablation.add(0, validation(90)), UserError) << "measured twice";
}

TEST(Ablation, WrongNamesAreRefusedWithTheKnownOnes) {
  const Ablation ablation = two_losses();
  AblationOptions options;
  options.by = {"loses"};
  EXPECT_EQ(refusal(ablation, options),
            "--by: no axis is called 'loses'; did you mean 'losses'?; known: losses, trainer.seed");
  options = {};
  options.base = {{"losses", "bth"}};
  EXPECT_EQ(refusal(ablation, options),
            "--base: losses has no value 'bth'; did you mean 'both'?; known: mask, both");
  options.base = {{"loss", "both"}};
  EXPECT_THAT(refusal(ablation, options),
              StartsWith("--base: no axis is called 'loss'; did you mean 'losses'?"));
  options.base = {{"trainer.seed", "2"}};
  EXPECT_EQ(refusal(ablation, options),
            "--base: trainer.seed is not among the compared axes (losses); --by names others");
  options = {};
  options.figures = {"iou_forground"};
  EXPECT_EQ(refusal(ablation, options),
            "--figure: no trial has the figure 'iou_forground'; did you mean 'iou_foreground'?; known: "
            "boundary_f1_15, "
            "iou_foreground");
}

TEST(Ablation, ASeedIsAveragedOverUnlessItIsAskedFor) {
  EXPECT_TRUE(is_seed("trainer.seed"));
  EXPECT_TRUE(is_seed("seed"));
  EXPECT_FALSE(is_seed("trainer.seeds"));
  EXPECT_FALSE(is_seed("linseed"));
  AblationOptions options;
  options.by = {"trainer.seed"};
  options.figures = {"iou_foreground"};
  const auto tables = ablation_tables(two_losses(), options);
  ASSERT_THAT(tables, SizeIs(1));
  EXPECT_THAT(tables[0].axes[0].rows[1].difference->differences,
              ElementsAre(DoubleEq(0.5), ::testing::DoubleNear(-0.1, 1e-12)));
}

TEST(Ablation, ABaseMayBeWrittenAsAnotherFormOfTheSameNumber) {
  Ablation ablation = ablation_of({"optimizer.lr"});
  for (const char* lr : {"0.001", "0.01"}) add_trial(ablation, {lr}, 90);
  AblationOptions options;
  options.base = {{"optimizer.lr", "1e-2"}};
  const auto tables = ablation_tables(ablation, options);
  EXPECT_EQ(tables[0].axes[0].base, "0.01");
  EXPECT_THAT(sentence(tables[0], tables[0].axes[0], tables[0].axes[0].rows[0]),
              HasSubstr("optimizer.lr=0.001 and optimizer.lr=0.01"))
      << "a number alone says little";
}

TEST(Ablation, OfAnErrorTheLowestIsTheBest) {
  Ablation ablation = ablation_of({"a"}, "mae");
  for (const char* value : {"0", "1", "2"}) add_trial(ablation, {value}, kNone);
  for (std::size_t i = 0; i < 3; ++i) {
    TrialFigures figures = validation(0);
    figures.figures = {{"mae", i == 1 ? 2 : 3}};
    ablation.add(i, figures);
  }
  EXPECT_EQ(ablation_tables(ablation)[0].best, 1U);
}

}  // namespace
}  // namespace portraitseg
