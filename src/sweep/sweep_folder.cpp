#include "portraitseg/sweep/sweep_folder.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/folder_lock.h"
#include "portraitseg/core/text.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/engine/trainer.h"
#include "portraitseg/weights/safetensors.h"

#include "axes.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// @param key such as losses.0.weight @return nullptr: there is none
const ConfigNode* find_key(const ConfigNode& root, const std::string& key) {
  const ConfigNode* node = &root;
  std::istringstream parts(key);
  for (std::string part; node != nullptr && std::getline(parts, part, '.');) {
    std::size_t item = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), item);
    const bool number = error == std::errc() && end == part.data() + part.size();
    const bool listed = node->kind == ConfigNode::Kind::kList && number && item < node->items.size();
    node = listed ? &node->items[item] : node->find(part);
  }
  return node;
}

}  // namespace

const Names<LauncherKind> kLaunchers = {{"local", LauncherKind::kLocal}, {"slurm", LauncherKind::kSlurm}};

void StoredTrial::fields(Fields& f) {
  f("id", id, "names its files");
  f("values", values, "of the axes");
}

void StoredSweep::fields(Fields& f) {
  f("name", name, "of the sweep");
  f("workers", workers, "trials at a time", {1, 1024});
  f("threads", threads, "of each worker", {1, 1024});
  f.choice("launcher", launcher.kind, kLaunchers, "where the workers run");
  f("slurm", launcher.slurm, "further options of sbatch");
  f("axes", axes, "what the trials differ in");
  f.list("trials", trials, "in the order in which they begin");
  f.group("early_stopping", early_stopping, "of trials that fall behind");
  f.group("paper", paper, "figures to stand beside those of the trials");
}

std::string StoredSweep::label(const StoredTrial& trial) const {
  std::string text;
  for (std::size_t i = 0; i < std::min(axes.size(), trial.values.size()); ++i) {
    if (!trial.values[i].empty()) text += (text.empty() ? "" : ", ") + axes[i] + "=" + trial.values[i];
  }
  return text.empty() ? "the base" : text;
}

bool SweepFolder::is_sweep(const fs::path& path) {
  return fs::is_regular_file(SweepFolder(path).list());
}

bool SweepFolder::exists(const fs::path& path) {
  if (is_sweep(path)) return true;
  if (!fs::exists(path)) return false;
  if (!fs::is_directory(path)) throw DataError(path, "is a file; choose another --output");
  // What write() leaves if it is killed half-way is no sweep yet.
  const std::set<std::string> beginnings = {"trials", "journal.jsonl", "sweep.yaml.tmp", FolderLock::kFile};
  const std::string other = entry_besides(path, beginnings);
  if (!other.empty())
    throw DataError(path, "holds something else than a sweep (" + other + "); choose another --output");
  return false;
}

SweepFolder SweepFolder::open(const fs::path& path) {
  SweepFolder folder(path);
  if (fs::exists(path) && !fs::is_directory(path)) throw DataError(path, "is a file, not a sweep's folder");
  if (!is_sweep(path)) throw DataError(path, "holds no sweep: sweep.yaml is missing");
  Config::load(folder.list()).read(folder.sweep_);
  for (const StoredTrial& trial : folder.sweep_.trials) {
    if (!fs::is_regular_file(folder.config(trial.id)))
      throw DataError(folder.config(trial.id), "the configuration of a trial is missing");
  }
  return folder;
}

SweepFolder SweepFolder::write(const fs::path& path, const SweepPlan& plan, std::int64_t workers,
                               std::int64_t threads, const LauncherChoice& launcher) {
  SweepFolder folder(path);
  make_folder(folder.trials());
  append_file(folder.journal(), "");
  const auto known = known_trials(path);
  if (is_sweep(path)) open(path).require_kept(plan, known);
  folder.sweep_ = {plan.name, workers, threads, plan.axes, {}, plan.early_stopping, plan.paper, launcher};
  for (const Trial& trial : plan.trials) {
    const auto there = known.find(trial.id);
    StoredTrial stored = {there == known.end() ? trial.id : there->second, {}};
    for (const auto& axis : plan.axes) stored.values.push_back(trial.value(axis));
    if (there == known.end()) write_file(folder.config(stored.id), trial.plan.yaml());
    folder.sweep_.trials.push_back(std::move(stored));
  }
  folder.save();
  return folder;
}

void SweepFolder::require_kept(const SweepPlan& plan, const std::map<std::string, std::string>& known) const {
  std::set<std::string> kept;
  for (const Trial& trial : plan.trials) {
    const auto named = known.find(trial.id);
    if (named != known.end()) kept.insert(named->second);
  }
  const Journal events(journal());
  for (const StoredTrial& trial : sweep_.trials) {
    const TrialHistory::State state = events.of(trial.id).state;
    const bool may_go = state == TrialHistory::State::kNew || state == TrialHistory::State::kFailed;
    if (may_go || kept.count(trial.id) != 0) continue;
    throw DataError(path_,
                    fmt::format("holds the {} trial {} ({}) of the sweep {}, which this one does not have; "
                                "choose another --output, or give this sweep that trial, too",
                                word(state), trial.id, sweep_.label(trial), sweep_.name));
  }
}

void SweepFolder::set_workers(std::int64_t workers, std::int64_t threads, const LauncherChoice& launcher) {
  sweep_.workers = workers;
  sweep_.threads = threads;
  sweep_.launcher = launcher;
  save();
}

void SweepFolder::save() const {
  StoredSweep copy = sweep_;  // a pass over fields may write; this one only reads
  write_file(list(), ConfigWriter::yaml(copy));
}

std::vector<std::string> SweepFolder::all_values(const StoredTrial& trial) const {
  std::vector<std::string> values = trial.values;
  values.resize(sweep_.axes.size());
  if (std::count(values.begin(), values.end(), "") == 0) return values;
  const Config stored = Config::load(config(trial.id));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].empty()) continue;
    const ConfigNode* node = find_key(stored.root(), sweep_.axes[i]);
    if (node != nullptr && node->kind == ConfigNode::Kind::kScalar) values[i] = label_of(*node);
  }
  return values;
}

std::vector<StoredTrial> SweepFolder::finished() const {
  const Journal events(journal());
  std::vector<StoredTrial> trials;
  std::copy_if(
      sweep_.trials.begin(), sweep_.trials.end(), std::back_inserter(trials),
      [&](const StoredTrial& trial) { return events.of(trial.id).state == TrialHistory::State::kFinished; });
  return trials;
}

void SweepFolder::write_results(const Journal& journal) const {
  std::set<std::string> figures;
  std::vector<std::pair<const StoredTrial*, TrialResult>> finished;
  for (const StoredTrial& trial : sweep_.trials) {
    const TrialHistory history = journal.of(trial.id);
    if (history.state != TrialHistory::State::kFinished) continue;
    for (const auto& [name, unused] : history.result.figures) figures.insert(name);
    finished.emplace_back(&trial, history.result);
  }
  std::vector<std::string> header = {"id"};
  header.insert(header.end(), sweep_.axes.begin(), sweep_.axes.end());
  header.insert(header.end(), {"epochs", "best_epoch"});
  for (const auto& name : figures) header.push_back("val_" + name);
  header.insert(header.end(), {"val_protocol", "val_list_sha256", "val_n"});

  std::string text = csv_line(header);
  for (const auto& [trial, result] : finished) {
    std::vector<std::string> cells = {trial->id};
    cells.insert(cells.end(), trial->values.begin(), trial->values.end());
    cells.insert(cells.end(), {std::to_string(result.epochs), std::to_string(result.best_epoch)});
    for (const auto& name : figures) {
      const auto figure = result.figures.find(name);
      cells.push_back(figure == result.figures.end() ? "" : fmt::format("{:.10g}", figure->second));
    }
    cells.insert(cells.end(), {result.protocol, result.list_sha256, std::to_string(result.images)});
    text += csv_line(cells);
  }
  write_file(results(), text);
}

Progress SweepFolder::progress(const std::string& trial) const {
  const RunFolder folder = RunFolder::open(run(trial));
  return stored_progress(read_safetensors(folder.last()), folder.last());
}

bool SweepFolder::is_trained(const std::string& trial, const Progress& progress) const {
  return Trainer::finished(progress, TrainingPlan::load(config(trial)).stages.back().config.trainer);
}

double SweepFolder::figure(const std::string& trial, const Progress& progress, std::int64_t epoch,
                           const std::string& name) const {
  for (const EpochRecord& record : progress.history) {
    if (record.epoch != epoch) continue;
    const auto figure = record.validation.find(name);
    return figure != record.validation.end() ? figure->second : std::numeric_limits<double>::quiet_NaN();
  }
  throw DataError(run(trial), "was not trained to the end of epoch " + std::to_string(epoch));
}

TrialResult SweepFolder::result(const std::string& trial, const Progress& progress) const {
  const auto& history = progress.history;
  const auto best = std::find_if(history.begin(), history.end(), [&](const EpochRecord& record) {
    return record.epoch == progress.best.epoch;
  });
  if (best == history.end()) throw DataError(run(trial), "has no best epoch");
  return {progress.epoch,     best->epoch,           best->validation,
          best->val_protocol, best->val_list_sha256, best->val_images};
}

std::map<std::string, std::string> known_trials(const fs::path& sweep) {
  std::map<std::string, std::string> known;
  if (!fs::is_directory(sweep / "trials")) return known;
  for (const auto& entry : fs::directory_iterator(sweep / "trials")) {
    if (entry.path().extension() != ".yaml") continue;
    known[trial_id(TrainingPlan::load(entry.path()))] = entry.path().stem().string();
  }
  return known;
}

}  // namespace portraitseg
