#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/report/comparison_table.h"

#include "commands.h"
#include "evaluation_choice.h"
#include "output_place.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  EvaluationChoice choice;
  std::vector<std::string> against;
  std::string json;
};

/// "runs/sinet_*", from what their paths begin with.
std::string name_of_group(const std::vector<std::string>& folders) {
  std::string shared = folders.front();
  for (const auto& folder : folders) {
    const auto end = std::mismatch(shared.begin(), shared.end(), folder.begin(), folder.end()).first;
    shared.erase(end, shared.end());
  }
  return shared + (folders.size() > 1 ? "*" : "");
}

Contender group_of(const std::vector<std::string>& folders, const std::string& protocol) {
  Contender contender{name_of_group(folders), {}};
  for (const auto& folder : folders) contender.results.push_back(read_evaluation(folder, protocol));
  return contender;
}

std::vector<Contender> contenders_of(const CompareArguments& arguments) {
  const EvaluationChoice& choice = arguments.choice;
  std::vector<std::string> all = choice.results;
  all.insert(all.end(), arguments.against.begin(), arguments.against.end());
  refuse_twice(all);
  if (all.size() > 2 && !arguments.against.empty()) {
    Contender a = group_of(choice.results, choice.protocol), b = group_of(arguments.against, choice.protocol);
    if (a.name == b.name) {
      a.name = "the " + std::to_string(a.results.size()) + " before --against";
      b.name = "the " + std::to_string(b.results.size()) + " behind it";
    }
    return {a, b};
  }
  return one_by_one(all, choice.protocol);
}

int compare_command(const CompareArguments& arguments) {
  const EvaluationChoice& choice = arguments.choice;
  if (choice.results.size() + arguments.against.size() < 2 && choice.by.empty())
    throw UserError("compare needs two results at least, or one with --by");
  check_choice(choice);
  const std::vector<Contender> contenders = contenders_of(arguments);
  const Comparison comparison = compare(contenders, choice.comparison());
  const std::vector<FigureByGroup> groups = by_groups(choice, contenders);
  if (arguments.json != "-") std::fputs(comparison_table(comparison, groups).c_str(), stdout);
  if (arguments.json == "-") {
    std::fputs(comparison_json(comparison, groups).c_str(), stdout);
  } else if (!arguments.json.empty()) {
    write_file(arguments.json, comparison_json(comparison, groups));
  }
  return 0;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command =
      app.add_subcommand("compare", "Says what the differences between evaluations are worth");
  add_evaluation_options(*command, arguments->choice);
  command->add_option(
      "--against", arguments->against,
      "further results: those before and these are then two groups of trainings that differ in their seed");
  add_json_option(*command, arguments->json, "the comparison");
  command->callback([&action, arguments] { action = [arguments] { return compare_command(*arguments); }; });
}

}  // namespace portraitseg
