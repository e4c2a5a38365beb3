#include "dataset_extend.h"

#include <cstdio>
#include <filesystem>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/media_files.h"

#include "output_place.h"
#include "terminal.h"

namespace portraitseg {

namespace fs = std::filesystem;

void add_output_options(CLI::App& command, ExtendOutput& output) {
  command.add_option("--output", output.folder, "folder to write")->required();
  command
      .add_option("--jpeg-quality", output.jpeg_quality,
                  "images as JPEG of this quality; default: PNG, without loss")
      ->check(CLI::Range(1, 100));
  add_json_option(command, output.json, "the figures");
}

void refuse_empty(const std::string& option, const std::string& value) {
  if (value.empty()) throw UserError(option + " is empty");
}

void check_output(const ExtendOutput& output) {
  refuse_empty("--output", output.folder);
  std::error_code error;
  const fs::path folder = output.folder;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error))
    throw DataError(folder, "is no folder; choose another one");
  if (fs::exists(folder, error) && !fs::exists(folder / "convert.json", error) &&
      !fs::is_empty(folder, error))
    throw DataError(folder, "holds something else; choose another folder");
  if (output.json.empty() || output.json == "-") return;
  const fs::path json = fs::absolute(output.json);
  if (lies_in(json, folder)) throw DataError(output.json, "lies in the output folder; choose another place");
}

void prepare_output(const std::vector<ListOrigin>& lists, const ExtendOutput& output) {
  ConvertOptions options;
  options.jpeg_quality = output.jpeg_quality;
  prepare_folder(lists, output.folder, options);
}

Conversion write_lists(const std::vector<DatasetList>& lists, const ExtendOutput& output,
                       const DataConfig& data) {
  ProgressBar bar("write");
  ConvertOptions options;
  options.jpeg_quality = output.jpeg_quality;
  options.on_error = data.on_error;
  options.scan = {data.workers, [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }};
  Conversion done = convert(lists, output.folder, options);
  bar.clear();
  for (const auto& reason : done.skipped) say("skipped: " + reason);
  return done;
}

void report(const ExtendOutput& output, Json figures, const std::string& line, const ConvertedData& data) {
  figures["data"] = json_of(data);
  const std::string json = figures.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  std::fputs(output.json == "-" ? json.c_str() : (line + "\n" + yaml_of(data)).c_str(), stdout);
  if (!output.json.empty() && output.json != "-") write_file(output.json, json);
}

std::string counted(const std::vector<std::pair<std::string, std::int64_t>>& counts) {
  std::string text;
  for (const auto& [what, count] : counts) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  }
  return text.empty() ? "none" : text;
}

void add_dataset_extend(CLI::App& dataset, Action& action) {
  CLI::App* command = dataset.add_subcommand(
      "extend", "Makes more training data: crops portraits, masks photos by a network, replaces backgrounds");
  command->require_subcommand(1);
  add_extend_crop(*command, action);
  add_extend_label(*command, action);
  add_extend_background(*command, action);
}

}  // namespace portraitseg
