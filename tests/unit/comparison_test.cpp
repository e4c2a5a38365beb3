#include "portraitseg/report/comparison.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/random.h"
#include "portraitseg/report/comparison_table.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsNan;
using ::testing::Not;

constexpr double kExact = 1e-9;

EvaluationResult result_of(const std::vector<double>& iou, const std::string& folder = "a") {
  EvaluationResult result;
  result.folder = folder;
  result.protocol = "clova";
  result.protocol_hash = "hash";
  result.list = "test.txt";
  result.list_sha256 = "sha";
  result.figures = {{"iou_foreground", 0}};
  result.means = {"iou_foreground", "boundary_f1_15"};
  for (std::size_t i = 0; i < iou.size(); ++i) result.ids.push_back(std::to_string(1000 + i));
  result.numbers["iou_foreground"] = iou;
  return result;
}

std::vector<double> draws(std::size_t n, std::uint64_t key, double middle, double spread = 3) {
  Random random(3, Purpose::kSynthesize, {key});
  std::vector<double> values(n);
  for (auto& value : values) value = middle + spread * random.normal();
  return values;
}

Comparison compare_two(const EvaluationResult& a, const EvaluationResult& b, bool force = false) {
  ComparisonOptions options;
  options.force = force;
  return compare({{"A", {a}}, {"B", {b}}}, options);
}

std::string refusal_of(const EvaluationResult& a, const EvaluationResult& b) {
  try {
    compare_two(a, b);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Compare, DifferenceAndCountsByHand) {
  const Comparison all = compare_two(result_of({90, 80, 70, 60}), result_of({89, 82, 70, 56}));
  ASSERT_EQ(all.pairs.size(), 1U);
  const PairedComparison& pair = all.pairs[0];
  EXPECT_NEAR(pair.value_a, 75, kExact);
  EXPECT_NEAR(pair.value_b, 74.25, kExact);
  EXPECT_NEAR(pair.difference, 0.75, kExact);  // 1, -2, 0, 4
  EXPECT_EQ(pair.higher, 2U);
  EXPECT_EQ(pair.lower, 1U);
  EXPECT_EQ(pair.images, 4U);
  EXPECT_EQ(pair.p, 12.0 / 16);       // of the sums 7, 5, 3, 1 only 1 is nearer to 0 than 3
  EXPECT_EQ(pair.wilcoxon, 6.0 / 8);  // ranks 1 and 3 of 1, 2, 3: sums 4, 2 and those further from 3
  EXPECT_EQ(pair.p_holm, pair.p);
}

TEST(Compare, TheOtherWayRoundIsTheNegative) {
  const auto a = result_of(draws(60, 1, 95)), b = result_of(draws(60, 2, 94));
  const PairedComparison ab = compare_two(a, b).pairs[0], ba = compare_two(b, a).pairs[0];
  EXPECT_EQ(ab.difference, -ba.difference);
  EXPECT_NEAR(ab.interval.low, -ba.interval.high, kExact);
  EXPECT_NEAR(ab.interval.high, -ba.interval.low, kExact);
  EXPECT_EQ(ab.p, ba.p);
  EXPECT_EQ(ab.wilcoxon, ba.wilcoxon);
  EXPECT_EQ(ab.higher, ba.lower);
}

TEST(Compare, EqualResultsDifferByZeroAndTheSentenceSaysSo) {
  const auto a = result_of(draws(30, 1, 95));
  const Comparison all = compare_two(a, a);
  EXPECT_EQ(all.pairs[0].difference, 0);
  EXPECT_EQ(all.pairs[0].interval.low, 0);
  EXPECT_EQ(all.pairs[0].interval.high, 0);
  EXPECT_EQ(all.pairs[0].p, 1);
  EXPECT_EQ(all.pairs[0].wilcoxon, 1);
  EXPECT_THAT(sentence(all.pairs[0], all), HasSubstr("A and B do not differ in "));
}

TEST(Compare, TheSentenceClaimsADifferenceOnlyWhereThereIsOne) {
  const auto a = result_of(draws(100, 1, 95)), near = result_of(draws(100, 2, 95.1));
  auto higher = a;
  for (auto& value : higher.numbers["iou_foreground"]) value += 1 + 0.01 * std::sin(value);
  const Comparison same = compare_two(a, near), apart = compare_two(a, higher);
  EXPECT_THAT(
      sentence(same.pairs[0], same),
      AllOf(HasSubstr("A and B are not distinguishable on these 100 images"), HasSubstr("(permutation)")));
  EXPECT_THAT(sentence(apart.pairs[0], apart),
              AllOf(HasSubstr("is higher for B than for A, by 1.0"), HasSubstr("p < 0.001"),
                    Not(HasSubstr("image by image"))));
}

/// Most images a little higher, a few much lower: the mean and the ranks speak of different things.
TEST(Compare, TheSentenceSaysWhereTheImagesSpeakAgainstTheMean) {
  std::vector<double> a(100, 90.0), b(100, 89.5);
  for (std::size_t i = 0; i < 10; ++i) b[i] = 94 + static_cast<double>(i % 3);
  const Comparison all = compare_two(result_of(a), result_of(b));
  EXPECT_THAT(sentence(all.pairs[0], all),
              AllOf(HasSubstr("not distinguishable"), HasSubstr("<0.001 (Wilcoxon)"),
                    HasSubstr("image by image A is higher on 90 and lower on 10")));
}

TEST(Compare, HolmCountsAllPairsAndFigures) {
  std::vector<Contender> three;
  for (const std::uint64_t key : {1, 2, 3}) {
    auto result = result_of(draws(20, key, 95), std::to_string(key));
    result.figures.emplace_back("boundary_f1_15", 0);
    result.numbers["boundary_f1_15"] = draws(20, key + 10, 85);
    three.push_back({std::to_string(key), {result}});
  }
  const Comparison all = compare(three, {});
  ASSERT_EQ(all.pairs.size(), 6U);
  std::vector<double> p, corrected;
  for (const auto& pair : all.pairs) {
    p.push_back(pair.p);
    corrected.push_back(pair.p_holm);
  }
  EXPECT_EQ(corrected, holm(p));
  EXPECT_EQ(all.pairs[1].figure, "boundary_f1_15");
  EXPECT_EQ(all.pairs[4].a, "2");
  EXPECT_EQ(all.pairs[4].b, "3");
}

TEST(Compare, ImagesWithoutTheFigureAreLeftOutAndCounted) {
  const double none = std::nan("");
  const Comparison all = compare_two(result_of({90, none, 70, 60}), result_of({89, 82, none, 56}));
  EXPECT_EQ(all.pairs[0].images, 2U);
  EXPECT_EQ(all.pairs[0].left_out, 2U);
  EXPECT_NEAR(all.pairs[0].difference, 2.5, kExact);
  EXPECT_THAT(comparison_table(all), HasSubstr("2 images without"));
  EXPECT_THAT(refusal_of(result_of({90, none}), result_of({none, 80})), HasSubstr("no image has the figure"));
}

/// Figures of the whole list have no Wilcoxon; everything else comes from the columns.
TEST(Compare, AFigureOfTheWholeListIsResampledFromItsColumns) {
  auto a = result_of(draws(12, 1, 95)), b = a;
  for (auto* result : {&a, &b}) {
    result->figures.emplace_back("iou_foreground_set", 0);
    const bool is_a = result == &a;
    for (int i = 0; i < 12; ++i) {
      result->numbers["tp"].push_back(100 + 10 * i - (is_a ? 0 : 2 + i % 3));
      result->numbers["fp"].push_back(5 + i);
      result->numbers["fn"].push_back(4 + (is_a ? 0 : 2 + i % 3));
      result->numbers["tn"].push_back(100);
    }
  }
  ComparisonOptions options;
  options.figures = {"iou_foreground_set"};
  const Comparison all = compare({{"A", {a}}, {"B", {b}}}, options);
  const PairedComparison& pair = all.pairs.at(0);
  // tp: 1860, and 36 fewer; fp 126; fn 48.
  EXPECT_NEAR(pair.value_a, 100 * 1860.0 / (1860 + 126 + 48), kExact);
  EXPECT_NEAR(pair.difference, 100 * 36.0 / (1860 + 126 + 48), kExact);
  EXPECT_GT(pair.interval.low, 0);
  EXPECT_LT(pair.interval.low, pair.difference);
  EXPECT_EQ(pair.p, 2.0 / 4096);  // a is better on every image
  EXPECT_THAT(pair.wilcoxon, IsNan());
  EXPECT_THAT(sentence(pair, all), HasSubstr("foreground IoU (whole list) is higher for A than for B"));

  GroupOptions by;
  by.name = "tp";
  by.smallest = 3;
  const FigureByGroup table = by_group("A", a, "iou_foreground_set", image_groups(a, by), by);
  EXPECT_NEAR(table.groups[0].value, 100 * 330.0 / (330 + 18 + 12), kExact);  // the images 0, 1, 2
  EXPECT_THAT(table.gap.p, IsNan());
  EXPECT_GT(table.gap.interval.low, 0);
}

TEST(Compare, OtherProtocolsListsAndImagesAreRefusedNamingBoth) {
  const auto a = result_of({90, 80, 70});
  auto protocol = result_of({90, 80, 70}, "b"), list = protocol, images = protocol;
  protocol.protocol = "native";
  protocol.protocol_hash = "another";
  list.list_sha256 = "another";
  images.ids = {"1000", "1001", "7"};
  std::sort(images.ids.begin(), images.ids.end());
  EXPECT_THAT(refusal_of(a, protocol),
              HasSubstr("protocols differ: a has clova (hash), b has native (another)"));
  EXPECT_THAT(refusal_of(a, list), HasSubstr("lists differ: a has test.txt (sha256 sha), b has test.txt"));
  EXPECT_THAT(refusal_of(a, images), HasSubstr("images differ: a alone has 1 (1002), b alone has 1 (7)"));
  EXPECT_THAT(refusal_of(a, images), HasSubstr("--force"));
}

TEST(Compare, ForcedItIsOverTheCommonImagesAndSaysSoEverywhere) {
  const auto a = result_of({90, 80, 70});
  auto b = result_of({50, 88, 79}, "b");
  b.ids = {"0999", "1000", "1001"};
  const Comparison all = compare_two(a, b, true);
  EXPECT_EQ(all.images, 2U);
  EXPECT_NEAR(all.pairs[0].difference, 1.5, kExact);  // 90 - 88, 80 - 79
  EXPECT_THAT(all.warnings, ElementsAre(HasSubstr("images differ")));
  EXPECT_THAT(comparison_table(all), HasSubstr("forced, over the 2 images that all have: images differ"));
  EXPECT_THAT(comparison_json(all), HasSubstr("\"forced\": [\n    \"images differ"));
  EXPECT_THAT(sentence(all.pairs[0], all), HasSubstr("Forced: "));
  b.ids = {"1", "2", "3"};
  EXPECT_THROW(compare_two(a, b, true), UserError);
}

TEST(CompareSeeds, MeanSpreadAndWelch) {
  const auto trainings = [](const std::vector<double>& means, const std::string& folder) {
    std::vector<EvaluationResult> results;
    for (const double value : means) results.push_back(result_of({value - 1, value + 1}, folder));
    return results;
  };
  const Comparison all =
      compare({{"A", trainings({94.8, 95.0, 95.2}, "a")}, {"B", trainings({94.1, 94.3}, "b")}}, {});
  ASSERT_EQ(all.seeds.size(), 1U);
  EXPECT_THAT(all.pairs, IsEmpty());
  const SeedComparison& seeds = all.seeds[0];
  EXPECT_NEAR(seeds.a.mean, 95, kExact);
  EXPECT_NEAR(seeds.a.sd, 0.2, kExact);
  EXPECT_NEAR(seeds.a.interval.high, 95 + 0.49682754, 1e-7);
  EXPECT_NEAR(seeds.welch.difference, 0.8, kExact);
  EXPECT_EQ(seeds.welch.p, welch({94.8, 95.0, 95.2}, {94.1, 94.3}).p);
  EXPECT_THAT(sentence(seeds, all), HasSubstr("Welch interval over 3 and 2 trainings"));
  EXPECT_THAT(comparison_table(all), HasSubstr("What varies: the training."));

  const Comparison single = compare({{"A", trainings({94.8, 95.0}, "a")}, {"B", trainings({94}, "b")}}, {});
  EXPECT_THAT(single.seeds[0].welch.p, IsNan());
  EXPECT_THAT(sentence(single.seeds[0], single), HasSubstr("nobody can say what another seed would give"));
}

/// 60 images: 25 of f, 25 of m, 6 of x, 4 without.
EvaluationResult grouped_result() {
  std::vector<double> iou = draws(60, 5, 95, 1);
  for (std::size_t i = 25; i < 50; ++i) iou[i] -= 4;
  auto result = result_of(iou);
  auto& gender = result.attributes["gender"];
  gender.assign(60, "f");
  std::fill(gender.begin() + 25, gender.begin() + 50, "m");
  std::fill(gender.begin() + 50, gender.begin() + 56, "x");
  std::fill(gender.begin() + 56, gender.end(), "");
  return result;
}

TEST(ByGroup, MeansIntervalsAndTheLargestGap) {
  const auto result = grouped_result();
  GroupOptions options;
  options.name = "gender";
  const FigureByGroup table = by_group("A", result, "iou_foreground", image_groups(result, options), options);
  ASSERT_EQ(table.groups.size(), 4U);
  const auto& iou = result.numbers.at("iou_foreground");
  const std::vector<double> f(iou.begin(), iou.begin() + 25), m(iou.begin() + 25, iou.begin() + 50);
  EXPECT_EQ(table.groups[0].group, "f");
  EXPECT_EQ(table.groups[0].images, 25U);
  EXPECT_NEAR(table.groups[0].value, mean(f), kExact);
  EXPECT_NEAR(table.groups[0].interval.low, bootstrap_mean(f).low, kExact);
  EXPECT_FALSE(table.groups[1].left_out);
  EXPECT_TRUE(table.groups[2].left_out);  // 6 images
  EXPECT_EQ(table.groups[3].group, "(none)");
  EXPECT_EQ(table.groups[3].images, 4U);
  EXPECT_TRUE(table.groups[3].left_out);
  EXPECT_EQ(table.gap.higher, "f");
  EXPECT_EQ(table.gap.lower, "m");
  EXPECT_NEAR(table.gap.difference, mean(f) - mean(m), kExact);
  EXPECT_NEAR(table.gap.interval.low, bootstrap_mean_difference(f, m).low, kExact);
  EXPECT_LT(table.gap.p, 0.001);

  options.smallest = 30;
  EXPECT_EQ(by_group("A", result, "iou_foreground", image_groups(result, options), options).gap.higher, "");
}

TEST(ByGroup, AttributesOfATableAndItsStrangers) {
  const auto result = grouped_result();
  GroupOptions options;
  options.name = "age";
  options.attributes = {{"1000", "old"}, {"1001", "young"}, {"strange", "old"}};
  const FigureByGroup table = by_group("A", result, "iou_foreground", image_groups(result, options), options);
  ASSERT_EQ(table.groups.size(), 3U);
  EXPECT_EQ(table.groups[0].group, "old");
  EXPECT_EQ(table.groups[0].images, 1U);
  EXPECT_THAT(table.groups[0].interval.low, IsNan());
  EXPECT_EQ(table.groups[2].images, 58U);
  options.attributes = {{"strange", "old"}};
  EXPECT_THROW(image_groups(result, options), UserError);
}

TEST(ByGroup, NumbersAreCutIntoQuartilesWithTheirBounds) {
  auto result = result_of({1, 2, 3, 4, 5, 6, 7, 8, 9});
  result.numbers["brightness"] = {80, 70, 60, 50, 40, 30, 20, 10, std::nan("")};
  GroupOptions options;
  options.name = "brightness";
  options.smallest = 2;
  const FigureByGroup table = by_group("A", result, "iou_foreground", image_groups(result, options), options);
  std::vector<std::string> names;
  for (const auto& group : table.groups) {
    names.push_back(group.group);
    EXPECT_EQ(group.images, group.group == "(none)" ? 1U : 2U);
  }
  EXPECT_THAT(names, ElementsAre("10 to 27.5", "27.5 to 45", "45 to 62.5", "62.5 to 80", "(none)"));
  EXPECT_NEAR(table.groups[0].value, 7.5, kExact);
  EXPECT_EQ(table.gap.higher, "10 to 27.5");
  EXPECT_EQ(table.gap.lower, "62.5 to 80");
}

}  // namespace
}  // namespace portraitseg
