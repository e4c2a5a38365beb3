#include <cstdio>
#include <map>

#include <CLI/CLI.hpp>

#include "portraitseg/core/file.h"
#include "portraitseg/data/statistics.h"
#include "portraitseg/report/dataset_report.h"

#include "dataset_source.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

struct StatsArguments {
  DatasetSource source;
  std::string order, json;
};

int stats_command(const StatsArguments& arguments) {
  const RunConfig config = read_source(arguments.source);
  ChannelOrder order = config.preprocessing.channel_order;
  if (!arguments.order.empty()) order = arguments.order == "rgb" ? ChannelOrder::kRgb : ChannelOrder::kBgr;
  // A network's mean and std are those of what it is trained on.
  const auto lists = open_lists(arguments.source, config.data, DefaultLists::kTrain, config.data.on_error);
  std::vector<ListStatistics> all;
  for (const auto& list : lists) {
    ProgressBar bar(list.name);
    const ScanOptions options = {config.data.workers,
                                 [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }};
    all.push_back(
        {list.name, list.dataset->list_sha256, statistics(*list.dataset, options, config.data.on_error)});
    bar.clear();
    for (const auto& reason : all.back().figures.skipped) say("skipped: " + reason);
  }
  if (arguments.json == "-") {
    std::fputs(statistics_json(all, order).c_str(), stdout);
    return 0;
  }
  for (const auto& list : all) {
    if (&list != &all.front()) std::fputs("\n", stdout);
    std::fputs(statistics_table(list, order).c_str(), stdout);
  }
  if (!arguments.json.empty()) write_file(arguments.json, statistics_json(all, order));
  return 0;
}

}  // namespace

void add_dataset_stats(CLI::App& dataset, Action& action) {
  auto arguments = std::make_shared<StatsArguments>();
  CLI::App* command = dataset.add_subcommand(
      "stats", "Mean and std of the pixels, class shares and weights, foreground by image and attribute");
  add_source_options(*command, arguments->source);
  command
      ->add_option("--order", arguments->order,
                   "of the channels: bgr or rgb; default: preprocessing.channel_order")
      ->check(CLI::IsMember({"bgr", "rgb"}));
  add_json_option(*command, arguments->json, "the figures");
  command->callback([&action, arguments] { action = [arguments] { return stats_command(*arguments); }; });
}

}  // namespace portraitseg
