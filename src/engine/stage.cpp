#include "portraitseg/engine/stage.h"

#include <algorithm>
#include <sstream>

namespace portraitseg {
namespace {

constexpr const char* kStages = "stages";

bool is_folder_name(const std::string& name) {
  constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.find_first_not_of(kLetters) == std::string::npos;
}

void absolute(std::string& file) {
  if (!file.empty()) file = std::filesystem::absolute(file).lexically_normal().string();
}

/// Whether a list is a path from the working folder: a bare name is looked for in the data set's first, and without an extension
/// it is a split's.
bool is_list_of_working_folder(const std::filesystem::path& list, const std::filesystem::path& root) {
  const bool elsewhere =
      !list.has_parent_path() && (!list.has_extension() || std::filesystem::exists(root / list));
  return !elsewhere && std::filesystem::is_regular_file(list);
}

}  // namespace

void Stage::fields(Fields& f) {
  f("name", name, "of the stage and its folder");
  f.check(is_folder_name(name), "name", "expected a stage's name of letters, digits, _ and -");
  f("init_from", init_from,
    "an earlier stage's checkpoint to start from, in place of model.init_from, such as encoder/best");
  config.fields(f);
}

std::filesystem::path StageCheckpoint::file() const {
  return std::filesystem::path("..") / stage / "checkpoints" / (name + ".safetensors");
}

void TrainingPlan::fields(Fields& f) {
  f.list(
      kStages, stages, "trainings that follow one another, each over the rest of the file",
      [] { return Stage(); }, [&](std::size_t i) { check(f, i); });
  f.check(!stages.empty(), kStages, "expected at least one");
}

const Stage* TrainingPlan::earlier(const std::string& name, std::size_t before) const {
  const auto end = stages.begin() + static_cast<std::ptrdiff_t>(before);
  const auto found =
      std::find_if(stages.begin(), end, [&](const Stage& stage) { return stage.name == name; });
  return found == end ? nullptr : &*found;
}

/// The checkpoint of a stage before, if the text names one.
std::optional<StageCheckpoint> TrainingPlan::checkpoint(const std::string& text, std::size_t before) const {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const StageCheckpoint named = {text.substr(0, slash), text.substr(slash + 1)};
  const bool known = named.name == "best" || named.name == "last" || named.name == "best_ema";
  return known && earlier(named.stage, before) != nullptr ? std::optional(named) : std::nullopt;
}

std::optional<StageCheckpoint> TrainingPlan::start(std::size_t i) const {
  return checkpoint(stages[i].init_from, i);
}

std::optional<StageCheckpoint> TrainingPlan::teacher(std::size_t i) const {
  return checkpoint(stages[i].config.distillation.teacher, i);
}

RunConfig TrainingPlan::config_of(std::size_t i) const {
  RunConfig config = stages[i].config;
  if (const auto from = start(i)) config.model.init_from = from->file().string();
  if (const auto from = teacher(i)) config.distillation.teacher = from->file().string();
  return config;
}

/// One stage beside those before it.
void TrainingPlan::check(Fields& f, std::size_t i) const {
  const Stage& stage = stages[i];
  f.check(earlier(stage.name, i) == nullptr, "name", "two stages are called " + stage.name);
  f.check(stage.init_from.empty() || start(i), "init_from",
          "expected an earlier stage's best, last or best_ema, such as encoder/best, found '" +
              stage.init_from + "'");
  const auto check_average = [&](const char* key, const std::optional<StageCheckpoint>& from) {
    if (!from || from->name != "best_ema" || earlier(from->stage, i)->config.trainer.ema_decay > 0) return;
    f.check(false, key, "names a best_ema, but trainer.ema_decay of " + from->stage + " is 0");
  };
  check_average("init_from", start(i));
  check_average("distillation", teacher(i));
}

TrainingPlan TrainingPlan::load(const std::filesystem::path& file,
                                const std::vector<std::string>& overrides) {
  Config config = Config::load(file, overrides);
  if (const ConfigNode* base = config.root().find("base"))
    throw ConfigError(base->place, "base: is a sweep's key; portraitseg sweep trains what this file plans");
  TrainingPlan plan;
  if (config.root().find(kStages) != nullptr) {
    config = config.spread(kStages);
    config.read(plan);
  } else {
    config.read(plan.stages.emplace_back().config);
  }
  plan.written = config.root();
  return plan;
}

Place TrainingPlan::place(std::size_t i, const std::string& key) const {
  if (written.kind == ConfigNode::Kind::kNull) return {};
  const ConfigNode* node = staged() ? &written.find(kStages)->items.at(i) : &written;
  Place place = node->place;
  std::istringstream names(key);
  for (std::string name; std::getline(names, name, '.');) {
    node = node->find(name);
    if (node == nullptr) break;
    place = node->place;
  }
  return place;
}

void TrainingPlan::make_absolute() {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    RunConfig& config = stages[i].config;
    config.data.options->make_absolute();
    for (std::string* list : {&config.data.train_list, &config.data.val_list}) {
      if (is_list_of_working_folder(*list, config.data.options->root)) absolute(*list);
    }
    absolute(config.model.init_from);
    if (!teacher(i)) absolute(config.distillation.teacher);
  }
}

std::string TrainingPlan::yaml(ConfigWriter::Style style) const {
  TrainingPlan copy = *this;  // a pass over fields may write; this one only reads
  return staged() ? ConfigWriter::yaml(copy, style) : ConfigWriter::yaml(copy.stages.front().config, style);
}

}  // namespace portraitseg
