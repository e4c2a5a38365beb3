#include "portraitseg/sweep/plan.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/random.h"
#include "portraitseg/metrics/metrics.h"

#include "axes.h"
#include "early_stopping.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Kind = ConfigNode::Kind;

const Names<Search> kSearches = {{"grid", Search::kGrid}, {"random", Search::kRandom}};

/// Whether one of the keys is the other, or a section that holds it.
bool overlap(const std::string& a, const std::string& b) {
  const std::string &outer = a.size() < b.size() ? a : b, &inner = a.size() < b.size() ? b : a;
  return inner.rfind(outer, 0) == 0 && (inner.size() == outer.size() || inner[outer.size()] == '.');
}

/// No two parts of a sweep may set the same key.
void refuse_two_masters(const std::vector<Axis>& axes, const std::vector<std::string>& overrides) {
  std::map<std::string, std::string> masters;
  for (const auto& text : overrides) masters.emplace(text.substr(0, text.find('=')), "'" + text + "'");
  for (const Axis& axis : axes) {
    std::set<std::string> keys;
    for (const Choice& choice : axis.choices) {
      for (const auto& setting : choice.settings) keys.insert(setting.key);
    }
    if (!axis.named) keys.insert(axis.name);
    for (const auto& key : keys) {
      for (const auto& [other, master] : masters) {
        if (overlap(key, other))
          fail(axis.place, "axes." + axis.name + ": " + key + " is set by " + master + ", too");
      }
    }
    for (const auto& key : keys) masters.emplace(key, "the axis " + axis.name);
  }
}

std::string value_of(const std::vector<std::pair<std::string, std::string>>& settings,
                     const std::string& axis) {
  for (const auto& [name, label] : settings) {
    if (name == axis) return label;
  }
  return "";
}

/// A trial before its configuration is read.
struct Draft {
  Place place;  ///< of what is to blame; line 0: nothing alone is
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<ConfigNode::Entry> entries;

  void add(const std::string& axis, const Choice& choice) {
    settings.emplace_back(axis, choice.label);
    entries.insert(entries.end(), choice.settings.begin(), choice.settings.end());
  }

  std::string value(const std::string& axis) const { return value_of(settings, axis); }
};

std::string text_of(const std::vector<std::pair<std::string, std::string>>& settings) {
  std::string text;
  for (const auto& [axis, value] : settings) text += (text.empty() ? "" : ", ") + axis + "=" + value;
  return text;
}

std::vector<Draft> grid(const std::vector<Axis>& axes) {
  if (axes.empty()) return {};
  std::size_t count = 1;
  for (const Axis& axis : axes) {
    if (axis.choices.empty()) fail(axis.place, "axes." + axis.name + ": a grid needs a count of values");
    count *= axis.choices.size();
    if (count > kMostTrials)
      fail(axis.place, "axes: more than " + std::to_string(kMostTrials) + " combinations");
  }
  std::vector<Draft> drafts(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t below = count;
    for (const Axis& axis : axes) {
      below /= axis.choices.size();
      drafts[i].add(axis.name, axis.choices[i / below % axis.choices.size()]);
    }
  }
  return drafts;
}

/// The axis's name as a part of a random key.
std::uint64_t key_of(const std::string& name) {
  return std::stoull(sha256(name).substr(0, 16), nullptr, 16);
}

Draft draw(const std::vector<Axis>& axes, const SearchOptions& search, std::uint64_t index) {
  Draft draft;
  for (const Axis& axis : axes) {
    Random random(static_cast<std::uint64_t>(search.seed), Purpose::kSweep, {index, key_of(axis.name)});
    if (axis.choices.empty()) {
      const ConfigNode value = scalar_node(axis.range->at(random.uniform()), axis.place);
      draft.add(axis.name, choice_of(axis.name, value));
    } else {
      const auto last = static_cast<std::int64_t>(axis.choices.size()) - 1;
      draft.add(axis.name, axis.choices[static_cast<std::size_t>(random.integer(0, last))]);
    }
  }
  return draft;
}

/// What `exclude` says, and whether it met anything.
struct Exclusion {
  Place place;
  std::map<std::string, std::string> values;
  bool used = false;

  bool meets(const Draft& draft) const {
    return std::all_of(values.begin(), values.end(),
                       [&](const auto& value) { return draft.value(value.first) == value.second; });
  }
};

std::vector<Exclusion> read_exclusions(const ConfigNode& list, const std::vector<Axis>& axes) {
  expect(list, Kind::kList, "exclude", "a list of maps");
  std::vector<std::string> names;
  for (const Axis& axis : axes) names.push_back(axis.name);
  std::vector<Exclusion> exclusions;
  for (const auto& item : list.items) {
    if (item.kind != Kind::kMap || item.entries.empty())
      fail(item.place, "exclude: expected a map of axes and values");
    Exclusion exclusion = {item.place, {}, false};
    for (const auto& entry : item.entries) {
      const auto axis =
          std::find_if(axes.begin(), axes.end(), [&](const Axis& a) { return a.name == entry.key; });
      if (axis == axes.end())
        fail(entry.place, "exclude: no axis is called '" + entry.key + "'" + suggestion(entry.key, names));
      const std::string label = label_of(entry.value);
      if (!axis->choices.empty() && axis->find(label) == nullptr)
        fail(entry.value.place,
             "exclude: " + axis->name + " has no value '" + label + "'" + suggestion(label, axis->labels()));
      exclusion.values[entry.key] = label;
    }
    exclusions.push_back(std::move(exclusion));
  }
  return exclusions;
}

bool excluded(const Draft& draft, std::vector<Exclusion>& exclusions) {
  bool met = false;
  for (auto& exclusion : exclusions) {
    if (!exclusion.meets(draft)) continue;
    exclusion.used = met = true;
  }
  return met;
}

std::vector<Draft> grid_without(const std::vector<Axis>& axes, std::vector<Exclusion>& exclusions) {
  std::vector<Draft> drafts;
  for (auto& draft : grid(axes)) {
    if (!excluded(draft, exclusions)) drafts.push_back(std::move(draft));
  }
  for (const auto& exclusion : exclusions) {
    if (!exclusion.used) fail(exclusion.place, "exclude: no trial has these values");
  }
  return drafts;
}

/// The first `search.trials` draws that are new and not excluded: more trials later keep these.
std::vector<Draft> random_without(const std::vector<Axis>& axes, const SearchOptions& search,
                                  std::vector<Exclusion>& exclusions, const Place& place) {
  const auto wanted = static_cast<std::size_t>(search.trials);
  std::vector<Draft> drafts;
  std::set<std::string> known;
  for (std::uint64_t i = 0; drafts.size() < wanted && i < 1000 + 100 * wanted; ++i) {
    Draft draft = draw(axes, search, i);
    if (excluded(draft, exclusions) || !known.insert(text_of(draft.settings)).second) continue;
    drafts.push_back(std::move(draft));
  }
  if (drafts.size() < wanted)
    fail(place,
         fmt::format("search.trials: {} different ones are wanted, the axes gave {}", wanted, drafts.size()));
  return drafts;
}

/// An entry of `trials`.
Draft explicit_draft(const ConfigNode& item, const std::vector<Axis>& axes) {
  if (item.kind != Kind::kMap) fail(item.place, "trials: expected a map of keys and values");
  Draft draft;
  draft.place = item.place;
  std::vector<ConfigNode::Entry> rest = item.entries;
  for (const Axis& axis : axes) {  // in their order, wherever they were written
    const auto entry =
        std::find_if(rest.begin(), rest.end(), [&](const auto& e) { return e.key == axis.name; });
    if (entry == rest.end()) continue;
    const std::string label = label_of(entry->value);
    const Choice* known = axis.find(label);
    if (known == nullptr && axis.named)
      fail(entry->value.place,
           "trials: " + axis.name + " has no value '" + label + "'" + suggestion(label, axis.labels()));
    draft.add(axis.name, known != nullptr ? *known : choice_of(axis.name, entry->value));
    rest.erase(entry);
  }
  for (const auto& entry : rest) draft.add(entry.key, choice_of(entry.key, entry.value));
  return draft;
}

std::string override_of(const ConfigNode::Entry& entry) {
  return entry.key + "=" + entry.value.yaml();
}

/// Reads the configuration of a trial. A mistake in it gets the place in the sweep's file that set the value.
TrainingPlan load_trial(const fs::path& base, std::vector<std::string> overrides, const Draft& draft) {
  for (const auto& entry : draft.entries) overrides.push_back(override_of(entry));
  try {
    TrainingPlan plan = TrainingPlan::load(base, overrides);
    plan.make_absolute();
    plan.written = {};  // a thousand trials would keep as many copies of one file
    return plan;
  } catch (const UserError& error) {
    const std::string message = error.what();
    for (const auto& entry : draft.entries) {
      const std::string start = "--set " + override_of(entry) + ": ";
      if (message.rfind(start, 0) == 0) fail(entry.place, message.substr(start.size()));
    }
    throw UserError(message + (draft.settings.empty() ? "" : " (trial " + text_of(draft.settings) + ")"));
  }
}

/// @param root of the sweep's file
fs::path base_file(const SweepOptions& options, const Config& config) {
  const ConfigNode* node = config.root().find("base");
  if (node == nullptr) fail({config.root().place.source, 1, 1}, "base: say which configuration is varied");
  const fs::path file = fs::path(node->place.source).parent_path() / options.base;
  if (!fs::is_regular_file(file)) fail(node->place, "base: no file " + file.string());
  return file;
}

Place place_of(const Config& config, const std::string& key) {
  const ConfigNode* node = config.root().find(key);
  return node != nullptr ? node->place : config.root().place;
}

std::vector<Draft> drafts_of(const SweepOptions& options, const std::vector<Axis>& axes,
                             const Config& config) {
  std::vector<Exclusion> exclusions = read_exclusions(options.exclude, axes);
  if (options.search.name == Search::kRandom && axes.empty())
    fail(place_of(config, "search"), "search: there are no axes to draw from");
  std::vector<Draft> drafts =
      options.search.name == Search::kGrid
          ? grid_without(axes, exclusions)
          : random_without(axes, options.search, exclusions, place_of(config, "search"));
  expect(options.trials, Kind::kList, "trials", "a list of maps");
  for (const auto& item : options.trials.items) drafts.push_back(explicit_draft(item, axes));
  if (drafts.empty())
    fail(config.root().place, "no trials: there are neither axes nor trials, or all are excluded");
  const auto most = static_cast<std::size_t>(options.budget.trials);
  if (most > 0 && drafts.size() > most)
    fail(place_of(config, "budget"),
         fmt::format("budget.trials: the plan has {} trials, more than {}", drafts.size(), most));
  return drafts;
}

/// Whatever a trial may have measured.
std::vector<std::string> known_figures(const std::vector<Trial>& trials) {
  std::int64_t classes = 2;
  for (const Trial& trial : trials)
    classes = std::max(classes, trial.plan.stages.back().config.model.options->num_classes);
  std::vector<std::string> names;
  for (const auto& metric : metrics().names()) {
    for (const auto& figure : metrics().at(metric).make({classes, 1}).figures) names.push_back(figure.name);
  }
  return names;
}

void check_paper(const SweepPlan& plan) {
  std::map<std::string, std::vector<std::string>> axes;
  for (const auto& axis : plan.axes) {
    std::vector<std::string>& values = axes[axis];
    for (const Trial& trial : plan.trials) {
      const std::string value = trial.value(axis);
      if (!value.empty() && std::find(values.begin(), values.end(), value) == values.end())
        values.push_back(value);
    }
  }
  read_paper(plan.paper, axes, known_figures(plan.trials));
}

/// The axes, then what explicit trials set beside them.
std::vector<std::string> columns(const std::vector<Axis>& axes, const std::vector<Draft>& drafts) {
  std::vector<std::string> names;
  for (const Axis& axis : axes) names.push_back(axis.name);
  for (const Draft& draft : drafts) {
    for (const auto& [name, unused] : draft.settings) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

}  // namespace

void SearchOptions::fields(Fields& f) {
  f.choice("name", name, kSearches, "every combination of the axes' values, or drawn ones");
  f("trials", trials, "of a random search", {0, kMostTrials});
  f("seed", seed, "of a random search", {0, 9e15});
  f.check((name == Search::kRandom) == (trials > 0), "trials",
          name == Search::kRandom ? "a random search needs a number of trials"
                                  : "is of a random search; a grid has every combination");
}

void BudgetOptions::fields(Fields& f) {
  f("trials", trials, "a plan with more is refused; 0: no limit", {0, kMostTrials});
}

void SweepOptions::fields(Fields& f) {
  f("base", base, "the configuration that is varied, relative to this file");
  f("set", set, "overrides of every trial, key.sub=value");
  f("axes", axes, "keys and their values, or names of several settings");
  f.group("search", search, "how trials are chosen from the axes");
  f("trials", trials, "further ones: maps of keys and values");
  f("exclude", exclude, "maps of axes and values: no trial has all of them");
  f.group("budget", budget, "what the plan may not exceed");
  f.group("early_stopping", early_stopping, "of trials that fall behind");
  f.group("paper", paper, "figures to stand beside those of the trials");
}

std::string Trial::label() const {
  return settings.empty() ? "the base" : text_of(settings);
}

std::string Trial::value(const std::string& axis) const {
  return value_of(settings, axis);
}

SweepPlan SweepPlan::load(const fs::path& file, const std::vector<std::string>& overrides) {
  const Config config = Config::load(file);
  for (const std::string key : {"model", "data", "trainer"}) {
    if (const ConfigNode* node = config.root().find(key))
      fail(node->place, key + ": is a training's key; a sweep's file names the training's as its base");
  }
  SweepOptions options;
  config.read(options);
  const fs::path base = base_file(options, config);
  std::vector<std::string> common = options.set;
  common.insert(common.end(), overrides.begin(), overrides.end());
  TrainingPlan::load(base, common);

  const std::vector<Axis> axes = read_axes(options.axes);
  if (config.root().find("axes") != nullptr && axes.empty())
    fail(place_of(config, "axes"), "axes: there are none");
  refuse_two_masters(axes, common);
  const std::vector<Draft> drafts = drafts_of(options, axes, config);

  SweepPlan plan;
  plan.name = file.stem().string();
  plan.axes = columns(axes, drafts);
  std::map<std::string, std::string> known;
  for (const Draft& draft : drafts) {
    Trial trial = {"", draft.settings, load_trial(base, common, draft)};
    trial.id = trial_id(trial.plan);
    const auto [other, is_new] = known.emplace(trial.id, trial.label());
    if (!is_new)
      fail(draft.place.line > 0 ? draft.place : place_of(config, "axes"),
           "two trials are the same training: " + other->second + " and " + trial.label());
    plan.trials.push_back(std::move(trial));
  }
  plan.early_stopping = halving_of(options.early_stopping, config.root().find("early_stopping"), plan.trials);
  plan.paper = options.paper;
  check_paper(plan);
  return plan;
}

std::string trial_id(const TrainingPlan& plan) {
  const RunConfig defaults;
  TrainingPlan copy = plan;
  for (Stage& stage : copy.stages) {
    stage.config.data.workers = defaults.data.workers;
    stage.config.data.cache.mib = defaults.data.cache.mib;
    stage.config.trainer.checkpoint_every = defaults.trainer.checkpoint_every;
    stage.config.device.threads = defaults.device.threads;
  }
  return sha256(copy.yaml()).substr(0, 12);
}

}  // namespace portraitseg
