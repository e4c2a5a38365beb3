#include <cstdio>
#include <filesystem>

#include "portraitseg/data/convert.h"

#include "dataset_source.h"
#include "terminal.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct ConvertArguments {
  DatasetSource source;
  std::string output;
  int jpeg_quality = 0;
};

/// The lines of a configuration that read what was written.
struct ConvertedData {
  std::string name, root, train_list, val_list;  ///< a list may be empty: not known
  std::int64_t classes = 0;
  std::vector<std::vector<std::int64_t>> mirrored;

  void fields(Fields& f) {
    f("name", name, "");
    f("root", root, "");
    if (!train_list.empty()) f("train_list", train_list, "");
    if (!val_list.empty()) f("val_list", val_list, "");
    if (classes > 0) f("classes", classes, "");
    if (!mirrored.empty()) f("mirrored", mirrored, "");
  }
};

struct ConvertedConfig {
  ConvertedData data;
  void fields(Fields& f) { f.group("data", data, ""); }
};

ConvertedData converted_data(const Conversion& done, const fs::path& folder, bool train_and_val) {
  ConvertedData data;
  if (train_and_val) {
    data.train_list = done.lists.at(0);
    data.val_list = done.lists.at(1);
  } else {
    for (const auto& list : done.lists) {
      if (list == "val.txt") {
        data.val_list = list;
      } else if (data.train_list.empty() || list == "train.txt") {
        data.train_list = list;
      }
    }
  }
  if (done.classes == 1) {  // folders refuses a set without any portrait
    data.name = "backgrounds";
    data.root = (folder / "Images").string();
    for (auto* list : {&data.train_list, &data.val_list}) {
      if (!list->empty()) *list = (folder / *list).string();
    }
    return data;
  }
  data.name = "folders";
  data.root = folder.string();
  data.classes = done.classes;
  for (const auto& [a, b] : done.mirrored_classes) data.mirrored.push_back({a, b});
  return data;
}

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
  const bool of_configuration =
      arguments.source.lists.empty() && !(arguments.source.config.empty() && arguments.source.data.empty());
  ConvertedConfig section = {converted_data(done, arguments.output, of_configuration)};
  std::fputs(ConfigWriter::yaml(section).c_str(), stdout);
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
