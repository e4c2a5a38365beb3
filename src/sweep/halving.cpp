#include "portraitseg/sweep/halving.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace portraitseg {
namespace {

using State = TrialHistory::State;

const Names<EarlyStopping> kNames = {{"none", EarlyStopping::kNone}, {"asha", EarlyStopping::kAsha}};

/// The best 1/factor of the trials that have reached a rung, the best first.
/// @param values of each trial at its rungs
std::vector<std::size_t> best_at(std::size_t rung, const std::vector<std::vector<double>>& values,
                                 std::int64_t factor) {
  std::vector<std::size_t> trials;
  std::size_t reached = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].size() <= rung) continue;
    ++reached;
    if (!std::isnan(values[i][rung])) trials.push_back(i);
  }
  std::stable_sort(trials.begin(), trials.end(),
                   [&](std::size_t a, std::size_t b) { return values[a][rung] > values[b][rung]; });
  trials.resize(std::min(trials.size(), reached / static_cast<std::size_t>(factor)));
  return trials;
}

}  // namespace

void EarlyStoppingOptions::fields(Fields& f) {
  f.choice("name", name, kNames, "whether trials that fall behind are stopped, and how");
  f("first", first, "epochs to the first rung", {1, 1e9});
  f("factor", factor, "one in so many goes on from a rung; the next one is at so many times its epochs",
    {2, 1000});
  f("figure", figure, "of the validation, by which trials are compared; '': evaluation.select_by");
  f.check(name == EarlyStopping::kNone || first > 0, "first",
          "say after how many epochs trials are compared for the first time");
  f.check(name != EarlyStopping::kNone || first == 0, "first", "is of {name: asha}; no name is given");
}

std::vector<std::int64_t> EarlyStoppingOptions::rungs(std::int64_t epochs) const {
  std::vector<std::int64_t> rungs;
  if (name == EarlyStopping::kNone) return rungs;
  for (std::int64_t epoch = first; epoch < epochs; epoch *= factor) rungs.push_back(epoch);
  return rungs;
}

void Halving::fields(Fields& f) {
  f("rungs", rungs, "epochs at which trials are compared; none: they are not");
  f("factor", factor, "one in so many goes on from a rung", {2, 1000});
  f("figure", figure, "of the validation, by which trials are compared");
  const bool ascend = std::adjacent_find(rungs.begin(), rungs.end(), std::greater_equal<>()) == rungs.end();
  f.check(rungs.empty() || (rungs.front() > 0 && ascend), "rungs", "expected epochs, ascending");
  f.check(rungs.empty() || !figure.empty(), "figure", "the trials are compared by none");
}

std::vector<double> Halving::values(const TrialHistory& trial) const {
  std::vector<double> values;
  for (const std::int64_t epoch : rungs) {
    const auto rung = std::find_if(trial.rungs.begin(), trial.rungs.end(), [&](const RungFigure& r) {
      return r.epoch == epoch && r.figure == figure;
    });
    if (rung == trial.rungs.end()) break;
    values.push_back(rung->value);
  }
  return values;
}

std::int64_t Halving::until(const TrialHistory& trial) const {
  const std::size_t reached = values(trial).size();
  return reached < rungs.size() ? rungs[reached] : 0;
}

bool Halving::waits(const TrialHistory& trial) const {
  // Of rungs that the sweep had before it was given others, it goes on to the first of these.
  return trial.state == State::kStoppedEarly && !values(trial).empty();
}

std::optional<std::size_t> Halving::promotion(const std::vector<TrialHistory>& trials) const {
  std::vector<std::vector<double>> values;
  for (const TrialHistory& trial : trials)
    values.push_back(trial.state == State::kFailed ? std::vector<double>() : this->values(trial));
  for (std::size_t rung = rungs.size(); rung-- > 0;) {
    for (const std::size_t i : best_at(rung, values, factor)) {
      if (values[i].size() == rung + 1 && trials[i].state == State::kStoppedEarly) return i;
    }
  }
  return std::nullopt;
}

std::vector<std::int64_t> Halving::most_trained(std::int64_t trials) const {
  std::vector<std::int64_t> most = {trials};
  while (most.size() <= rungs.size()) most.push_back(std::max<std::int64_t>(0, most.back() - (factor - 1)));
  return most;
}

std::vector<std::int64_t> Halving::usually_trained(std::int64_t trials) const {
  std::vector<std::int64_t> usual = {trials};
  while (usual.size() <= rungs.size()) usual.push_back(usual.back() / factor);
  return usual;
}

std::int64_t Halving::fewest_trials() const {
  std::int64_t trials = 1;
  for (std::size_t i = 0; i < rungs.size(); ++i) trials *= factor;
  return trials;
}

}  // namespace portraitseg
