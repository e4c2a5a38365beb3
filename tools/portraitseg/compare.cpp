#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/report/comparison_table.h"

#include "commands.h"
#include "output_place.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  std::vector<std::string> results, against;
  std::string protocol;
  std::vector<std::string> figures;
  bool force = false;
  std::string by, attributes;
  std::size_t smallest_group = 20;
  std::int64_t resamples = 10000;
  std::uint64_t seed = 1;
  std::string json;
};

/// Each folder's own name, or the whole path where two have the same.
std::vector<std::string> names_of(const std::vector<std::string>& folders) {
  std::vector<std::string> names;
  for (const auto& folder : folders) {
    const fs::path path = (fs::path(folder) / "").parent_path().lexically_normal();
    names.push_back(path.filename().string());
  }
  const bool unique = std::set<std::string>(names.begin(), names.end()).size() == names.size();
  return unique ? names : folders;
}

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
  std::vector<std::string> all = arguments.results;
  all.insert(all.end(), arguments.against.begin(), arguments.against.end());
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::error_code missing;  // then they are not the same
    for (std::size_t k = i + 1; k < all.size(); ++k) {
      if (fs::equivalent(all[i], all[k], missing))
        throw UserError("the result " + all[k] + " is given twice");
    }
  }
  if (arguments.results.size() + arguments.against.size() > 2 && !arguments.against.empty())
    return {group_of(arguments.results, arguments.protocol), group_of(arguments.against, arguments.protocol)};
  const std::vector<std::string> names = names_of(all);
  std::vector<Contender> contenders;
  for (std::size_t i = 0; i < all.size(); ++i)
    contenders.push_back({names[i], {read_evaluation(all[i], arguments.protocol)}});
  return contenders;
}

std::vector<FigureByGroup> by_groups(const CompareArguments& arguments, std::vector<Contender> contenders) {
  if (arguments.by.empty()) return {};
  align(contenders, arguments.force);
  GroupOptions options;
  options.name = arguments.by;
  options.smallest = arguments.smallest_group;
  options.resampling = {arguments.resamples, arguments.seed};
  if (!arguments.attributes.empty()) options.attributes = read_attribute(arguments.attributes, arguments.by);
  std::vector<FigureByGroup> tables;
  for (const auto& contender : contenders) {
    for (const auto& result : contender.results) {
      const std::string name = contender.results.size() > 1 ? result.folder.string() : contender.name;
      const auto figures = arguments.figures.empty() ? default_figures(result) : arguments.figures;
      for (const auto& figure : figures) tables.push_back(by_group(name, result, figure, options));
    }
  }
  return tables;
}

int compare_command(const CompareArguments& arguments) {
  if (arguments.results.size() + arguments.against.size() < 2 && arguments.by.empty())
    throw UserError("compare needs two results at least, or one with --by");
  if (!arguments.attributes.empty() && arguments.by.empty())
    throw UserError("--attributes needs --by, the column whose values are the groups");
  const std::vector<Contender> contenders = contenders_of(arguments);
  ComparisonOptions options;
  options.figures = arguments.figures;
  options.force = arguments.force;
  options.resampling = {arguments.resamples, arguments.seed};
  const Comparison comparison = compare(contenders, options);
  const std::vector<FigureByGroup> groups = by_groups(arguments, contenders);
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
  command->add_option("results", arguments->results, "folders that `evaluate --output` wrote")->required();
  command->add_option(
      "--against", arguments->against,
      "further results: those before and these are then two groups of trainings that differ in their seed");
  command->add_option("--protocol", arguments->protocol, "which one, where a folder holds several");
  command
      ->add_option("--metric", arguments->figures,
                   "figures as metrics.json names them, several with commas; default: iou_foreground and "
                   "boundary_f1_15, or miou")
      ->delimiter(',');
  command->add_flag("--force", arguments->force,
                    "compare what differs in protocol, list or images, over the images that all have");
  command->add_option(
      "--by", arguments->by,
      "figures by group of images: an attribute of the data set or a column of --attributes; in quartiles: "
      "foreground_share, brightness");
  command->add_option("--attributes", arguments->attributes, "CSV file with a column id and one an attribute")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--smallest-group", arguments->smallest_group,
                   "images that a group needs for a place in the largest gap")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--resamples", arguments->resamples, "of bootstrap and permutations")
      ->check(CLI::Range(100, 10000000))
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "of the resampling: same seed, same intervals")
      ->capture_default_str();
  add_json_option(*command, arguments->json, "the comparison");
  command->callback([&action, arguments] { action = [arguments] { return compare_command(*arguments); }; });
}

}  // namespace portraitseg
