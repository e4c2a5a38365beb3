#include "portraitseg/report/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "portraitseg/core/random.h"

namespace portraitseg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr Interval kNoInterval = {kNone, kNone};
constexpr std::size_t kExactRanks = 50;  // 2^50 is exact in a double
constexpr std::size_t kExactPairs = 14;
constexpr double kEqual = 1e-12;

/// What keys the draws of one use apart from another's.
enum class Use : std::uint64_t { kBootstrap = 1, kExchange = 2, kDeal = 3 };

Random draws(const Resampling& how, Use use, std::int64_t resample) {
  return Random(how.seed, Purpose::kResample,
                {static_cast<std::uint64_t>(use), static_cast<std::uint64_t>(resample)});
}

/// The continued fraction of I_x(a, b), converging fast for x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr int kTerms = 100000;  // about sqrt(max(a, b)) are needed
  constexpr double kTiny = 1e-300;
  const auto at_least_tiny = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1, d = 1 / at_least_tiny(1 - (a + b) * x / (a + 1)), result = d;
  for (int m = 1; m < kTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double factor = 1;
    for (const double term : {even, odd}) {
      d = 1 / at_least_tiny(1 + term * d);
      c = at_least_tiny(1 + term / c);
      factor = c * d;
      result *= factor;
    }
    if (std::abs(factor - 1) < 1e-16) break;
  }
  return result;
}

/// @param rest 1 - x, given apart so that it keeps its digits
double incomplete_beta(double a, double b, double x, double rest) {
  if (x <= 0) return 0;
  if (rest <= 0) return 1;
  const double factor =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(rest));
  if (x < (a + 1) / (a + b + 2)) return factor * beta_fraction(a, b, x) / a;
  return 1 - factor * beta_fraction(b, a, rest) / b;
}

Draw draw(std::size_t n, Random& random) {
  Draw members(n);
  for (auto& member : members)
    member = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(n) - 1));
  return members;
}

Interval percentile_interval(std::vector<double> values, double confidence) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
               values.end());
  std::sort(values.begin(), values.end());
  return {quantile(values, (1 - confidence) / 2), quantile(values, (1 + confidence) / 2)};
}

double mean_of(const std::vector<double>& values, const Draw& members) {
  double sum = 0;
  for (const std::size_t member : members) sum += values[member];
  return sum / static_cast<double>(members.size());
}

/// Twice the rank of each size among all, from 1: whole numbers, shared ranks too. `sizes` ascend.
std::vector<std::size_t> doubled_ranks(const std::vector<double>& sizes) {
  std::vector<std::size_t> ranks(sizes.size());
  for (std::size_t first = 0; first < sizes.size();) {
    std::size_t end = first;
    while (end < sizes.size() && sizes[end] == sizes[first]) ++end;
    for (std::size_t i = first; i < end; ++i) ranks[i] = first + 1 + end;
    first = end;
  }
  return ranks;
}

/// Two-sided, over all signs of the ranks.
double exact_signed_rank(const std::vector<std::size_t>& ranks, std::size_t positive) {
  const std::size_t total = std::accumulate(ranks.begin(), ranks.end(), std::size_t{0});
  std::vector<double> ways(total + 1, 0.0);  // to reach each sum
  ways[0] = 1;
  for (const std::size_t rank : ranks) {
    for (std::size_t sum = total + 1; sum-- > rank;) ways[sum] += ways[sum - rank];
  }
  const std::size_t smaller = std::min(positive, total - positive);  // the distribution is symmetric
  const double tail =
      std::accumulate(ways.begin(), ways.begin() + static_cast<std::ptrdiff_t>(smaller) + 1, 0.0);
  return std::min(1.0, 2 * tail * std::pow(0.5, ranks.size()));
}

double approximate_signed_rank(const std::vector<std::size_t>& ranks, double positive) {
  // The sum of the squared ranks is n (n + 1) (2n + 1) / 6 less (t^3 - t) / 12 for each tie.
  double squares = 0, total = 0;
  for (const std::size_t doubled : ranks) {
    const double rank = static_cast<double>(doubled) / 2;
    squares += rank * rank;
    total += rank;
  }
  const double distance = std::max(0.0, std::abs(positive - total / 2) - 0.5);
  return std::erfc(distance / std::sqrt(squares / 4) / std::sqrt(2.0));
}

double largest_gap(const std::vector<double>& values, const std::vector<std::size_t>& ends) {
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    const auto at = [&](std::size_t i) { return values.begin() + static_cast<std::ptrdiff_t>(i); };
    const double group_mean = std::accumulate(at(begin), at(end), 0.0) / static_cast<double>(end - begin);
    lowest = std::min(lowest, group_mean);
    highest = std::max(highest, group_mean);
    begin = end;
  }
  return highest - lowest;
}

}  // namespace

double mean(const std::vector<double>& values) {
  if (values.empty()) return kNone;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(const std::vector<double>& values) {
  if (values.size() < 2) return kNone;
  const double middle = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - middle) * (value - middle);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double quantile(std::vector<double> values, double p) {
  if (values.empty()) return kNone;
  std::sort(values.begin(), values.end());
  const double place = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

double student_two_sided(double t, double degrees) {
  const double square = t * t;
  if (std::isinf(square)) return 0;
  return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square));
}

double student_quantile(double p, double degrees) {
  const double two_sided = 2 * std::min(p, 1 - p);
  double low = 0, high = 1;
  while (student_two_sided(high, degrees) > two_sided) high *= 2;
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (student_two_sided(middle, degrees) > two_sided ? low : high) = middle;
  }
  return p < 0.5 ? -low : low;
}

Interval t_interval(const std::vector<double>& values, double confidence) {
  if (values.size() < 2) return kNoInterval;
  const auto n = static_cast<double>(values.size());
  const double half =
      student_quantile((1 + confidence) / 2, n - 1) * standard_deviation(values) / std::sqrt(n);
  return {mean(values) - half, mean(values) + half};
}

double paired_t_test(const std::vector<double>& differences) {
  if (differences.size() < 2) return kNone;
  const auto n = static_cast<double>(differences.size());
  const double size = mean(differences), sd = standard_deviation(differences);
  if (sd == 0 && size == 0) return 1;
  if (sd <= kEqual * std::abs(size)) return kNone;
  return student_two_sided(size / (sd / std::sqrt(n)), n - 1);
}

WelchComparison welch(const std::vector<double>& a, const std::vector<double>& b, double confidence) {
  WelchComparison result = {mean(a) - mean(b), kNoInterval, kNone, kNone};
  if (a.size() < 2 || b.size() < 2) return result;
  const auto variance_of_mean = [](const std::vector<double>& values) {
    return standard_deviation(values) * standard_deviation(values) / static_cast<double>(values.size());
  };
  const double va = variance_of_mean(a), vb = variance_of_mean(b), error = std::sqrt(va + vb);
  if (error == 0) {
    result.interval = {result.difference, result.difference};
    result.p = result.difference == 0 ? 1 : 0;
    return result;
  }
  result.degrees =
      (va + vb) * (va + vb) /
      (va * va / static_cast<double>(a.size() - 1) + vb * vb / static_cast<double>(b.size() - 1));
  const double half = student_quantile((1 + confidence) / 2, result.degrees) * error;
  result.interval = {result.difference - half, result.difference + half};
  result.p = student_two_sided(result.difference / error, result.degrees);
  return result;
}

Interval bootstrap_interval(std::size_t n, const std::function<double(const Draw&)>& statistic,
                            const Resampling& how) {
  if (n < 2) return kNoInterval;
  std::vector<double> values;
  for (std::int64_t i = 0; i < how.resamples; ++i) {
    Random random = draws(how, Use::kBootstrap, i);
    values.push_back(statistic(draw(n, random)));
  }
  return percentile_interval(std::move(values), how.confidence);
}

Interval bootstrap_interval(std::size_t n_a, std::size_t n_b,
                            const std::function<double(const Draw& a, const Draw& b)>& statistic,
                            const Resampling& how) {
  if (n_a < 2 || n_b < 2) return kNoInterval;
  std::vector<double> values;
  for (std::int64_t i = 0; i < how.resamples; ++i) {
    Random random = draws(how, Use::kBootstrap, i);
    const Draw a = draw(n_a, random);
    const Draw b = draw(n_b, random);
    values.push_back(statistic(a, b));
  }
  return percentile_interval(std::move(values), how.confidence);
}

Interval bootstrap_mean(const std::vector<double>& values, const Resampling& how) {
  return bootstrap_interval(
      values.size(), [&](const Draw& members) { return mean_of(values, members); }, how);
}

Interval bootstrap_mean_difference(const std::vector<double>& a, const std::vector<double>& b,
                                   const Resampling& how) {
  return bootstrap_interval(
      a.size(), b.size(),
      [&](const Draw& of_a, const Draw& of_b) { return mean_of(a, of_a) - mean_of(b, of_b); }, how);
}

SignedRank wilcoxon(const std::vector<double>& differences) {
  std::vector<double> rest;
  std::copy_if(differences.begin(), differences.end(), std::back_inserter(rest),
               [](double d) { return d != 0; });
  std::sort(rest.begin(), rest.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  std::vector<double> sizes;
  for (const double difference : rest) sizes.push_back(std::abs(difference));
  const std::vector<std::size_t> ranks = doubled_ranks(sizes);
  std::size_t positive = 0;
  for (std::size_t i = 0; i < rest.size(); ++i) positive += rest[i] > 0 ? ranks[i] : 0;

  SignedRank result;
  result.n = rest.size();
  result.positive = static_cast<double>(positive) / 2;
  result.exact = rest.size() <= kExactRanks;
  if (differences.empty()) {
    result.p = kNone;
  } else if (result.exact) {
    // Twice the mean ranks of ties are whole, so that sums of them are, too.
    result.p = exact_signed_rank(ranks, positive);
  } else {
    result.p = approximate_signed_rank(ranks, result.positive);
  }
  return result;
}

double exchange_test(std::size_t n,
                     const std::function<double(const std::vector<char>& exchanged)>& statistic,
                     const Resampling& how) {
  std::vector<char> exchanged(n, 0);
  const double observed = statistic(exchanged);
  if (n == 0 || std::isnan(observed)) return kNone;
  const bool exact = n <= kExactPairs;
  const std::int64_t count = exact ? std::int64_t{1} << n : how.resamples;
  std::vector<double> sizes;
  double largest = std::abs(observed);
  for (std::int64_t i = 0; i < count; ++i) {
    Random random = draws(how, Use::kExchange, i);
    for (std::size_t k = 0; k < n; ++k) {
      const bool bit = exact ? (i >> k & 1) == 1 : random.chance(0.5);
      exchanged[k] = bit ? 1 : 0;
    }
    sizes.push_back(std::abs(statistic(exchanged)));
    largest = std::max(largest, sizes.back());
  }
  const double nearest = std::abs(observed) - kEqual * largest;
  const auto as_far = static_cast<double>(std::count_if(
      sizes.begin(), sizes.end(), [&](double size) { return std::isnan(size) || size >= nearest; }));
  return exact ? as_far / static_cast<double>(count) : (as_far + 1) / static_cast<double>(count + 1);
}

double sign_flip_test(const std::vector<double>& differences, const Resampling& how) {
  return exchange_test(
      differences.size(),
      [&](const std::vector<char>& exchanged) {
        double sum = 0;
        for (std::size_t i = 0; i < differences.size(); ++i)
          sum += exchanged[i] != 0 ? -differences[i] : differences[i];
        return sum;
      },
      how);
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (!std::isnan(p[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> corrected(p.size(), kNone);
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(order.size() - i) * p[order[i]]));
    corrected[order[i]] = largest;
  }
  return corrected;
}

double largest_gap_test(const std::vector<std::vector<double>>& groups, const Resampling& how) {
  std::vector<double> values;
  std::vector<std::size_t> ends;
  for (const auto& group : groups) {
    if (group.empty()) return kNone;
    values.insert(values.end(), group.begin(), group.end());
    ends.push_back(values.size());
  }
  if (groups.size() < 2) return kNone;
  const double observed = largest_gap(values, ends);
  double as_large = 0;
  for (std::int64_t i = 0; i < how.resamples; ++i) {
    Random random = draws(how, Use::kDeal, i);
    std::vector<double> dealt;
    for (const auto from : permutation(static_cast<std::int64_t>(values.size()), random))
      dealt.push_back(values[static_cast<std::size_t>(from)]);
    if (largest_gap(dealt, ends) >= observed * (1 - kEqual)) ++as_large;
  }
  return (as_large + 1) / static_cast<double>(how.resamples + 1);
}

}  // namespace portraitseg
