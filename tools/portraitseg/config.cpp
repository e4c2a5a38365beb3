#include <cstdio>

#include "portraitseg/engine/plan_check.h"
#include "portraitseg/engine/stage.h"

#include "commands.h"
#include "options.h"

namespace portraitseg {
namespace {

struct ConfigArguments {
  std::string file;
  std::vector<std::string> overrides;
};

CLI::App* add(CLI::App& parent, const char* name, const char* help,
              const std::shared_ptr<ConfigArguments>& arguments) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_option("file", arguments->file, "configuration file (YAML)")->required();
  add_set_option(*command, arguments->overrides, "of it");
  return command;
}

int show(const ConfigArguments& arguments) {
  const TrainingPlan plan = TrainingPlan::load(arguments.file, arguments.overrides);
  std::fputs(plan.yaml(ConfigWriter::Style::kCommented).c_str(), stdout);
  return 0;
}

int check(const ConfigArguments& arguments) {
  const TrainingPlan plan = TrainingPlan::load(arguments.file, arguments.overrides);
  check_devices(plan);
  check_plan(plan);
  std::printf("%s: fine\n", arguments.file.c_str());
  return 0;
}

}  // namespace

void add_config(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* command = app.add_subcommand("config", "Shows or checks a configuration");
  command->require_subcommand(1);
  add(*command, "show", "Prints every value that is in effect, with its meaning", arguments)
      ->callback([&action, arguments] { action = [arguments] { return show(*arguments); }; });
  add(*command, "check", "Says what is wrong with a configuration, or that it is fine", arguments)
      ->callback([&action, arguments] { action = [arguments] { return check(*arguments); }; });
}

}  // namespace portraitseg
