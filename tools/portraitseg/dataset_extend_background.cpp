#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>

#include "portraitseg/data/photos.h"
#include "portraitseg/data/replaced_background.h"

#include "dataset_extend.h"

namespace portraitseg {
namespace {

struct BackgroundArguments {
  DatasetSource source;
  ExtendOutput output;
  std::string backgrounds;
  BackgroundOptions options;
};

int background_command(const BackgroundArguments& arguments) {
  refuse_other_folder(arguments.output);
  const RunConfig config = read_source(arguments.source);
  const std::shared_ptr<const Dataset> backgrounds = open_photos(arguments.backgrounds, config.data.on_error);
  auto lists = open_lists(arguments.source, config.data, DefaultLists::kTrainAndVal, config.data.on_error);
  std::int64_t portraits = 0;
  for (auto& list : lists) {
    portraits += list.dataset->size();
    list.dataset = std::make_shared<ReplacedBackground>(list.dataset, backgrounds, arguments.options);
  }
  const Conversion done = write_lists(lists, arguments.output, config.data);
  report(arguments.output,
         {{"portraits", portraits},
          {"backgrounds", backgrounds->size()},
          {"seed", arguments.options.seed},
          {"images", done.images},
          {"written", done.written},
          {"skipped", done.skipped}},
         fmt::format("{}: {} images of {} portraits before {} backgrounds, {} written now",
                     arguments.output.folder, done.images, portraits, backgrounds->size(), done.written));
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
  command->add_option("--seed", arguments->options.seed, "same seed, same bytes")->capture_default_str();
  command
      ->add_option("--feather", arguments->options.feather,
                   "sigma of the mask's blur, px where the longer side is 800, in proportion elsewhere")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command->callback(
      [&action, arguments] { action = [arguments] { return background_command(*arguments); }; });
}

}  // namespace portraitseg
