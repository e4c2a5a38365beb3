#include "portraitseg/engine/stage.h"

#include <algorithm>

namespace portraitseg {
namespace {

constexpr const char* kStages = "stages";

/// The two parts of "encoder/best".
struct Checkpoint {
  std::string stage, name;

  explicit Checkpoint(const std::string& text)
      : stage(text.substr(0, text.find('/'))),
        name(text.find('/') == std::string::npos ? "" : text.substr(text.find('/') + 1)) {}

  bool known() const { return name == "best" || name == "last" || name == "best_ema"; }
};

bool is_folder_name(const std::string& name) {
  constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.find_first_not_of(kLetters) == std::string::npos;
}

}  // namespace

void Stage::fields(Fields& f) {
  f("name", name, "of the stage and its folder");
  f.check(is_folder_name(name), "name", "expected a stage's name of letters, digits, _ and -");
  f("init_from", init_from,
    "an earlier stage's checkpoint to start from, in place of model.init_from, such as encoder/best");
  config.fields(f);
}

std::string Stage::start_stage() const {
  return Checkpoint(init_from).stage;
}

std::filesystem::path Stage::start_file(const std::filesystem::path& run) const {
  const Checkpoint start(init_from);
  return run / start.stage / "checkpoints" / (start.name + ".safetensors");
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

/// One stage beside those before it.
void TrainingPlan::check(Fields& f, std::size_t i) const {
  const Stage& stage = stages[i];
  f.check(earlier(stage.name, i) == nullptr, "name", "two stages are called " + stage.name);
  if (stage.init_from.empty()) return;
  const Checkpoint start(stage.init_from);
  const Stage* first = earlier(start.stage, i);
  f.check(first != nullptr && start.known(), "init_from",
          "expected an earlier stage's best, last or best_ema, such as encoder/best, found '" +
              stage.init_from + "'");
  f.check(first == nullptr || start.name != "best_ema" || first->config.trainer.ema_decay > 0, "init_from",
          "found '" + stage.init_from + "', but trainer.ema_decay of " + start.stage + " is 0");
}

TrainingPlan TrainingPlan::load(const std::filesystem::path& file,
                                const std::vector<std::string>& overrides) {
  const Config config = Config::load(file, overrides);
  TrainingPlan plan;
  if (config.root().find(kStages) != nullptr) {
    config.spread(kStages).read(plan);
  } else {
    config.read(plan.stages.emplace_back().config);
  }
  return plan;
}

std::string TrainingPlan::yaml(ConfigWriter::Style style) const {
  TrainingPlan copy = *this;  // a pass over fields may write; this one only reads
  return staged() ? ConfigWriter::yaml(copy, style) : ConfigWriter::yaml(copy.stages.front().config, style);
}

}  // namespace portraitseg
