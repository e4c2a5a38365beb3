#include "sweep_report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/engine/stage.h"
#include "portraitseg/report/ablation.h"
#include "portraitseg/report/ablation_files.h"
#include "portraitseg/report/csv.h"
#include "portraitseg/report/evaluation_result.h"
#include "portraitseg/sweep/sweep_folder.h"

#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using State = TrialHistory::State;

const std::set<std::string> kFiles = {"report.html", "tables.csv", "tables.md", "tables.tex"};

struct ReportArguments {
  std::string run;
  std::vector<std::string> by, figures, bases, evaluations;
  std::string output, json;
};

// --- The sweep -----------------------------------------------------------------------------------------------------

/// The run folder of a trial, of one with stages that of the last; none before it has begun.
std::optional<RunFolder> run_of(const SweepFolder& sweep, const std::string& trial) {
  const fs::path run = sweep.run(trial);
  if (!fs::exists(run / "config.yaml")) return std::nullopt;
  const TrainingPlan plan = RunFolder::plan(run);
  const bool begun = !plan.staged() || fs::exists(run / plan.stages.back().name / "config.yaml");
  return begun ? std::optional(RunFolder::open(run)) : std::nullopt;
}

/// The validation's figures by epoch, as far as the trial has come.
std::map<std::string, std::vector<double>> curves_of(const SweepFolder& sweep, const std::string& trial) {
  const std::string validation = "val_";
  const auto run = run_of(sweep, trial);
  std::map<std::string, std::vector<double>> curves;
  if (!run || !fs::exists(run->metrics())) return curves;
  for (const auto& [name, values] : read_metrics(run->metrics())) {
    if (name.rfind(validation, 0) == 0) curves[name.substr(validation.size())] = values;
  }
  return curves;
}

/// Where they cannot be read of a trial that is not finished, which may be at work, there are none.
std::map<std::string, std::vector<double>> known_curves(const SweepFolder& sweep, const std::string& trial,
                                                        State state) {
  try {
    return curves_of(sweep, trial);
  } catch (const UserError& error) {
    if (state == State::kFinished) throw;
    say(fmt::format("left out: the curves of the {} trial {}: {}", word(state), trial, error.what()));
    return {};
  }
}

AblationTrial trial_of(const SweepFolder& sweep, const StoredTrial& stored, const TrialHistory& history) {
  AblationTrial trial;
  trial.id = stored.id;
  trial.folder = sweep.run(stored.id).string();
  trial.values = sweep.all_values(stored);
  for (std::size_t a = 0; a < trial.values.size(); ++a) {
    const bool named = a < stored.values.size() && !stored.values[a].empty();
    if (!named && !trial.values[a].empty()) trial.unnamed.insert(a);
  }
  trial.state = word(history.state);
  if (history.state == State::kFailed) trial.error = history.error;
  trial.seconds = history.seconds;
  trial.curves = known_curves(sweep, stored.id, history.state);
  for (const auto& [unused, values] : trial.curves)
    trial.epochs = std::max(trial.epochs, static_cast<std::int64_t>(values.size()));
  if (history.state == State::kFinished) {
    trial.epochs = history.result.epochs;
    trial.best_epoch = history.result.best_epoch;
  }
  return trial;
}

void add_paper(Ablation& ablation, const PaperOptions& paper) {
  std::map<std::string, std::vector<std::string>> axes;
  for (const auto& axis : ablation.axes) axes[axis] = ablation.values(axis);
  ablation.paper = paper.source;
  ablation.paper_protocol = paper.protocol;
  for (const PaperVariant& variant : read_paper(paper, axes))
    ablation.paper_figures.push_back({variant.values, variant.figures});
}

Ablation read_sweep(const SweepFolder& sweep) {
  const StoredSweep& stored = sweep.sweep();
  const Journal journal(sweep.journal());
  Ablation ablation;
  ablation.name = stored.name;
  ablation.axes = stored.axes;
  if (stored.trials.empty()) throw DataError(sweep.path(), "the sweep has no trials");
  const RunConfig first = TrainingPlan::load(sweep.config(stored.trials.front().id)).stages.back().config;
  ablation.judged_by = first.evaluation.select_by;
  const std::string list = fs::path(first.data.val_list).filename().string();
  for (const StoredTrial& trial : stored.trials)
    ablation.trials.push_back(trial_of(sweep, trial, journal.of(trial.id)));
  for (std::size_t i = 0; i < stored.trials.size(); ++i) {
    const TrialHistory history = journal.of(stored.trials[i].id);
    if (history.state != State::kFinished) continue;
    const TrialResult& result = history.result;
    ablation.add(i, {true, result.protocol, "", list, result.list_sha256, result.images, result.figures});
  }
  add_paper(ablation, stored.paper);
  return ablation;
}

// --- Evaluations ---------------------------------------------------------------------------------------------------

/// Which trial some weights are of.
class TrialWeights {
 public:
  struct Owner {
    std::size_t trial = 0;
    bool averaged = false;
  };

  TrialWeights(const SweepFolder& sweep, const Ablation& ablation) {
    for (std::size_t i = 0; i < ablation.trials.size(); ++i) {
      const AblationTrial& trial = ablation.trials[i];
      ids_[trial.id] = i;
      if (trial.state != word(State::kFinished)) continue;  // its weights may change while they are read
      const auto run = run_of(sweep, trial.id);
      if (!run) continue;
      for (const bool averaged : {false, true}) {
        const fs::path file = averaged ? run->best_ema() : run->best();
        if (!fs::exists(file)) continue;
        hashes_[sha256(read_file(file))] = {i, averaged};
        known_.insert({i, averaged});
      }
    }
  }

  /// By the file's hash; by the path of a best checkpoint where the trial's weights are no longer there, or the result has no hash.
  /// @throws DataError if the trial has other weights now.
  std::optional<Owner> of(const EvaluationResult& result) const {
    const auto same = hashes_.find(result.weights_sha256);
    if (same != hashes_.end()) return same->second;
    const fs::path weights = result.weights;
    const bool averaged = weights.filename() == "best_ema.safetensors";
    const bool best = averaged || weights.filename() == "best.safetensors";
    if (!best || weights.parent_path().filename() != "checkpoints") return std::nullopt;
    for (const auto& part : weights) {
      const auto named = ids_.find(part.string());
      if (named == ids_.end()) continue;
      if (!result.weights_sha256.empty() && known_.count({named->second, averaged}) > 0)
        throw DataError(result.folder, "measured other weights of the trial " + named->first +
                                           " than its best ones; evaluate it again");
      return Owner{named->second, averaged};
    }
    return std::nullopt;
  }

 private:
  std::map<std::string, std::size_t> ids_;
  std::map<std::string, Owner> hashes_;
  std::set<std::pair<std::size_t, bool>> known_;  ///< trials, and whether averaged, whose weights are there
};

/// The folder itself, or those in it of several networks and lists.
std::vector<fs::path> evaluations_in(const fs::path& folder) {
  if (fs::exists(folder / "metrics.json")) return {folder};
  const std::vector<fs::path> found = results_below(folder);
  return found.empty() ? std::vector<fs::path>{folder} : found;  // reading it says what is missing
}

void add_evaluations(Ablation& ablation, const SweepFolder& sweep, const std::vector<std::string>& folders) {
  if (folders.empty()) return;
  const TrialWeights weights(sweep, ablation);
  for (const auto& given : folders) {
    std::size_t added = 0, foreign = 0, early = 0;
    for (const fs::path& folder : evaluations_in(given)) {
      for (const auto& protocol : evaluated_protocols(folder)) {
        const EvaluationResult result = read_evaluation(folder, protocol);
        const auto owner = weights.of(result);
        if (!owner) {
          ++foreign;
        } else if (ablation.trials[owner->trial].state != word(State::kFinished)) {
          ++early;
        } else {
          ++added;
          ablation.add(owner->trial, {false,
                                      result.protocol,
                                      result.protocol_hash,
                                      fs::path(result.list).filename().string(),
                                      result.list_sha256,
                                      static_cast<std::int64_t>(result.ids.size()),
                                      {result.figures.begin(), result.figures.end()},
                                      owner->averaged});
        }
      }
    }
    if (added + early == 0) throw DataError(given, "holds no result of a trial of this sweep");
    if (foreign > 0)
      say(fmt::format("left out: {} results in {} are not of a trial's best weights", foreign, given));
    if (early > 0) say(fmt::format("left out: {} results in {} are of unfinished trials", early, given));
  }
}

// --- The report ----------------------------------------------------------------------------------------------------

AblationOptions options_of(const ReportArguments& arguments) {
  AblationOptions options;
  options.by = arguments.by;
  options.figures = arguments.figures;
  for (const auto& text : arguments.bases) {
    const auto equal = text.find('=');
    if (equal == std::string::npos || equal == 0)
      throw UserError("--base: expected AXIS=VALUE, found '" + text + "'");
    const std::string axis = text.substr(0, equal);
    if (!options.base.emplace(axis, text.substr(equal + 1)).second)
      throw UserError("--base: " + axis + " is given twice");
  }
  return options;
}

/// Only an older report gives way, with what a killed run left of it. @param json "": none @throws DataError
void check_output(const fs::path& folder, const std::string& json) {
  check_output_place(folder);
  std::set<std::string> names = kFiles;
  names.insert("tables.json");  // as --json may have called it
  if (!json.empty()) {
    const fs::path tables = fs::weakly_canonical(fs::absolute(json));
    const std::string name = tables.filename().string();
    const bool inside = tables.parent_path() == fs::weakly_canonical(fs::absolute(folder));
    if (inside && kFiles.count(name) > 0)
      throw DataError(json, "is a file of the report itself; choose another --json");
    if (inside) names.insert(name);
  }
  if (!fs::exists(folder)) return;
  for (const auto& name : std::set<std::string>(names)) names.insert(name + ".tmp");
  const std::string other = entry_besides(folder, names);
  if (!other.empty())
    throw DataError(folder,
                    "holds something else than a report of a sweep (" + other + "); choose another --output");
  const fs::path page = folder / "report.html";
  if (fs::is_regular_file(page) && !is_ablation_page(read_file(page)))
    throw DataError(page, "is there, and is no report of a sweep; choose another --output");
}

int report_command(const ReportArguments& arguments) {
  const AblationOptions options = options_of(arguments);
  const SweepFolder sweep = SweepFolder::open(arguments.run);
  const fs::path output = arguments.output.empty() ? sweep.path() / "report" : fs::path(arguments.output);
  check_output(output, arguments.json);
  for (const fs::path& file : {sweep.list(), sweep.journal(), sweep.results()})
    refuse_to_overwrite(file, arguments.json);
  Ablation ablation = read_sweep(sweep);
  add_evaluations(ablation, sweep, arguments.evaluations);
  const std::vector<FigureTables> tables = ablation_tables(ablation, options);
  const std::string plan = read_file(sweep.list());
  make_folder(output);
  write_file(output / "tables.csv", ablation_csv(ablation, tables));
  write_file(output / "tables.md", ablation_markdown(ablation, tables));
  write_file(output / "tables.tex", ablation_tex(ablation, tables));
  write_file(output / "report.html", ablation_page(ablation, tables, plan));
  const std::string json = ablation_json(ablation, tables);
  if (arguments.json == "-") {
    std::fputs(json.c_str(), stdout);
    return 0;
  }
  if (!arguments.json.empty()) write_file(arguments.json, json);
  std::fputs(ablation_text(ablation, tables).c_str(), stdout);
  std::printf("%s\n", (output / "report.html").c_str());
  return 0;
}

}  // namespace

CLI::App* add_sweep_report(CLI::App& sweep, Action& action) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = sweep.add_subcommand(
      "report", "Says what a sweep shows, finished or not: tables, what differences are worth, a page");
  command->add_option("--run", arguments->run, "folder of the sweep")->required();
  command
      ->add_option("--by", arguments->by,
                   "axes to be compared; default: all but seeds, which are averaged over")
      ->delimiter(',');
  command
      ->add_option(
          "--figure", arguments->figures,
          "figures as results.csv names them behind val_; default: the one that judged the trials, miou "
          "and those of the boundary")
      ->delimiter(',');
  command->add_option("--base", arguments->bases,
                      "AXIS=VALUE: the value that the others are compared with; default: an axis's first");
  command->add_option("--evaluation", arguments->evaluations,
                      "folders that `evaluate --output` wrote of trials: their figures, too");
  command->add_option(
      "--output", arguments->output,
      "folder for report.html, tables.csv, tables.md and tables.tex; default: report in that of "
      "the sweep");
  add_json_option(*command, arguments->json, "the tables");
  command->callback([&action, arguments] { action = [arguments] { return report_command(*arguments); }; });
  return command;
}

}  // namespace portraitseg
