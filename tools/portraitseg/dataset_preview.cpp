#include <cstdio>

#include "portraitseg/data/write_image.h"
#include "portraitseg/report/contact_sheet.h"

#include "dataset_source.h"

namespace portraitseg {
namespace {

struct PreviewArguments {
  DatasetSource source;
  std::string output;
  std::int64_t images = 16;
  std::int64_t seed = -1;
  bool no_augment = false;
};

int preview_command(const PreviewArguments& arguments) {
  const RunConfig config = read_source(arguments.source);
  const DatasetList list = open_list(arguments.source, config.data, config.data.on_error);
  ContactSheetOptions options;
  options.images = arguments.images;
  options.seed = static_cast<std::uint64_t>(arguments.seed >= 0 ? arguments.seed : config.trainer.seed);
  options.augmented = !arguments.no_augment;
  options.workers = config.data.workers;
  options.on_error = config.data.on_error;
  const cv::Mat sheet = contact_sheet(*list.dataset, config.preprocessing, config.augment, options);
  write_image(arguments.output, sheet);
  std::printf("%s: %lld of %lld images of %s\n", arguments.output.c_str(),
              static_cast<long long>(std::min(arguments.images, list.dataset->size())),
              static_cast<long long>(list.dataset->size()), list.name.c_str());
  return 0;
}

}  // namespace

void add_dataset_preview(CLI::App& dataset, Action& action) {
  auto arguments = std::make_shared<PreviewArguments>();
  CLI::App* command = dataset.add_subcommand(
      "preview",
      "Draws the first images of a training as it sees them: left deformed, right with colour, blur, noise");
  add_source_options(*command, arguments->source);
  command->add_option("--output", arguments->output, "PNG file to write")->required();
  command->add_option("--images", arguments->images, "how many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "default: trainer.seed")->check(CLI::NonNegativeNumber);
  command->add_flag("--no-augment", arguments->no_augment, "as in evaluation");
  command->callback([&action, arguments] { action = [arguments] { return preview_command(*arguments); }; });
}

}  // namespace portraitseg
