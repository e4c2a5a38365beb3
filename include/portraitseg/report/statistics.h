#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace portraitseg {

// What a difference between figures is worth. Plain functions over numbers: whoever calls them leaves out what has no figure.
// "Not a number" is the answer wherever a sample is too small for one; each function says when.

/// Both ends not a number: there is none.
struct Interval {
  double low = 0, high = 0;

  bool contains(double value) const { return low <= value && value <= high; }
};

constexpr double kConfidence = 0.95;              ///< of every interval unless told
constexpr double kSignificant = 1 - kConfidence;  ///< the highest p that tells a difference from 0

/// Not a number of none.
double mean(const std::vector<double>& values);

/// With n - 1 below the root. Not a number of fewer than two.
double standard_deviation(const std::vector<double>& values);

/// The p-quantile, 0 <= p <= 1, linear between order statistics at p (n - 1). Not a number of none.
/// Source  Hyndman and Fan 1996, definition 7; NumPy's and R's default.
double quantile(std::vector<double> values, double p);

// --- Student's t ---------------------------------------------------------------------------------------------------

/// P(|T| >= |t|) of Student's distribution with `degrees` > 0 of freedom, not necessarily whole: I_x(degrees / 2, 1 / 2) at
/// x = degrees / (degrees + t^2), the regularised incomplete beta function.
/// Source  Abramowitz and Stegun 1964, 26.7.1 and 26.5.8 (the continued fraction, by Lentz's method).
double student_two_sided(double t, double degrees);

/// The t with P(T <= t) = p, 0 < p < 1: bisection of the tail's probability, so that nothing cancels for p near 0 or 1.
double student_quantile(double p, double degrees);

/// mean +- t_{n-1} sd / sqrt(n). Not a number of fewer than two values; the mean itself where all are equal.
Interval t_interval(const std::vector<double>& values, double confidence = kConfidence);

/// Student's paired test: two-sided p of the mean of the differences being 0. Not a number of fewer than two differences. Where all
/// are 0 it is 1; where all are another number, to 1e-12 of it, there is no spread to judge it by and no p, as in R's t.test().
double paired_t_test(const std::vector<double>& differences);

/// The means of two independent samples whose variances may differ.
struct WelchComparison {
  double difference = 0;  ///< mean(a) - mean(b); not a number if either is empty
  Interval interval;      ///< not a number unless both have two values
  double degrees =
      0;         ///< of freedom, Satterthwaite's; not a number where the interval is or where no value varies
  double p = 0;  ///< two-sided; where no value varies 1 for equal means, else 0
};

/// Source  Welch 1947; degrees of freedom (va + vb)^2 / (va^2 / (na - 1) + vb^2 / (nb - 1)) with v = sd^2 / n.
WelchComparison welch(const std::vector<double>& a, const std::vector<double>& b,
                      double confidence = kConfidence);

// --- Resampling ----------------------------------------------------------------------------------------------------

/// Every draw is keyed by the seed and its number: same seed, same interval.
struct Resampling {
  std::int64_t resamples = 10000;
  std::uint64_t seed = 1;
  double confidence = kConfidence;
};

using Draw = std::vector<std::size_t>;  ///< indices into a sample, as many as it has members

/// Percentile interval of a statistic of n members drawn with replacement; resamples where it is not a number are left out.
/// Not a number for n < 2. Of pairs: draw the pairs, and let the statistic be their difference.
/// Source  Efron and Tibshirani 1993, ch. 13.
Interval bootstrap_interval(std::size_t n, const std::function<double(const Draw&)>& statistic,
                            const Resampling& how = {});

/// The same of a statistic of two independent samples. Not a number if either has fewer than two members.
Interval bootstrap_interval(std::size_t n_a, std::size_t n_b,
                            const std::function<double(const Draw& a, const Draw& b)>& statistic,
                            const Resampling& how = {});

/// Of the mean; with the differences of pairs it is the paired interval of the mean difference.
Interval bootstrap_mean(const std::vector<double>& values, const Resampling& how = {});

/// Of mean(a) - mean(b), samples that are not paired.
Interval bootstrap_mean_difference(const std::vector<double>& a, const std::vector<double>& b,
                                   const Resampling& how = {});

// --- Tests on pairs ------------------------------------------------------------------------------------------------

struct SignedRank {
  std::size_t n = 0;    ///< differences that are not 0
  double positive = 0;  ///< sum of the ranks of the positive ones
  double p = 1;         ///< two-sided; not a number without any difference, 1 if all are 0
  bool exact = true;
};

/// Wilcoxon's signed-rank test. Differences of 0 are dropped, equal ones share their mean rank. Up to 50 differences the p is
/// exact (all 2^n signs of the ranks, shared ones too), beyond it the normal approximation with variance
/// n (n + 1) (2n + 1) / 24 - sum of (t^3 - t) / 48 over ties of t, and 1/2 as correction of continuity.
/// Source  Wilcoxon 1945; Hollander, Wolfe and Chicken 2013, sec. 3.1.
SignedRank wilcoxon(const std::vector<double>& differences);

/// Two-sided permutation test on n pairs: how often a statistic is as far from 0 as the observed one when the members of any
/// pair are exchanged. Exact over all 2^n exchanges up to 14 pairs, else (b + 1) / (m + 1) with m = how.resamples random ones.
/// Values that differ by less than 1e-12 of the largest count as equal, one that is not a number as far. Not a number for n = 0,
/// or if the observed statistic is.
/// Source  Fisher 1935; Phipson and Smyth 2010 for (b + 1) / (m + 1).
/// @param statistic for each pair, whether it is exchanged; changes its sign if all pairs are
double exchange_test(std::size_t n,
                     const std::function<double(const std::vector<char>& exchanged)>& statistic,
                     const Resampling& how = {});

/// The same of the mean difference: exchanging a pair flips its difference's sign. 1 if all are 0.
double sign_flip_test(const std::vector<double>& differences, const Resampling& how = {});

/// p-values corrected for being several, in the given order: the i-th smallest of m becomes the largest of
/// min(1, (m - j + 1) p_j) over j <= i. Those that are not a number stay so and do not count.
/// Source  Holm 1979.
std::vector<double> holm(const std::vector<double>& p);

/// How likely a largest gap between the means of groups as large as the observed one is if the groups mean nothing: the values
/// are dealt to groups of the same sizes at random, (b + 1) / (m + 1). Not a number for fewer than two groups or an empty one.
double largest_gap_test(const std::vector<std::vector<double>>& groups, const Resampling& how = {});

}  // namespace portraitseg
