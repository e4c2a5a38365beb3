#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "portraitseg/data/convert.h"

#include "converted_section.h"
#include "dataset_source.h"

namespace portraitseg {

using Json = nlohmann::ordered_json;

/// Where a verb of `dataset extend` writes.
struct ExtendOutput {
  std::string folder, json;
  int jpeg_quality = 0;
};

void add_output_options(CLI::App& command, ExtendOutput& output);

/// @throws UserError for an empty value, which as a path would be the working folder.
void refuse_empty(const std::string& option, const std::string& value);

/// Before anything is read. @throws UserError, DataError for a folder that cannot be written for a reason that shows without
/// the lists, and for a place where the figures cannot be written or would lie among the output.
void check_output(const ExtendOutput& output);

/// Makes the folder, before hours are spent on it; see prepare_folder().
void prepare_output(const std::vector<ListOrigin>& lists, const ExtendOutput& output);

/// convert(), with a progress bar; says which images were skipped.
Conversion write_lists(const std::vector<DatasetList>& lists, const ExtendOutput& output,
                       const DataConfig& data);

/// The figures as JSON where they are wanted, line and section on standard output unless they are wanted there.
void report(const ExtendOutput& output, Json figures, const std::string& line, const ConvertedData& data);

/// "3 small, 1 overlapping" of those that are not 0; "none".
std::string counted(const std::vector<std::pair<std::string, std::int64_t>>& counts);

/// One verb a file: dataset_extend_crop.cpp ...
void add_extend_crop(CLI::App& extend, Action& action);
void add_extend_label(CLI::App& extend, Action& action);
void add_extend_background(CLI::App& extend, Action& action);

}  // namespace portraitseg
