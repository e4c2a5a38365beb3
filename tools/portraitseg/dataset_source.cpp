#include "dataset_source.h"

#include <algorithm>
#include <filesystem>

#include "portraitseg/core/error.h"
#include "portraitseg/data/mixture.h"

#include "options.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

bool only_root(const DatasetSource& source) {
  return source.config.empty() && source.data.empty();
}

DatasetList open(const DataConfig& data, const std::string& list, OnError on_error) {
  std::shared_ptr<const Dataset> dataset = data.options->open(list, on_error);
  std::string name = dataset->list.filename().string();
  return {std::move(name), std::move(dataset)};
}

/// Every *.txt in the folder that opens: what does not is a readme rather than a list.
std::vector<DatasetList> open_folder(const DataConfig& data, OnError on_error) {
  const fs::path root = data.options->root;
  std::error_code error;
  if (!fs::is_directory(root, error)) throw DataError(root, "no such folder");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_regular_file() && entry.path().extension() == ".txt")
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::vector<DatasetList> lists;
  for (const auto& name : names) {
    try {
      lists.push_back(open(data, name, on_error));
    } catch (const DataError& refusal) {
      say(std::string("no list: ") + refusal.what());
    }
  }
  if (lists.empty()) throw DataError(root, "holds no list (*.txt) that opens; name one with --list");
  return lists;
}

/// Two lists of one file name are told apart by their paths.
void name_apart(std::vector<DatasetList>& lists) {
  std::vector<std::string> names;
  for (const auto& list : lists) names.push_back(list.name);
  for (auto& list : lists) {
    if (std::count(names.begin(), names.end(), list.name) > 1) list.name = list.dataset->list.string();
  }
}

}  // namespace

void add_source_options(CLI::App& command, DatasetSource& source) {
  command.add_option("--config", source.config, "a configuration, whose section data says what and where");
  add_set_option(command, source.overrides, "of the configuration");
  command.add_option("--data", source.data, "a YAML file with the keys of the section data");
  command.add_option("--name", source.name, "a data set by its name, with --root; default: folders");
  command.add_option("--root", source.root, "the data set's folder");
  command
      .add_option("--list", source.lists,
                  "a list of images, a path or a name below the root; may be given again")
      ->take_all();
  command.add_option("--workers", source.workers, "threads that read images")->check(CLI::Range(0, 256));
}

void replace_root(DataConfig& data, const std::string& root) {
  if (dynamic_cast<const MixtureOptions*>(data.options.get()) != nullptr) {
    throw UserError(
        "--root: a mixture has a root for each part; change data.parts.0.data.root and so on instead");
  }
  data.options->root = root;
  for (auto* list : {&data.train_list, &data.val_list}) {
    if (fs::path(*list).is_absolute()) *list = fs::path(*list).filename().string();
  }
}

RunConfig read_source(const DatasetSource& source) {
  const bool files_apart = source.config.empty() || source.data.empty();
  const bool named = only_root(source) && !source.root.empty();
  if (!files_apart || (only_root(source) && !named) || (!only_root(source) && !source.name.empty()))
    throw UserError("say which data with one of --config FILE, --data FILE and --name NAME --root DIR");
  if (source.config.empty() && !source.overrides.empty()) throw UserError("--set needs --config");
  RunConfig config;
  if (!source.config.empty()) config = RunConfig::load(source.config, source.overrides);
  if (!source.data.empty()) Config::load(source.data).read(config.data);
  if (!source.name.empty()) {
    config.data.options = config.data.registry->at(source.name)();
    config.data.name = source.name;
  }
  if (!source.root.empty()) replace_root(config.data, source.root);
  if (source.workers >= 0) config.data.workers = source.workers;
  return config;
}

std::vector<DatasetList> open_lists(const DatasetSource& source, const DataConfig& data,
                                    DefaultLists defaults, OnError on_error) {
  std::vector<DatasetList> lists;
  if (!source.lists.empty()) {
    for (const auto& list : source.lists) lists.push_back(open(data, list, on_error));
  } else if (only_root(source)) {
    lists = open_folder(data, on_error);
  } else {
    lists.push_back(open(data, data.train_list, on_error));
    if (defaults == DefaultLists::kTrainAndVal) lists.push_back(open(data, data.val_list, on_error));
  }
  name_apart(lists);
  return lists;
}

DatasetList open_list(const DatasetSource& source, const DataConfig& data, OnError on_error) {
  if (source.lists.size() > 1) throw UserError("--list may be given only once here");
  return open(data, source.lists.empty() ? data.train_list : source.lists.front(), on_error);
}

}  // namespace portraitseg
