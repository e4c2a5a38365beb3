#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "portraitseg/data/dataset_list.h"
#include "portraitseg/data/datasets.h"
#include "portraitseg/engine/run_config.h"

#include "commands.h"

namespace portraitseg {

/// What the verbs of `portraitseg dataset` work on, as the command line says it.
struct DatasetSource {
  std::string config;                  ///< a configuration; its section data, or
  std::string data;                    ///< a file with the keys of that section, or
  std::string name;                    ///< a data set by its name, with
  std::string root;                    ///< its folder; goes before the folder in the files, too
  std::vector<std::string> overrides;  ///< of the configuration
  std::vector<std::string> lists;
  std::int64_t workers = -1;  ///< -1: as the configuration says
};

void add_source_options(CLI::App& command, DatasetSource& source);

/// The whole configuration, of which only `data` is read from a source that is not --config.
/// @throws UserError unless the source is given in exactly one of the three ways.
RunConfig read_source(const DatasetSource& source);

/// Another folder for the data: --root in place of the configuration's. The folder's lists are its own, so that of a
/// list's absolute path only the file name is kept.
/// @throws UserError for a mixture, whose parts have folders of their own.
void replace_root(DataConfig& data, const std::string& root);

enum class DefaultLists { kTrain, kTrainAndVal };

/// Opens the lists given with --list; else those of the configuration; else, where there is only a root, every *.txt in
/// it that opens, while the others are named on stderr.
std::vector<DatasetList> open_lists(const DatasetSource& source, const DataConfig& data,
                                    DefaultLists defaults, OnError on_error);

/// The one list given with --list, else the configuration's train_list.
DatasetList open_list(const DatasetSource& source, const DataConfig& data, OnError on_error);

/// One verb a file: dataset_verify.cpp ...
void add_dataset_verify(CLI::App& dataset, Action& action);
void add_dataset_stats(CLI::App& dataset, Action& action);
void add_dataset_split(CLI::App& dataset, Action& action);
void add_dataset_convert(CLI::App& dataset, Action& action);
void add_dataset_preview(CLI::App& dataset, Action& action);
void add_dataset_extend(CLI::App& dataset, Action& action);

}  // namespace portraitseg
