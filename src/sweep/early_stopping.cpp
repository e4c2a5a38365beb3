#include "early_stopping.h"

#include <algorithm>
#include <string>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/metrics/metrics.h"

#include "axes.h"

namespace portraitseg {
namespace {

const RunConfig& last_stage(const Trial& trial) {
  return trial.plan.stages.back().config;
}

/// What figures have to have in common beside their name.
std::string validation_of(const RunConfig& config) {
  DataConfig data = config.data;
  const DataConfig defaults;
  data.train_list = defaults.train_list;
  data.workers = defaults.workers;
  data.cache = defaults.cache;
  return config.evaluation.protocol + "\n" + ConfigWriter::yaml(data);
}

/// What a validation gives.
std::vector<std::string> figures_of(const RunConfig& config) {
  const std::int64_t classes = std::max<std::int64_t>(2, config.model.options->num_classes);
  std::vector<std::string> names;
  for (const Metric& metric : recorded_metrics(protocols().at(config.evaluation.protocol), classes)) {
    for (const Figure& figure : metric.figures) {
      names.push_back(figure.name);
      if (config.trainer.ema_decay > 0) names.push_back(kEma + figure.name);
    }
  }
  return names;
}

class Section {
 public:
  explicit Section(const ConfigNode& node) : node_(node) {}

  [[noreturn]] void refuse(const std::string& key, const std::string& message) const {
    const ConfigNode* const value = key.empty() ? nullptr : node_.find(key);
    fail(value != nullptr ? value->place : node_.place,
         "early_stopping" + (key.empty() ? "" : "." + key) + ": " + message);
  }

 private:
  const ConfigNode& node_;
};

void require_comparable(const Section& section, const Trial& first, const Trial& trial) {
  const RunConfig &a = last_stage(first), &b = last_stage(trial);
  const std::string trials = first.label() + " and " + trial.label();
  if (a.trainer.epochs != b.trainer.epochs)
    section.refuse("", fmt::format("needs trials of the same length: {} have {} and {} epochs", trials,
                                   a.trainer.epochs, b.trainer.epochs));
  if (validation_of(a) != validation_of(b))
    section.refuse("", "needs figures that can be compared: " + trials +
                           " are validated by other protocols or on other data");
}

std::string figure_of(const EarlyStoppingOptions& options, const Section& section,
                      const std::vector<Trial>& trials) {
  const std::string figure =
      options.figure.empty() ? last_stage(trials.front()).evaluation.select_by : options.figure;
  for (const Trial& trial : trials) {
    const std::string& selected_by = last_stage(trial).evaluation.select_by;
    if (options.figure.empty() && selected_by != figure)
      section.refuse("", "say by which figure trials are compared; they are selected by " + figure + " and " +
                             selected_by);
    const std::vector<std::string> known = figures_of(last_stage(trial));
    if (std::find(known.begin(), known.end(), figure) == known.end())
      section.refuse("figure", "the validation of " + trial.label() + " has no '" + figure + "'" +
                                   suggestion(figure, known));
  }
  return figure;
}

}  // namespace

Halving halving_of(const EarlyStoppingOptions& options, const ConfigNode* node,
                   const std::vector<Trial>& trials) {
  if (options.name == EarlyStopping::kNone || node == nullptr) return {};
  const Section section(*node);
  for (const Trial& trial : trials) require_comparable(section, trials.front(), trial);
  const std::int64_t epochs = last_stage(trials.front()).trainer.epochs;
  const Halving halving = {options.rungs(epochs), options.factor, figure_of(options, section, trials)};
  if (halving.rungs.empty())
    section.refuse("first", fmt::format("must be below the {} epochs of the trials", epochs));
  const auto count = static_cast<std::int64_t>(trials.size());
  if (count < halving.fewest_trials())
    section.refuse(
        "", fmt::format("with rungs at {} epochs and factor {} it takes at least {} trials for one "
                        "to be trained to its end, found {}; a later first rung takes fewer",
                        fmt::join(halving.rungs, ", "), halving.factor, halving.fewest_trials(), count));
  return halving;
}

}  // namespace portraitseg
