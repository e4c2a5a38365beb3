#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "portraitseg/report/comparison.h"

namespace portraitseg {

/// Which evaluations are looked at, and by what: the options that `compare` and `report` share.
struct EvaluationChoice {
  std::vector<std::string> results;  ///< folders
  std::string protocol;
  std::vector<std::string> figures;
  bool force = false;
  std::string by, attributes;
  std::size_t smallest_group = 20;
  std::int64_t resamples = 10000;
  std::uint64_t seed = 1;

  Resampling resampling() const { return {resamples, seed}; }
  ComparisonOptions comparison() const { return {figures, force, resampling()}; }
};

void add_evaluation_options(CLI::App& command, EvaluationChoice& choice);

/// @throws UserError for --attributes without --by.
void check_choice(const EvaluationChoice& choice);

/// @throws UserError naming the option ("--metric") if a value occurs twice.
void refuse_repeated(const std::string& option, const std::vector<std::string>& values);

/// @throws UserError if two paths are the same folder.
void refuse_twice(const std::vector<std::string>& folders);

/// Each folder as a contender of its own, by the folder's own name, or the whole path where two have the same.
std::vector<Contender> one_by_one(const std::vector<std::string>& folders, const std::string& protocol);

/// Of every result each figure; none without --by.
std::vector<FigureByGroup> by_groups(const EvaluationChoice& choice, std::vector<Contender> contenders);

}  // namespace portraitseg
