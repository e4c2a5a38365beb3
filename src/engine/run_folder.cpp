#include "portraitseg/engine/run_folder.h"

#include <set>

#include <nlohmann/json.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/folder_lock.h"
#include "portraitseg/core/version.h"

namespace portraitseg {

namespace fs = std::filesystem;

void RunFolder::refuse_if_taken(const fs::path& path) {
  if (fs::exists(path / "config.yaml")) {
    throw DataError(path, "already holds a run; continue it with --resume, or choose another --output");
  }
  if (!fs::exists(path)) return;
  if (!fs::is_directory(path)) throw DataError(path, "is no folder; choose another --output");
  // What create() leaves if it is killed half-way is no run yet.
  const std::set<std::string> beginnings = {"checkpoints", "environment.json", "environment.json.tmp",
                                            "config.yaml.tmp", FolderLock::kFile};
  for (const auto& entry : fs::directory_iterator(path)) {
    const bool own = beginnings.count(entry.path().filename().string()) > 0;
    if (!own || (entry.is_directory() && !fs::is_empty(entry.path()))) {
      throw DataError(path, "is not empty; choose another --output");
    }
  }
}

RunFolder RunFolder::create(const fs::path& path, const RunConfig& config, const Device& device) {
  refuse_if_taken(path);
  make_folder(path / "checkpoints");
  const RunFolder folder(path);
  nlohmann::ordered_json environment = versions();
  environment["device"] = device.description();
  environment["threads"] = device.threads();
  write_file(folder.environment(), environment.dump(2) + "\n");
  write_file(folder.config(), config.yaml());  // last: its presence says that the folder is complete
  return folder;
}

void RunFolder::create(const fs::path& path, const TrainingPlan& plan) {
  refuse_if_taken(path);
  make_folder(path);
  write_file(path / "config.yaml", plan.yaml());
}

TrainingPlan RunFolder::plan(const fs::path& path) {
  const RunFolder folder(path);
  folder.require_config();
  return TrainingPlan::load(folder.config());
}

RunFolder RunFolder::open(const fs::path& path) {
  const RunFolder folder(path);
  folder.require_config();
  const TrainingPlan trained = plan(path);
  if (!trained.staged()) return folder;
  const std::string& name = trained.stages.back().name;
  const RunFolder last(path / name);
  if (!fs::is_regular_file(last.config())) throw DataError(path, "its stage " + name + " has not begun");
  return last;
}

fs::path RunFolder::whole(const fs::path& path) {
  const fs::path own = fs::weakly_canonical(path), above = own.parent_path();
  if (!fs::is_regular_file(above / "config.yaml")) return path;
  try {
    for (const Stage& stage : plan(above).stages) {
      if (stage.name == own.filename()) return above;
    }
  } catch (const UserError&) {  // another program's
  }
  return path;
}

bool RunFolder::tells_of_epochs() const {
  return fs::exists(metrics()) && read_lines(metrics()).size() > 1;
}

void RunFolder::require_config() const {
  if (!fs::exists(path_)) throw DataError(path_, "holds no run: there is no such folder");
  if (!fs::is_regular_file(config())) throw DataError(path_, "holds no run: config.yaml is missing");
}

fs::path trained_weights(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  const RunFolder run = RunFolder::open(path);
  if (fs::exists(run.best()) || !fs::exists(run.last())) return run.best();
  throw DataError(run.path(), "has no best epoch yet; " + run.last().string() + " is its last one");
}

}  // namespace portraitseg
