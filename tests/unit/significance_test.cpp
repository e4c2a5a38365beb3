#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <gmock/gmock.h>

#include "portraitseg/core/random.h"
#include "portraitseg/report/statistics.h"

namespace portraitseg {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsNan;
using Values = std::vector<double>;

constexpr double kExact = 1e-12;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Values negated(Values values) {
  for (auto& value : values) value = -value;
  return values;
}

Values normal_values(std::size_t n, std::uint64_t key, double shift = 0) {
  Random random(7, Purpose::kSynthesize, {key});
  Values values(n);
  for (auto& value : values) value = shift + random.normal();
  return values;
}

TEST(MeanAndSpread, ByHandAndOfTooFew) {
  EXPECT_NEAR(mean({1, 2, 6}), 3, kExact);
  EXPECT_NEAR(standard_deviation({1, 2, 6}), std::sqrt(7.0), kExact);  // (4 + 1 + 9) / 2
  EXPECT_THAT(mean({}), IsNan());
  EXPECT_THAT(standard_deviation({1}), IsNan());
  EXPECT_NEAR(quantile({4, 1, 3, 2}, 0.25), 1.75, kExact);
  EXPECT_EQ(quantile({4, 1, 3, 2}, 1), 4);
  EXPECT_THAT(quantile({}, 0.5), IsNan());
}

/// The 0.975 and the 0.995 quantile, as every table has them (NIST/SEMATECH e-Handbook, 1.3.6.7.2, and more digits).
TEST(Student, QuantilesAreThoseOfTheTables) {
  const std::vector<std::array<double, 3>> table = {
      {1, 12.706204736, 63.656741162}, {2, 4.302652730, 9.924843201},   {3, 3.182446305, 5.840909310},
      {5, 2.570581836, 4.032142984},   {10, 2.228138852, 3.169272673},  {30, 2.042272456, 2.749995654},
      {120, 1.979930405, 2.617421145}, {1e6, 1.959966357, 2.575834220},
  };
  for (const auto& [degrees, q975, q995] : table) {
    EXPECT_NEAR(student_quantile(0.975, degrees), q975, 2e-8 * q975) << degrees;
    EXPECT_NEAR(student_quantile(0.995, degrees), q995, 2e-8 * q995) << degrees;
    EXPECT_NEAR(student_quantile(0.025, degrees), -q975, 2e-8 * q975) << degrees;
  }
}

TEST(Student, ClosedFormsOfOneAndTwoDegreesHoldInTheFarTail) {
  for (const double p : {0.6, 0.9, 0.999, 1 - 1e-9}) {
    EXPECT_NEAR(student_quantile(p, 1) / std::tan(M_PI * (p - 0.5)), 1, 1e-6) << p;
    EXPECT_NEAR(student_quantile(p, 2) / ((2 * p - 1) / std::sqrt(2 * p * (1 - p))), 1, 1e-6) << p;
  }
  for (const double t : {0.0, 1e-6, 0.3, 2.0, 40.0, 1e6}) {
    EXPECT_NEAR(student_two_sided(t, 1), 2 / M_PI * std::atan2(1, t), 1e-13) << t;
    EXPECT_NEAR(student_two_sided(t, 2), 1 - t / std::sqrt(2 + t * t), 1e-13) << t;
    EXPECT_EQ(student_two_sided(-t, 3.7), student_two_sided(t, 3.7));
  }
}

/// Of two degrees of freedom p is 1 - t / sqrt(2 + t^2); of nine it is that of R's sleep data, t.test(paired = TRUE).
TEST(Student, PairedTestByHandAndOfAPublishedExample) {
  EXPECT_NEAR(paired_t_test({1.0, 0.4, 1.2}), 1 - std::sqrt(13.0 / 15), kExact);
  EXPECT_NEAR(paired_t_test({-1.0, -0.4, -1.2}), 1 - std::sqrt(13.0 / 15), kExact);
  EXPECT_NEAR(paired_t_test({1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4}), 0.00283289, 1e-8);
  EXPECT_EQ(paired_t_test({0, 0, 0}), 1);
  EXPECT_THAT(paired_t_test({0.5, 0.5}), IsNan()) << "no spread to judge it by";
  EXPECT_THAT(paired_t_test({0.1 + 0.2, 0.3, 0.3}), IsNan()) << "equal but for their last digit";
  EXPECT_EQ(paired_t_test({-1, 1}), 1);
  EXPECT_THAT(paired_t_test({0.5}), IsNan());
  EXPECT_THAT(paired_t_test({}), IsNan());
}

TEST(Student, IntervalOfThreeSeedsByHand) {
  // mean 95, sd 0.2, t = 4.30265: half width 4.30265 * 0.2 / sqrt(3).
  const Interval interval = t_interval({94.8, 95.0, 95.2});
  EXPECT_NEAR(interval.low, 95 - 0.49682754, 1e-7);
  EXPECT_NEAR(interval.high, 95 + 0.49682754, 1e-7);
  EXPECT_THAT(t_interval({95}).low, IsNan());
  EXPECT_THAT(t_interval({}).high, IsNan());
  EXPECT_EQ(t_interval({95, 95}).low, 95);
  EXPECT_EQ(t_interval({95, 95}).high, 95);
}

TEST(Student, WelchByHandAndOfTooFew) {
  // a: mean 3, variance 2.5, n 5; b: mean 6, variance 10, n 5. se = sqrt(0.5 + 2), degrees = 2.5^2 / (0.25/4 + 4/4).
  const WelchComparison result = welch({1, 2, 3, 4, 5}, {2, 4, 6, 8, 10});
  EXPECT_NEAR(result.difference, -3, kExact);
  EXPECT_NEAR(result.degrees, 6.25 / 1.0625, kExact);
  EXPECT_NEAR(result.p, student_two_sided(3 / std::sqrt(2.5), 6.25 / 1.0625), kExact);
  EXPECT_NEAR(result.p, 0.1075, 5e-4);
  EXPECT_NEAR(result.interval.high + result.interval.low, -6, 1e-9);
  EXPECT_NEAR(student_two_sided((result.interval.high + 3) / std::sqrt(2.5), result.degrees), 0.05, 1e-9);

  EXPECT_EQ(welch({1}, {2, 3}).difference, -1.5);
  EXPECT_THAT(welch({1}, {2, 3}).p, IsNan());
  EXPECT_THAT(welch({1}, {2, 3}).interval.low, IsNan());
  EXPECT_THAT(welch({}, {2, 3}).difference, IsNan());
  EXPECT_EQ(welch({2, 2}, {2, 2}).p, 1);
  EXPECT_EQ(welch({2, 2}, {3, 3}).p, 0);
  EXPECT_EQ(welch({2, 2}, {3, 3}).interval.low, -1);
}

/// The means of all n^n resamples, sorted.
Values all_resampled_means(const Values& values) {
  Values means;
  const auto n = values.size();
  const auto count = static_cast<std::size_t>(std::pow(n, n));
  for (std::size_t code = 0; code < count; ++code) {
    double sum = 0;
    for (std::size_t i = 0, rest = code; i < n; ++i, rest /= n) sum += values[rest % n];
    means.push_back(sum / static_cast<double>(n));
  }
  return means;
}

TEST(Bootstrap, DrawsTheDistributionOfAllResamples) {
  const Values values = {1, 2.5, 4, 7, 11};
  const Values all = all_resampled_means(values);
  const Interval interval = bootstrap_mean(values);
  EXPECT_NEAR(interval.low, quantile(all, 0.025), 0.31);
  EXPECT_NEAR(interval.high, quantile(all, 0.975), 0.31);
  const Interval narrow = bootstrap_mean(values, {10000, 1, 0.5});
  EXPECT_NEAR(narrow.low, quantile(all, 0.25), 0.11);
  EXPECT_NEAR(narrow.high, quantile(all, 0.75), 0.11);
}

/// Where the interval covers the truth far more or far less often than it says, the method is wrong.
TEST(Bootstrap, CoversTheMeanAboutAsOftenAsItSays) {
  constexpr int kExperiments = 400;
  int covered = 0, difference_covered = 0;
  for (int i = 0; i < kExperiments; ++i) {
    const auto key = static_cast<std::uint64_t>(i);
    const Values a = normal_values(40, 2 * key, 3), b = normal_values(25, 2 * key + 1, 1);
    covered += bootstrap_mean(a, {400, key, 0.9}).contains(3) ? 1 : 0;
    difference_covered += bootstrap_mean_difference(a, b, {400, key, 0.9}).contains(2) ? 1 : 0;
  }
  // 90 %: 360, standard deviation 6; the percentile interval is a little too narrow.
  for (const int count : {covered, difference_covered}) {
    EXPECT_GT(count, 335);
    EXPECT_LT(count, 380);
  }
}

TEST(Bootstrap, SameSeedSameIntervalAndNoneOfTooFew) {
  const Values values = normal_values(30, 1);
  const Interval first = bootstrap_mean(values), again = bootstrap_mean(values);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(bootstrap_mean(values, {10000, 2}).low, first.low);
  const Interval mirrored = bootstrap_mean(negated(values));
  EXPECT_NEAR(mirrored.low, -first.high, kExact);
  EXPECT_NEAR(mirrored.high, -first.low, kExact);

  EXPECT_THAT(bootstrap_mean({}).low, IsNan());
  EXPECT_THAT(bootstrap_mean({3}).low, IsNan());
  EXPECT_THAT(bootstrap_mean_difference({3}, {1, 2}).high, IsNan());
  EXPECT_EQ(bootstrap_mean({0, 0, 0}).low, 0);
  EXPECT_EQ(bootstrap_mean({0, 0, 0}).high, 0);
}

TEST(Bootstrap, ResamplesWithoutTheStatisticAreLeftOut) {
  const auto unless_first_is_missing = [](const Draw& members) {
    return std::count(members.begin(), members.end(), 0U) == 0 ? kNone : 5.0;
  };
  EXPECT_EQ(bootstrap_interval(3, unless_first_is_missing).low, 5);
  EXPECT_THAT(bootstrap_interval(3, [](const Draw&) { return kNone; }).low, IsNan());
}

/// All 2^n signs, without the library's way of counting.
double enumerated_wilcoxon(const Values& differences) {
  Values sizes;
  for (const double d : differences) {
    if (d != 0) sizes.push_back(std::abs(d));
  }
  const auto rank = [&](double size) {
    double smaller = 0, equal = 0;
    for (const double other : sizes) {
      smaller += other < size ? 1 : 0;
      equal += other == size ? 1 : 0;
    }
    return smaller + (equal + 1) / 2;
  };
  double observed = 0, total = 0, as_far = 0;
  for (const double d : differences) observed += d > 0 ? rank(d) : 0;
  for (const double size : sizes) total += rank(size);
  const std::size_t count = std::size_t{1} << sizes.size();
  for (std::size_t signs = 0; signs < count; ++signs) {
    double sum = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) sum += (signs >> i & 1) == 1 ? rank(sizes[i]) : 0;
    if (std::abs(sum - total / 2) >= std::abs(observed - total / 2)) ++as_far;
  }
  return as_far / static_cast<double>(count);
}

TEST(Wilcoxon, SmallSamplesEqualTheEnumerationOfAllSigns) {
  const std::vector<Values> samples = {{1},
                                       {1, -2},
                                       {0.3, -1.2, 2.5, 4, 5.5, -0.1},
                                       {1, 1, 1, 2, -2, 3, 0, 0},  // ties and zeros
                                       {-1, 1},
                                       normal_values(11, 3, 0.5)};
  for (const auto& sample : samples) {
    const SignedRank result = wilcoxon(sample);
    EXPECT_TRUE(result.exact);
    EXPECT_NEAR(result.p, enumerated_wilcoxon(sample), kExact);
    EXPECT_EQ(wilcoxon(negated(sample)).p, result.p);
  }
  const SignedRank ranked = wilcoxon({1, 1, 1, 2, -2, 3, 0, 0});
  EXPECT_EQ(ranked.n, 6U);
  EXPECT_EQ(ranked.positive, 2 + 2 + 2 + 4.5 + 6);
}

/// Hollander and Wolfe's example of depression scores, which R's documentation of wilcox.test has: V = 40, p = 0.03906.
TEST(Wilcoxon, APublishedExample) {
  const Values before = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
  const Values after = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
  Values differences;
  for (std::size_t i = 0; i < before.size(); ++i) differences.push_back(before[i] - after[i]);
  const SignedRank result = wilcoxon(differences);
  EXPECT_EQ(result.positive, 40);
  EXPECT_NEAR(result.p, 0.0390625, kExact);
}

TEST(Wilcoxon, LargeSamplesAreCorrectedForTiesAndContinuity) {
  // 60 differences: 40 of +1, 20 of -1, all of rank 30.5. Sum of positive 1220, expected 915, variance 60 * 30.5^2 / 4.
  Values ties(60, 1.0);
  std::fill(ties.begin(), ties.begin() + 20, -1.0);
  const SignedRank result = wilcoxon(ties);
  EXPECT_FALSE(result.exact);
  EXPECT_EQ(result.positive, 1220);
  EXPECT_NEAR(result.p, std::erfc(304.5 / std::sqrt(60 * 30.5 * 30.5 / 4) / std::sqrt(2)), kExact);
  // Without ties the two ways meet: 50 are exact, and the 51st changes little.
  Values values = normal_values(51, 9, 0.25);
  values.back() = 1e-9;
  const double approximate = wilcoxon(values).p;
  values.pop_back();
  const SignedRank exact = wilcoxon(values);
  EXPECT_TRUE(exact.exact);
  EXPECT_NEAR(approximate, exact.p, 0.01);
}

TEST(Wilcoxon, NoDifferenceAndNone) {
  EXPECT_THAT(wilcoxon({}).p, IsNan());
  const SignedRank zeros = wilcoxon({0, 0, 0});
  EXPECT_EQ(zeros.p, 1);
  EXPECT_EQ(zeros.n, 0U);
}

TEST(SignFlip, SmallSamplesByHand) {
  EXPECT_EQ(sign_flip_test({1, 2, 3}), 2.0 / 8);   // only all signs alike reach 6
  EXPECT_EQ(sign_flip_test({1, 2, -3}), 1);        // a sum of 0 is always reached
  EXPECT_EQ(sign_flip_test({-1, 2, 3}), 4.0 / 8);  // +-6 and +-4
  EXPECT_EQ(sign_flip_test({0.1, 0.2, -0.3}), 1);  // though 0.1 + 0.2 - 0.3 is not quite 0
  EXPECT_EQ(sign_flip_test({5}), 1);
  EXPECT_EQ(sign_flip_test({0, 0}), 1);
  EXPECT_THAT(sign_flip_test({}), IsNan());
}

TEST(SignFlip, RandomSignsComeNearTheNormalApproximationAndNeverReachZero) {
  const Values values = normal_values(200, 4, 0.12);
  const double p = sign_flip_test(values);
  const double z = mean(values) * std::sqrt(200.0) / standard_deviation(values);
  EXPECT_NEAR(p, std::erfc(std::abs(z) / std::sqrt(2)), 0.02);
  EXPECT_EQ(sign_flip_test(negated(values)), p);
  EXPECT_EQ(sign_flip_test(values), p);
  EXPECT_NEAR(sign_flip_test(normal_values(200, 4, 3), {999, 1}), 0.001, kExact);
}

TEST(Holm, AHandComputedExample) {
  // Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04 -> the last is raised to its predecessor.
  EXPECT_THAT(holm({0.03, 0.01, 0.04, 0.02}),
              ElementsAre(DoubleNear(0.06, kExact), DoubleNear(0.04, kExact), DoubleNear(0.06, kExact),
                          DoubleNear(0.06, kExact)));
  EXPECT_THAT(holm({0.6, 0.7}), ElementsAre(1, 1));
  EXPECT_THAT(holm({0.2}), ElementsAre(0.2));
  EXPECT_THAT(holm({}), ElementsAre());
  EXPECT_THAT(holm({kNone, 0.02, 0.03}),
              ElementsAre(IsNan(), DoubleNear(0.04, kExact), DoubleNear(0.04, kExact)));
}

TEST(LargestGap, FindsAGroupThatIsApartAndNotOneThatIsNot) {
  const Values a = normal_values(30, 11), b = normal_values(30, 12), c = normal_values(30, 13, 1.5);
  EXPECT_LT(largest_gap_test({a, b, c}, {1000}), 0.01);
  EXPECT_GT(largest_gap_test({a, b}, {1000}), 0.05);
  EXPECT_EQ(largest_gap_test({{1, 1}, {1, 1}}, {100}), 1);
  EXPECT_THAT(largest_gap_test({a}), IsNan());
  EXPECT_THAT(largest_gap_test({a, {}}), IsNan());
}

}  // namespace
}  // namespace portraitseg
