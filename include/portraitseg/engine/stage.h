#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "portraitseg/engine/run_config.h"

namespace portraitseg {

/// A checkpoint of an earlier stage, as init_from and distillation.teacher name it: "encoder/best".
struct StageCheckpoint {
  std::string stage;
  std::string name;  ///< best, last or best_ema

  std::filesystem::path file() const;  ///< from the run folder of another stage
};

/// One training of several that follow one another, as clova's encoder and whole network do.
struct Stage {
  std::string name;  ///< of its folder in the run folder; "": the only stage, which is the run folder itself
  /// An earlier stage's checkpoint that it starts from, such as "encoder/best", in place of model.init_from; "": none.
  std::string init_from;
  RunConfig config;

  void fields(Fields& f);
};

/// What a configuration file trains. With `stages:`, a list of maps, each stage is the rest of the file with the map's keys
/// over it (overrides from the command line over both); without, the file is the only stage.
struct TrainingPlan {
  std::vector<Stage> stages;  ///< at least one
  ConfigNode written;         ///< what load() read; empty: the plan comes from elsewhere

  bool staged() const { return !stages.front().name.empty(); }

  /// @throws ConfigError with the place of the mistake.
  static TrainingPlan load(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

  /// Where a key of stage `i` was written, such as "preprocessing.size": itself, or else the section around it. Nowhere in a plan
  /// that comes from elsewhere.
  Place place(std::size_t i, const std::string& key) const;

  /// What stage `i` starts from, or learns from, if that is an earlier stage's.
  std::optional<StageCheckpoint> start(std::size_t i) const;
  std::optional<StageCheckpoint> teacher(std::size_t i) const;

  /// The configuration of stage `i` in its own run folder: an earlier stage's checkpoint is its path from there, so that it holds
  /// wherever the whole run lies.
  RunConfig config_of(std::size_t i) const;

  /// Makes paths of data and weights absolute, so that they hold from any working folder; an earlier stage's checkpoint is found in
  /// the run itself. @throws DataError for a file that is not there.
  void make_absolute();

  /// Every field with its present value; load() reads it back.
  std::string yaml(ConfigWriter::Style style = ConfigWriter::Style::kPlain) const;

  void fields(Fields& f);

 private:
  const Stage* earlier(const std::string& name, std::size_t before) const;  ///< nullptr: there is none
  std::optional<StageCheckpoint> checkpoint(const std::string& text, std::size_t before) const;
  void check(Fields& f, std::size_t i) const;
};

}  // namespace portraitseg
