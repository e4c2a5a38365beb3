#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/data/photos.h"
#include "portraitseg/data/replaced_background.h"

#include "dataset_extend.h"
#include "options.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

struct BackgroundArguments {
  DatasetSource source;
  ExtendOutput output;
  std::string backgrounds;
  BackgroundOptions options;
};

std::shared_ptr<const Dataset> open_backgrounds(const std::string& photos, const DataConfig& data) {
  ProgressBar bar("backgrounds");
  const ScanOptions scan = {data.workers,
                            [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }};
  const auto backgrounds = readable_photos(open_photos(photos, data.on_error), scan, data.on_error);
  bar.clear();
  for (const auto& reason : backgrounds->skipped) say("skipped: " + reason);
  return backgrounds;
}

int background_command(const BackgroundArguments& arguments) {
  refuse_empty("--backgrounds", arguments.backgrounds);
  check_output(arguments.output);
  refuse_among_photos(arguments.backgrounds, arguments.output.folder);
  const RunConfig config = read_source(arguments.source);
  const auto backgrounds = open_backgrounds(arguments.backgrounds, config.data);
  auto lists = open_lists(arguments.source, config.data, DefaultLists::kTrainAndVal, config.data.on_error);
  std::int64_t portraits = 0;
  for (auto& list : lists) {
    portraits += list.dataset->size();
    list.dataset = std::make_shared<ReplacedBackground>(list.dataset, backgrounds, arguments.options);
  }
  std::vector<ListOrigin> origins;
  for (const auto& list : lists) origins.push_back(origin_of(list));
  prepare_output(origins, arguments.output);
  Conversion done = write_lists(lists, arguments.output, config.data);
  done.skipped.insert(done.skipped.begin(), backgrounds->skipped.begin(), backgrounds->skipped.end());
  report(arguments.output,
         {{"portraits", portraits},
          {"backgrounds", backgrounds->size()},
          {"seed", arguments.options.seed},
          {"images", done.images},
          {"written", done.written},
          {"skipped", done.skipped}},
         fmt::format("{}: {} images of {} portraits before {} backgrounds, {} written now",
                     arguments.output.folder, done.images, portraits, backgrounds->size(), done.written),
         converted_data(done, arguments.output.folder, arguments.source));
  return 0;
}

}  // namespace

void add_extend_background(CLI::App& extend, Action& action) {
  auto arguments = std::make_shared<BackgroundArguments>();
  CLI::App* command = extend.add_subcommand("background", "Puts portraits before other backgrounds");
  add_source_options(*command, arguments->source);
  add_output_options(*command, arguments->output);
  command
      ->add_option("--backgrounds", arguments->backgrounds,
                   "folder of photos without people, or a pattern in quotes: 'rooms/*.jpg'")
      ->required();
  command->add_option("--per-image", arguments->options.per_image, "backgrounds for each portrait")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seed", arguments->options.seed, "same seed, same bytes")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--feather", arguments->options.feather,
                   "sigma of the mask's blur, px where the longer side is 800, in proportion elsewhere")
      ->check(number_in(0, 100))
      ->capture_default_str();
  command->callback(
      [&action, arguments] { action = [arguments] { return background_command(*arguments); }; });
}

}  // namespace portraitseg
