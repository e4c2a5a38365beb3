#include <cstdio>

#include "portraitseg/data/convert.h"

#include "converted_section.h"
#include "dataset_source.h"
#include "terminal.h"

namespace portraitseg {
namespace {

struct ConvertArguments {
  DatasetSource source;
  std::string output;
  int jpeg_quality = 0;
};

int convert_command(const ConvertArguments& arguments) {
  const RunConfig config = read_source(arguments.source);
  const auto lists =
      open_lists(arguments.source, config.data, DefaultLists::kTrainAndVal, config.data.on_error);
  ProgressBar bar("convert");
  ConvertOptions options;
  options.jpeg_quality = arguments.jpeg_quality;
  options.on_error = config.data.on_error;
  options.scan = {config.data.workers, [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }};
  const Conversion done = convert(lists, arguments.output, options);
  bar.clear();
  for (const auto& reason : done.skipped) say("skipped: " + reason);
  std::printf("%s: %lld images in %zu lists, %lld written now\n", arguments.output.c_str(),
              static_cast<long long>(done.images), lists.size(), static_cast<long long>(done.written));
  std::fputs(yaml_of(converted_data(done, arguments.output, arguments.source)).c_str(), stdout);
  return 0;
}

}  // namespace

void add_dataset_convert(CLI::App& dataset, Action& action) {
  auto arguments = std::make_shared<ConvertArguments>();
  CLI::App* command = dataset.add_subcommand(
      "convert", "Writes any data set as Images/, Labels/ and lists, which the data set folders reads");
  add_source_options(*command, arguments->source);
  command->add_option("--output", arguments->output, "folder to write")->required();
  command
      ->add_option("--jpeg-quality", arguments->jpeg_quality,
                   "images as JPEG of this quality; default: PNG, without loss")
      ->check(CLI::Range(1, 100));
  command->callback([&action, arguments] { action = [arguments] { return convert_command(*arguments); }; });
}

}  // namespace portraitseg
