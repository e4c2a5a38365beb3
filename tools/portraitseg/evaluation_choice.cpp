#include "evaluation_choice.h"

#include <filesystem>
#include <set>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_of(const std::vector<std::string>& folders) {
  std::vector<std::string> names;
  for (const auto& folder : folders) {
    const fs::path path = (fs::path(folder) / "").parent_path().lexically_normal();
    names.push_back(path.filename().string());
  }
  const bool unique = std::set<std::string>(names.begin(), names.end()).size() == names.size();
  return unique ? names : folders;
}

}  // namespace

void add_evaluation_options(CLI::App& command, EvaluationChoice& choice) {
  command.add_option("results", choice.results, "folders that `evaluate --output` wrote")->required();
  command.add_option("--protocol", choice.protocol, "which one, where a folder holds several");
  command
      .add_option("--metric", choice.figures,
                  "figures as metrics.json names them, several with commas; default: iou_foreground and "
                  "boundary_f1_15, or miou")
      ->delimiter(',');
  command.add_flag("--force", choice.force,
                   "compare what differs in protocol, list or images, over the images that all have");
  command.add_option(
      "--by", choice.by,
      "figures by group of images: an attribute of the data set or a column of --attributes; in quartiles: "
      "foreground_share, brightness");
  command.add_option("--attributes", choice.attributes, "CSV file with a column id and one an attribute")
      ->check(CLI::ExistingFile);
  command
      .add_option("--smallest-group", choice.smallest_group,
                  "images that a group needs for a place in the largest gap")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--resamples", choice.resamples, "of bootstrap and permutations")
      ->check(CLI::Range(100, 10000000))
      ->capture_default_str();
  command.add_option("--seed", choice.seed, "of the resampling: same seed, same intervals")
      ->capture_default_str();
}

void check_choice(const EvaluationChoice& choice) {
  if (!choice.attributes.empty() && choice.by.empty())
    throw UserError("--attributes needs --by, the column whose values are the groups");
  refuse_repeated("--metric", choice.figures);
}

void refuse_repeated(const std::string& option, const std::vector<std::string>& values) {
  std::set<std::string> seen;
  for (const auto& value : values) {
    if (!seen.insert(value).second) throw UserError(option + ": " + value + " is given twice");
  }
}

void refuse_twice(const std::vector<std::string>& folders) {
  for (std::size_t i = 0; i < folders.size(); ++i) {
    std::error_code missing;  // then they are not the same
    for (std::size_t k = i + 1; k < folders.size(); ++k) {
      if (fs::equivalent(folders[i], folders[k], missing))
        throw UserError("the result " + folders[k] + " is given twice");
    }
  }
}

std::vector<Contender> one_by_one(const std::vector<std::string>& folders, const std::string& protocol) {
  const std::vector<std::string> names = names_of(folders);
  std::vector<Contender> contenders;
  for (std::size_t i = 0; i < folders.size(); ++i)
    contenders.push_back({names[i], {read_evaluation(folders[i], protocol)}});
  return contenders;
}

std::vector<FigureByGroup> by_groups(const EvaluationChoice& choice, std::vector<Contender> contenders) {
  if (choice.by.empty()) return {};
  align(contenders, choice.force);
  GroupOptions options;
  options.name = choice.by;
  options.smallest = choice.smallest_group;
  options.resampling = choice.resampling();
  if (!choice.attributes.empty()) options.attributes = read_attribute(choice.attributes, choice.by);
  const auto groups = image_groups(contenders.front().results.front(), options);
  std::vector<FigureByGroup> tables;
  for (const auto& contender : contenders) {
    for (const auto& result : contender.results) {
      const std::string name = contender.results.size() > 1 ? result.folder.string() : contender.name;
      const auto figures = choice.figures.empty() ? default_figures(result) : choice.figures;
      for (const auto& figure : figures) tables.push_back(by_group(name, result, figure, groups, options));
    }
  }
  return tables;
}

}  // namespace portraitseg
