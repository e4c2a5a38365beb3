#include "sweep_plan.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/report/text_table.h"
#include "portraitseg/sweep/cost.h"

#include "output_place.h"
#include "sweep_arguments.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using State = TrialHistory::State;

/// A trial in the table of a plan.
struct Row {
  std::string id;
  const Trial* trial;
  TrialHistory history;
  TrialCost cost;
};

/// Milliseconds an image by network_key(): of finished trials in the sweep's folder, else by a benchmark.
void add_times(std::vector<Row>& rows, std::int64_t threads) {
  std::map<std::string, std::pair<double, double>> known;  // seconds, images
  for (const Row& row : rows) {
    if (row.history.state != State::kFinished) continue;
    auto& [seconds, images] = known[network_key(row.trial->plan)];
    const double share = static_cast<double>(row.history.result.epochs) /
                         static_cast<double>(row.trial->plan.stages.back().config.trainer.epochs);
    seconds += row.history.seconds;
    images += static_cast<double>(row.cost.images) * share;
  }
  ProgressBar bar("timing networks");
  std::map<std::string, double> ms;
  std::int64_t done = 0;
  for (Row& row : rows) {
    const std::string key = network_key(row.trial->plan);
    const auto measured = known.find(key);
    if (ms.count(key) == 0) {
      ms[key] = measured != known.end() ? 1000 * measured->second.first / measured->second.second
                                        : measured_ms_per_image(row.trial->plan, row.cost, threads);
    }
    row.cost.ms_per_image = ms[key];
    bar.show(++done, static_cast<std::int64_t>(rows.size()));
  }
}

/// What is left to do.
struct CostLeft {
  std::int64_t images = 0;
  double hours = 0;
};

/// @param image what one of a trial's costs
/// @param trained how many trials are trained to each rung and to the end, see Halving; of more that may be, the costliest are
/// @return the cost of each trial's way from one rung to the next
std::vector<double> costs_left(const Halving& halving, const std::vector<std::int64_t>& trained,
                               const std::vector<Row>& rows,
                               const std::function<double(const TrialCost&)>& image) {
  std::vector<double> all;
  for (std::size_t rung = 0; rung < trained.size(); ++rung) {
    const std::int64_t from = rung > 0 ? halving.rungs[rung - 1] : 0;
    std::int64_t left = trained[rung];
    std::vector<double> costs;
    for (const Row& row : rows) {
      if (row.history.state == State::kFinished || halving.values(row.history).size() > rung) {
        --left;
        continue;
      }
      const std::int64_t behind =
          rung < halving.rungs.size() ? row.cost.images_after(halving.rungs[rung]) : 0;
      costs.push_back(static_cast<double>(row.cost.images_after(from) - behind) * image(row.cost));
    }
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(left, 0));
    if (costs.size() > most) {
      std::sort(costs.rbegin(), costs.rend());
      costs.resize(most);
    }
    all.insert(all.end(), costs.begin(), costs.end());
  }
  return all;
}

/// Whether all trials have come to an end and none that was stopped early may go on.
bool is_over(const Halving& halving, const std::vector<Row>& rows) {
  std::vector<TrialHistory> histories;
  for (const Row& row : rows) {
    if (row.history.state != State::kFinished && !halving.waits(row.history)) return false;
    histories.push_back(row.history);
  }
  return !halving.promotion(histories);
}

std::int64_t count(const std::vector<Row>& rows) {
  return static_cast<std::int64_t>(rows.size());
}

CostLeft cost_left(const Halving& halving, const std::vector<std::int64_t>& trained,
                   const std::vector<Row>& rows, std::int64_t workers) {
  if (is_over(halving, rows)) return {};
  const auto images = costs_left(halving, trained, rows, [](const TrialCost&) { return 1.0; });
  const auto hours = costs_left(halving, trained, rows,
                                [](const TrialCost& cost) { return cost.ms_per_image / 1000 / 3600; });
  return {static_cast<std::int64_t>(std::accumulate(images.begin(), images.end(), 0.0)),
          makespan(hours, workers)};
}

/// With early stopping no order of the trials' figures makes it more.
CostLeft most_left(const Halving& halving, const std::vector<Row>& rows, std::int64_t workers) {
  return cost_left(halving, halving.most_trained(count(rows)), rows, workers);
}

CostLeft usually_left(const Halving& halving, const std::vector<Row>& rows, std::int64_t workers) {
  return cost_left(halving, halving.usually_trained(count(rows)), rows, workers);
}

std::string text_of_cost(const Halving& halving, const std::vector<Row>& rows, const Workers& workers) {
  const CostLeft most = most_left(halving, rows, workers.workers);
  const bool early = !halving.rungs.empty();
  const std::string text = fmt::format(
      "{} trials; left: {}{} images to train on, about {:.2f} hours with {} workers of {} threads\n",
      rows.size(), early ? "at most " : "", most.images, most.hours, workers.workers, workers.threads);
  if (!early) return text;
  const CostLeft usual = usually_left(halving, rows, workers.workers);
  return text + fmt::format("{} images, about {:.2f} hours if one in {} goes on from each rung: epochs {}\n",
                            usual.images, usual.hours, halving.factor, fmt::join(halving.rungs, ", "));
}

/// A value as a cell of the table: it may be a list of losses.
std::string short_value(const std::string& value) {
  constexpr std::size_t kLongest = 40;
  return value.size() > kLongest ? value.substr(0, kLongest - 3) + "..." : value;
}

std::string as_table(const SweepPlan& plan, const std::vector<Row>& rows, const Workers& workers) {
  std::vector<std::vector<std::string>> cells = {{"id"}};
  cells.front().insert(cells.front().end(), plan.axes.begin(), plan.axes.end());
  cells.front().insert(cells.front().end(), {"state", "epochs", "images", "hours"});
  for (const Row& row : rows) {
    std::vector<std::string> line = {row.id};
    for (const auto& axis : plan.axes) line.push_back(short_value(row.trial->value(axis)));
    line.insert(line.end(),
                {word(row.history.state), std::to_string(row.cost.epochs), std::to_string(row.cost.images),
                 fmt::format("{:.2f}", row.cost.seconds() / 3600)});
    cells.push_back(std::move(line));
  }
  return aligned_table(cells, plan.axes.size() + 2) + text_of_cost(plan.early_stopping, rows, workers);
}

std::string as_json(const SweepPlan& plan, const std::vector<Row>& rows, const Workers& workers) {
  const CostLeft most = most_left(plan.early_stopping, rows, workers.workers);
  nlohmann::ordered_json json = {{"sweep", plan.name},
                                 {"axes", plan.axes},
                                 {"workers", workers.workers},
                                 {"threads", workers.threads},
                                 {"images_left", most.images},
                                 {"hours_left", most.hours},
                                 {"trials", nlohmann::ordered_json::array()}};
  if (!plan.early_stopping.rungs.empty()) {  // what is left is at most so much then
    const CostLeft usual = usually_left(plan.early_stopping, rows, workers.workers);
    json["early_stopping"] = {{"rungs", plan.early_stopping.rungs},
                              {"factor", plan.early_stopping.factor},
                              {"figure", plan.early_stopping.figure},
                              {"images_left_usually", usual.images},
                              {"hours_left_usually", usual.hours}};
  }
  for (const Row& row : rows) {
    nlohmann::ordered_json settings = nlohmann::ordered_json::object();
    for (const auto& [axis, value] : row.trial->settings) settings[axis] = value;
    json["trials"].push_back({{"id", row.id},
                              {"settings", settings},
                              {"epochs", row.cost.epochs},
                              {"images", row.cost.images},
                              {"ms_per_image", row.cost.ms_per_image},
                              {"hours", row.cost.seconds() / 3600},
                              {"state", word(row.history.state)}});
  }
  return json.dump(2) + "\n";
}

int plan_command(const SweepArguments& arguments) {
  if (arguments.config.empty()) throw UserError("sweep plan needs --config FILE");
  refuse_to_overwrite(arguments.config, arguments.json);
  const SweepPlan plan = SweepPlan::load(arguments.config, arguments.overrides);
  const std::vector<TrialCost> costs = check_trials(plan);
  const fs::path folder = output_folder(arguments);
  const std::optional<SweepFolder> there = existing(folder);
  const auto known = known_trials(folder);
  if (there) there->require_kept(plan, known);
  const Workers workers(arguments, there);
  const Journal journal(folder / "journal.jsonl");
  std::vector<Row> rows;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    const Trial& trial = plan.trials[i];
    const auto named = known.find(trial.id);
    const std::string id = named == known.end() ? trial.id : named->second;
    rows.push_back({id, &trial, journal.of(id), costs[i]});
  }
  add_times(rows, workers.threads);
  const std::string json = as_json(plan, rows, workers);
  std::fputs((arguments.json == "-" ? json : as_table(plan, rows, workers)).c_str(), stdout);
  if (!arguments.json.empty() && arguments.json != "-") write_file(arguments.json, json);
  return 0;
}

}  // namespace

CLI::App* add_sweep_plan(CLI::App& sweep, Action& action) {
  auto arguments = std::make_shared<SweepArguments>();
  CLI::App* command = sweep.add_subcommand("plan", "Prints the trials and what they will cost");
  add_sweep_options(*command, *arguments);
  add_json_option(*command, arguments->json, "the plan");
  command->callback([&action, arguments] { action = [arguments] { return plan_command(*arguments); }; });
  return command;
}

}  // namespace portraitseg
