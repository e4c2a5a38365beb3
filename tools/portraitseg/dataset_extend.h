#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "portraitseg/data/convert.h"

#include "dataset_source.h"

namespace portraitseg {

using Json = nlohmann::ordered_json;

/// Where a verb of `dataset extend` writes.
struct ExtendOutput {
  std::string folder, json;
  int jpeg_quality = 0;
};

void add_output_options(CLI::App& command, ExtendOutput& output);

/// Before hours are spent on it. @throws DataError for a folder with anything but what `dataset` verbs write.
void refuse_other_folder(const ExtendOutput& output);

/// convert(), with a progress bar; says which images were skipped.
Conversion write_lists(const std::vector<DatasetList>& lists, const ExtendOutput& output,
                       const DataConfig& data);

/// The figures as JSON where they are wanted, the line on standard output unless they are wanted there.
void report(const ExtendOutput& output, const Json& figures, const std::string& line);

/// "3 small, 1 overlapping" of those that are not 0; "none".
std::string counted(const std::vector<std::pair<std::string, std::int64_t>>& counts);

/// One verb a file: dataset_extend_crop.cpp ...
void add_extend_crop(CLI::App& extend, Action& action);
void add_extend_label(CLI::App& extend, Action& action);
void add_extend_background(CLI::App& extend, Action& action);

}  // namespace portraitseg
