#include "portraitseg/sweep/halving.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "portraitseg/core/random.h"

namespace portraitseg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = TrialHistory::State;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const Halving kHalving = {{1, 3}, 3, "miou"};  // of trainings of nine epochs

/// A trial that has reached as many rungs as there are figures.
TrialHistory trial(const std::vector<double>& figures, State state = State::kStoppedEarly) {
  TrialHistory history;
  history.state = state;
  for (std::size_t i = 0; i < figures.size(); ++i)
    history.rungs.push_back({kHalving.rungs[i], "miou", figures[i]});
  return history;
}

/// The trials of a sweep and what becomes of them, without their trainings.
class Simulation {
 public:
  /// @param figures of each trial at each rung
  explicit Simulation(std::vector<std::vector<double>> figures)
      : trials(figures.size()), figures_(std::move(figures)) {}

  /// What a free worker takes: "C0" is the third trial to the first rung, "C2" it to its end. "": nothing
  std::string begin() {
    auto next = kHalving.promotion(trials);
    for (std::size_t i = 0; !next && i < trials.size(); ++i) {
      if (trials[i].state == State::kNew) next = i;
    }
    if (!next) return "";
    trials[*next].state = State::kUnfinished;
    running.push_back(*next);
    return std::string(1, static_cast<char>('A' + *next)) + std::to_string(rungs_of(*next));
  }

  /// The training of running[i] comes to its rung or its end.
  void end(std::size_t i) {
    const std::size_t t = running[i], rung = rungs_of(t);
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    if (rung < kHalving.rungs.size()) {
      trials[t].rungs.push_back({kHalving.rungs[rung], "miou", figures_[t][rung]});
      trials[t].state = State::kStoppedEarly;
    } else {
      trials[t].state = State::kFinished;
    }
  }

  std::size_t rungs_of(std::size_t i) const { return trials[i].rungs.size(); }

  std::size_t count(const std::function<bool(const TrialHistory&)>& holds) const {
    return static_cast<std::size_t>(std::count_if(trials.begin(), trials.end(), holds));
  }

  std::vector<TrialHistory> trials;
  std::vector<std::size_t> running;

 private:
  std::vector<std::vector<double>> figures_;
};

TEST(HalvingOptions, RungsAreBelowTheEndOfTheTraining) {
  const EarlyStoppingOptions asha = {EarlyStopping::kAsha, 3, 3, ""};
  EXPECT_THAT(asha.rungs(27), ElementsAre(3, 9));
  EXPECT_THAT(asha.rungs(28), ElementsAre(3, 9, 27));
  EXPECT_THAT(asha.rungs(3), IsEmpty());
  EXPECT_THAT(EarlyStoppingOptions().rungs(27), IsEmpty());
}

// Algorithm 2 by hand, r = 1, R = 9, eta = 3, one worker. Behind C the first rung has three trials, of which C is the best; behind D
// four, of which one may go on, and that is D now; behind F six, of which F and D may. Then F is the best of three at the second
// rung, which comes before new trials. G and H change nothing. Behind I nine have reached the first rung: I is among the best three.
TEST(Halving, TakesTrialsInTheOrderOfThePapersAlgorithm) {
  Simulation sweep({{10, 0}, {20, 0}, {30, 31}, {40, 42}, {5, 0}, {50, 45}, {35, 0}, {36, 0}, {45, 44}});
  std::vector<std::string> order;
  for (std::string job = sweep.begin(); !job.empty(); job = sweep.begin()) {
    order.push_back(job);
    sweep.end(0);
  }
  EXPECT_THAT(
      order, ElementsAre("A0", "B0", "C0", "C1", "D0", "D1", "E0", "F0", "F1", "F2", "G0", "H0", "I0", "I1"));
  EXPECT_EQ(sweep.count([](const auto& t) { return t.state == State::kFinished; }), 1U);
  EXPECT_EQ(sweep.count([](const auto& t) { return kHalving.waits(t); }), 8U);
}

TEST(Halving, WithTwoWorkersOneOfThemBeginsANewTrialWhereNoneMayGoOn) {
  Simulation sweep({{10, 0}, {20, 0}, {30, 31}, {40, 42}});
  EXPECT_EQ(sweep.begin(), "A0");
  EXPECT_EQ(sweep.begin(), "B0");
  sweep.end(1);
  EXPECT_EQ(sweep.begin(), "C0");
  sweep.end(1);
  EXPECT_EQ(sweep.begin(), "D0") << "two at the rung";
  sweep.end(1);
  EXPECT_EQ(sweep.begin(), "D1") << "B, C and D are there, A is not";
  EXPECT_EQ(sweep.begin(), "") << "the worker waits";
  sweep.end(0);
  EXPECT_EQ(sweep.begin(), "");
}

TEST(Halving, TheHighestRungComesFirst) {
  const auto low = trial({90}), high = trial({50, 60});
  EXPECT_EQ(kHalving.promotion({low, trial({1}), trial({2}), high, trial({51, 59}), trial({52, 58})}), 3U);
}

TEST(Halving, TheBestOfSeveralComesFirstAndOfEqualOnesTheEarlier) {
  EXPECT_EQ(kHalving.promotion({trial({1}), trial({2}), trial({8}), trial({9}), trial({3}), trial({4})}), 3U);
  EXPECT_EQ(kHalving.promotion({trial({1}), trial({7}), trial({7})}), 1U);
  EXPECT_EQ(kHalving.promotion({trial({0}), trial({0}), trial({0})}), 0U);
  EXPECT_EQ(kHalving.promotion({trial({7}, State::kUnfinished), trial({7}), trial({7})}), std::nullopt)
      << "the best third went on before";
}

TEST(Halving, OfTooFewNoneGoesOn) {
  EXPECT_EQ(kHalving.promotion({}), std::nullopt);
  EXPECT_EQ(kHalving.promotion({trial({1}), trial({2}), trial({}, State::kUnfinished)}), std::nullopt);
}

TEST(Halving, AFigureThatIsNotANumberNeverGoesOnButHasReachedTheRung) {
  EXPECT_EQ(kHalving.promotion({trial({kNan}), trial({kNan}), trial({kNan})}), std::nullopt);
  EXPECT_EQ(kHalving.promotion({trial({kNan}), trial({kNan}), trial({-1})}), 2U);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(kHalving.promotion({trial({kNan}), trial({-infinity}), trial({0})}), 2U);
}

TEST(Halving, AFailedTrialCountsAtNoRung) {
  EXPECT_EQ(kHalving.promotion({trial({1}), trial({2}), trial({9}, State::kFailed)}), std::nullopt);
  const std::vector<TrialHistory> four = {trial({1}), trial({2}), trial({3}), trial({9}, State::kUnfinished)};
  EXPECT_EQ(kHalving.promotion(four), std::nullopt) << "one of four, and it is on its way";
  std::vector<TrialHistory> three = four;
  three[3].state = State::kFailed;
  EXPECT_EQ(kHalving.promotion(three), 2U) << "its place is free";
}

TEST(Halving, FinishedTrialsCountAtTheRungsThatTheyReached) {
  EXPECT_EQ(kHalving.promotion({trial({9, 9}, State::kFinished), trial({8}), trial({1})}), std::nullopt);
  EXPECT_EQ(kHalving.promotion({trial({5, 9}, State::kFinished), trial({8}), trial({1})}), 1U);
}

TEST(Halving, OnlyTheFigureAndTheRungsOfTheSweepCount) {
  TrialHistory other = trial({50});
  EXPECT_EQ(kHalving.until(other), 3);
  EXPECT_TRUE(kHalving.waits(other));
  other.rungs[0].figure = "iou_foreground";
  EXPECT_EQ(kHalving.until(other), 1) << "its figure is looked up where it is";
  EXPECT_FALSE(kHalving.waits(other));
  EXPECT_EQ(kHalving.promotion({other, trial({1}), trial({2})}), std::nullopt);
  other.rungs.push_back({1, "miou", 60});
  EXPECT_EQ(kHalving.promotion({other, trial({1}), trial({2})}), 0U);
  const TrialHistory last = trial({50, 60});
  EXPECT_EQ(kHalving.until(last), 0);
  EXPECT_EQ(Halving().until(last), 0);
  EXPECT_FALSE(Halving().waits(last)) << "early stopping was taken out of the sweep";
}

/// How many trials were trained to each rung, and to the end.
std::vector<std::int64_t> trained(const Simulation& sweep) {
  std::vector<std::int64_t> counts;
  for (std::size_t rung = 0; rung < 2; ++rung) {
    counts.push_back(
        static_cast<std::int64_t>(sweep.count([&](const auto& t) { return t.rungs.size() > rung; })));
  }
  counts.push_back(
      static_cast<std::int64_t>(sweep.count([](const auto& t) { return t.state == State::kFinished; })));
  return counts;
}

TEST(Halving, IfEachTrialIsBetterThanAllBeforeItMostAreTrained) {
  for (const std::size_t n : {1, 2, 3, 5, 9, 20}) {
    std::vector<std::vector<double>> figures;
    for (std::size_t i = 0; i < n; ++i) figures.push_back({static_cast<double>(i), static_cast<double>(i)});
    Simulation sweep(figures);
    while (!sweep.begin().empty()) sweep.end(0);
    EXPECT_EQ(trained(sweep), kHalving.most_trained(static_cast<std::int64_t>(n))) << n;
  }
  EXPECT_THAT(kHalving.most_trained(9), ElementsAre(9, 7, 5));
  EXPECT_THAT(kHalving.usually_trained(9), ElementsAre(9, 3, 1));
  EXPECT_THAT(Halving().most_trained(9), ElementsAre(9));
}

/// How many that have reached a rung are better than a trial there, or as good and earlier.
std::size_t better(const std::vector<TrialHistory>& trials, std::size_t t, std::size_t rung) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    if (trials[i].rungs.size() <= rung || i == t) continue;
    const double a = trials[i].rungs[rung].value, b = trials[t].rungs[rung].value;
    if (a > b || (a == b && i < t)) ++count;
  }
  return count;
}

TEST(Halving, InAnyOrderOnlyTrialsOfTheBestShareGoOnAndAllOfThemAtLast) {
  std::size_t beyond = 0;  // rungs of which more than the share went on, since better trials came late
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed, Purpose::kShuffle);
    const auto n = static_cast<std::size_t>(random.integer(1, 26));
    const auto workers = static_cast<std::size_t>(random.integer(1, 5));
    std::vector<std::vector<double>> figures(n);
    for (auto& rungs : figures) {
      for (int i = 0; i < 2; ++i)  // with many ties
        rungs.push_back(random.chance(0.1) ? kNan : static_cast<double>(random.integer(0, 20)));
    }
    Simulation sweep(figures);
    const auto share = [&](std::size_t rung) {
      return sweep.count([&](const auto& t) { return t.rungs.size() > rung; }) / 3;
    };
    for (;;) {
      while (sweep.running.size() < workers) {
        const auto before = sweep.trials;
        if (sweep.begin().empty()) break;
        const std::size_t taken = sweep.running.back(), rungs = sweep.rungs_of(taken);
        if (rungs == 0) continue;
        EXPECT_EQ(before[taken].state, State::kStoppedEarly);
        EXPECT_FALSE(std::isnan(before[taken].rungs.back().value));
        EXPECT_LT(better(before, taken, rungs - 1), share(rungs - 1)) << "seed " << seed;
      }
      if (sweep.running.empty()) break;
      sweep.end(
          static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(sweep.running.size()) - 1)));
    }
    for (std::size_t rung = 0; rung < 2; ++rung) {
      std::size_t went_on = 0;
      for (std::size_t t = 0; t < n; ++t) {
        if (sweep.rungs_of(t) <= rung) continue;
        const bool on = sweep.rungs_of(t) > rung + 1 || sweep.trials[t].state == State::kFinished;
        if (on) ++went_on;
        if (on || std::isnan(figures[t][rung])) continue;
        EXPECT_GE(better(sweep.trials, t, rung), share(rung)) << "seed " << seed << ": it was left behind";
      }
      if (went_on > share(rung)) ++beyond;
    }
    const auto counts = trained(sweep), most = kHalving.most_trained(static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < counts.size(); ++i) EXPECT_LE(counts[i], most[i]) << "seed " << seed;
  }
  EXPECT_GT(beyond, 0U) << "no order was one in which the paper's algorithm takes too many";
}

}  // namespace
}  // namespace portraitseg
