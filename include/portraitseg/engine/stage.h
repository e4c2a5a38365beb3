#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "portraitseg/engine/run_config.h"

namespace portraitseg {

/// One training of several that follow one another, as clova's encoder and whole network do.
struct Stage {
  std::string name;  ///< of its folder in the run folder; "": the only stage, which is the run folder itself
  /// An earlier stage's checkpoint that it starts from, such as "encoder/best", in place of model.init_from; "": none.
  std::string init_from;
  RunConfig config;

  void fields(Fields& f);

  std::string start_stage() const;  ///< "encoder" of "encoder/best"

  /// Where `init_from` lies in the run folder `run`.
  std::filesystem::path start_file(const std::filesystem::path& run) const;
};

/// What a configuration file trains. With `stages:`, a list of maps, each stage is the rest of the file with the map's keys
/// over it (overrides from the command line over both); without, the file is the only stage.
struct TrainingPlan {
  std::vector<Stage> stages;  ///< at least one

  bool staged() const { return !stages.front().name.empty(); }

  /// @throws ConfigError with the place of the mistake.
  static TrainingPlan load(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

  /// Every field with its present value; load() reads it back.
  std::string yaml(ConfigWriter::Style style = ConfigWriter::Style::kPlain) const;

  void fields(Fields& f);

 private:
  const Stage* earlier(const std::string& name, std::size_t before) const;  ///< nullptr: there is none
  void check(Fields& f, std::size_t i) const;
};

}  // namespace portraitseg
