#include "portraitseg/sweep/sweep_folder.h"

#include <algorithm>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/folder_lock.h"
#include "portraitseg/core/text.h"
#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/engine/run_folder.h"
#include "portraitseg/weights/safetensors.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

std::string line_of(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells) line += (line.empty() ? "" : ",") + csv_cell(cell);
  return line + "\n";
}

}  // namespace

void StoredTrial::fields(Fields& f) {
  f("id", id, "names its files");
  f("values", values, "of the axes");
}

void StoredSweep::fields(Fields& f) {
  f("name", name, "of the sweep");
  f("workers", workers, "trials at a time", {1, 1024});
  f("threads", threads, "of each worker", {1, 1024});
  f("axes", axes, "what the trials differ in");
  f.list("trials", trials, "in the order in which they begin");
  f.group("paper", paper, "figures to stand beside those of the trials");
}

std::string StoredSweep::label(const StoredTrial& trial) const {
  std::string text;
  for (std::size_t i = 0; i < std::min(axes.size(), trial.values.size()); ++i) {
    if (!trial.values[i].empty()) text += (text.empty() ? "" : ", ") + axes[i] + "=" + trial.values[i];
  }
  return text.empty() ? "the base" : text;
}

bool SweepFolder::exists(const fs::path& path) {
  const SweepFolder folder(path);
  if (fs::exists(folder.list())) return true;
  if (!fs::exists(path)) return false;
  if (!fs::is_directory(path)) throw DataError(path, "is no folder; choose another --output");
  // What write() leaves if it is killed half-way is no sweep yet.
  const std::set<std::string> beginnings = {"trials", "journal.jsonl", "sweep.yaml.tmp", FolderLock::kFile};
  for (const auto& entry : fs::directory_iterator(path)) {
    if (beginnings.count(entry.path().filename().string()) == 0)
      throw DataError(path, "holds something else than a sweep; choose another --output");
  }
  return false;
}

SweepFolder SweepFolder::open(const fs::path& path) {
  SweepFolder folder(path);
  if (!fs::is_regular_file(folder.list())) throw DataError(path, "holds no sweep: sweep.yaml is missing");
  Config::load(folder.list()).read(folder.sweep_);
  for (const StoredTrial& trial : folder.sweep_.trials) {
    if (!fs::is_regular_file(folder.config(trial.id)))
      throw DataError(folder.config(trial.id), "the configuration of a trial is missing");
  }
  return folder;
}

SweepFolder SweepFolder::write(const fs::path& path, const SweepPlan& plan, std::int64_t workers,
                               std::int64_t threads) {
  SweepFolder folder(path);
  make_folder(folder.trials());
  append_file(folder.journal(), "");
  const auto known = known_trials(path);
  folder.sweep_ = {plan.name, workers, threads, plan.axes, {}, plan.paper};
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

void SweepFolder::set_workers(std::int64_t workers, std::int64_t threads) {
  if (workers == sweep_.workers && threads == sweep_.threads) return;
  sweep_.workers = workers;
  sweep_.threads = threads;
  save();
}

void SweepFolder::save() const {
  StoredSweep copy = sweep_;  // a pass over fields may write; this one only reads
  write_file(list(), ConfigWriter::yaml(copy));
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

  std::string text = line_of(header);
  for (const auto& [trial, result] : finished) {
    std::vector<std::string> cells = {trial->id};
    cells.insert(cells.end(), trial->values.begin(), trial->values.end());
    cells.insert(cells.end(), {std::to_string(result.epochs), std::to_string(result.best_epoch)});
    for (const auto& name : figures) {
      const auto figure = result.figures.find(name);
      cells.push_back(figure == result.figures.end() ? "" : fmt::format("{:.10g}", figure->second));
    }
    cells.insert(cells.end(), {result.protocol, result.list_sha256, std::to_string(result.images)});
    text += line_of(cells);
  }
  write_file(results(), text);
}

TrialResult SweepFolder::result(const std::string& trial) const {
  const RunFolder folder = RunFolder::open(run(trial));
  const Progress progress = stored_progress(read_safetensors(folder.last()), folder.last());
  const auto& history = progress.history;
  const auto best = std::find_if(history.begin(), history.end(), [&](const EpochRecord& record) {
    return record.epoch == progress.best.epoch;
  });
  if (best == history.end()) throw DataError(folder.last(), "has no best epoch");
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
