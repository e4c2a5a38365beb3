#include <cstdio>

#include "portraitseg/data/synthetic.h"

#include "commands.h"
#include "dataset_source.h"

namespace portraitseg {
namespace {

struct SynthesizeArguments {
  std::string output;
  SyntheticDataset set;
};

int synthesize(const SynthesizeArguments& arguments) {
  write_synthetic_dataset(arguments.output, arguments.set);
  std::printf("%s: %lld portraits to train on, %lld to validate on, %lld to test on\n",
              arguments.output.c_str(), static_cast<long long>(arguments.set.train),
              static_cast<long long>(arguments.set.val), static_cast<long long>(arguments.set.test));
  return 0;
}

}  // namespace

void add_dataset(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("dataset", "Checks, measures, divides, converts, shows and makes data sets");
  command->require_subcommand(1);
  add_dataset_verify(*command, action);
  add_dataset_stats(*command, action);
  add_dataset_split(*command, action);
  add_dataset_convert(*command, action);
  add_dataset_preview(*command, action);
  add_dataset_extend(*command, action);
  auto arguments = std::make_shared<SynthesizeArguments>();
  CLI::App* synthesize_command =
      command->add_subcommand("synthesize", "Draws a data set of portraits with exact masks");
  synthesize_command->add_option("--output", arguments->output, "folder to write")->required();
  synthesize_command->add_option("--train", arguments->set.train, "training images")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  synthesize_command->add_option("--val", arguments->set.val, "validation images")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  synthesize_command->add_option("--test", arguments->set.test, "test images")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  synthesize_command->add_option("--height", arguments->set.height, "px")->capture_default_str();
  synthesize_command->add_option("--width", arguments->set.width, "px")->capture_default_str();
  synthesize_command->add_option("--seed", arguments->set.seed, "same seed, same bytes")
      ->capture_default_str();
  synthesize_command->callback(
      [&action, arguments] { action = [arguments] { return synthesize(*arguments); }; });
}

}  // namespace portraitseg
