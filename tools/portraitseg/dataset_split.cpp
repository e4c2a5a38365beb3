#include <array>
#include <cstdio>
#include <filesystem>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/split.h"

#include "dataset_source.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kParts = {"train.txt", "val.txt", "test.txt"};

struct SplitArguments {
  DatasetSource source;
  std::vector<double> shares = {0.8, 0.1, 0.1};
  std::uint64_t seed = 1;
  std::string group_by, group_regex, output;
};

GroupOf grouping(const SplitArguments& arguments) {
  if (!arguments.group_by.empty() && !arguments.group_regex.empty())
    throw UserError("--group-by and --group-regex exclude each other");
  if (!arguments.group_by.empty()) return group_by_attribute(arguments.group_by);
  if (!arguments.group_regex.empty()) return group_by_pattern(arguments.group_regex);
  return group_by_id();
}

int split_command(const SplitArguments& arguments) {
  if (arguments.shares.size() < 2 || arguments.shares.size() > kParts.size())
    throw UserError("--shares: expected two or three numbers, of train, val and test");
  const GroupOf group_of = grouping(arguments);
  const fs::path folder = arguments.output;
  for (const char* part : kParts) {
    if (fs::exists(folder / part)) throw DataError(folder / part, "already exists; choose another --output");
  }
  const RunConfig config = read_source(arguments.source);
  const DatasetList list = open_list(arguments.source, config.data, OnError::kFail);
  ProgressBar bar(list.name);
  const auto entries = split_entries(
      *list.dataset, group_of,
      {config.data.workers, [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }});
  bar.clear();
  std::vector<std::string> groups;
  for (const auto& entry : entries) groups.push_back(entry.group);
  const auto parts = split(groups, arguments.shares, arguments.seed);
  make_folder(folder);
  for (std::size_t part = 0; part < parts.size(); ++part) {
    if (parts[part].empty()) continue;  // share 0
    std::string text;
    for (const auto item : parts[part]) text += entries[static_cast<std::size_t>(item)].line + "\n";
    write_file(folder / kParts[part], text);
    std::printf("%s: %zu of %zu images\n", (folder / kParts[part]).c_str(), parts[part].size(),
                entries.size());
  }
  return 0;
}

}  // namespace

void add_dataset_split(CLI::App& dataset, Action& action) {
  auto arguments = std::make_shared<SplitArguments>();
  CLI::App* command = dataset.add_subcommand("split", "Divides a list into train, val and test");
  add_source_options(*command, arguments->source);
  command->add_option("--shares", arguments->shares, "of train, val and test; sum 1")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "same seed, same parts")->capture_default_str();
  command->add_option("--group-by", arguments->group_by,
                      "an attribute, such as user_id: images of one value stay together");
  command->add_option(
      "--group-regex", arguments->group_regex,
      "images stay together if this finds the same in their ids (the first group in brackets, if any)");
  command->add_option("--output", arguments->output, "folder for train.txt, val.txt and test.txt")
      ->required();
  command->callback([&action, arguments] { action = [arguments] { return split_command(*arguments); }; });
}

}  // namespace portraitseg
