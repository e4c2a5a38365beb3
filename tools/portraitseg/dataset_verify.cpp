#include <cstdio>

#include "portraitseg/core/file.h"
#include "portraitseg/data/verify.h"
#include "portraitseg/report/dataset_report.h"

#include "dataset_source.h"
#include "output_place.h"
#include "terminal.h"

namespace portraitseg {
namespace {

constexpr int kFoundErrors = 2;

struct VerifyArguments {
  DatasetSource source;
  std::string json;
};

int verify_command(const VerifyArguments& arguments) {
  const RunConfig config = read_source(arguments.source);
  // Skip: what is wrong shall all be listed, not only the first.
  const auto lists = open_lists(arguments.source, config.data, DefaultLists::kTrainAndVal, OnError::kSkip);
  ProgressBar bar("verify");
  const DatasetReport report = verify(
      lists, {config.data.workers, [&](std::int64_t done, std::int64_t total) { bar.show(done, total); }});
  bar.clear();
  if (arguments.json == "-") {
    std::fputs(verify_json(report).c_str(), stdout);
  } else {
    std::fputs(verify_table(report).c_str(), stdout);
    if (!arguments.json.empty()) write_file(arguments.json, verify_json(report));
  }
  return report.count(Severity::kError) > 0 ? kFoundErrors : 0;
}

}  // namespace

void add_dataset_verify(CLI::App& dataset, Action& action) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* command = dataset.add_subcommand(
      "verify",
      "Looks for unusable images, leakage between lists, duplicates; exit code 2 if it finds an error");
  add_source_options(*command, arguments->source);
  add_json_option(*command, arguments->json, "the findings");
  command->callback([&action, arguments] { action = [arguments] { return verify_command(*arguments); }; });
}

}  // namespace portraitseg
