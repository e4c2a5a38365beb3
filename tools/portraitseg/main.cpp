#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>
#include <unistd.h>

#include "portraitseg/core/config.h"
#include "portraitseg/core/error.h"
#include "portraitseg/core/libtorch.h"
#include "portraitseg/core/version.h"

#include "commands.h"

namespace {

constexpr int kOurFault = 1;
constexpr int kUsersMistake = 2;

/// One line on stderr, whatever the message holds.
int fail(std::string message, int code) {
  message = message.substr(0, message.find('\n'));
  std::fprintf(stderr, "portraitseg: %s\n", message.c_str());
  return code;
}

/// OpenMP's threads spin while they wait for each other. Where another program wants the cores, that slows a step down
/// up to tenfold; passive waiting costs nothing measurable elsewhere (docs/decisions/0003). OpenMP reads the variable
/// before main() begins, hence the second start.
void wait_passively(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  const bool computes = verb == "train" || verb == "evaluate" || verb == "predict" || verb == "benchmark" ||
                        verb == "sweep" ||
                        (verb == "dataset" && argc > 2 && std::string(argv[2]) == "extend");
  if (!computes || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 0);
  execv("/proc/self/exe", argv);  // returns only on failure, and then waiting is not passive
}

/// The verbs below the last one that was given: "convert, show, diff".
std::string verbs_below(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  if (!chosen.empty()) return verbs_below(*chosen.front());
  std::string names;
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names += (names.empty() ? "" : ", ") + verb->get_name();
  return names;
}

/// The options and verbs that the last verb that was given knows.
std::vector<std::string> known_words(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  if (!chosen.empty()) return known_words(*chosen.front());
  std::vector<std::string> words;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) words.push_back("--" + name);
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    words.push_back(verb->get_name());
  return words;
}

/// What nobody takes, in the order in which it was given (CLI11's own message has it reversed), and what may have been meant.
std::string unexpected(const CLI::App& app) {
  std::string text = "not expected:", meant;
  for (const auto& argument : app.remaining(true)) {
    text += " " + argument;
    if (meant.empty())
      meant = portraitseg::did_you_mean(argument.substr(0, argument.find('=')), known_words(app));
  }
  return text + meant;
}

/// "portraitseg dataset stats": the command as far as its verbs go.
std::string command_of(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return app.get_name() + (chosen.empty() ? "" : " " + command_of(*chosen.front()));
}

int run(int argc, char** argv) {
  CLI::App app("Trains, evaluates and compares portrait segmentation networks.", "portraitseg");
  app.set_version_flag("--version", portraitseg::version());
  app.require_subcommand(0, 1);  // none is refused below, with the known ones
  portraitseg::Action action;
  portraitseg::add_train(app, action);
  portraitseg::add_sweep(app, action);
  portraitseg::add_evaluate(app, action);
  portraitseg::add_compare(app, action);
  portraitseg::add_report(app, action);
  portraitseg::add_predict(app, action);
  portraitseg::add_summary(app, action);
  portraitseg::add_weights(app, action);
  portraitseg::add_dataset(app, action);
  portraitseg::add_benchmark(app, action);
  portraitseg::add_config(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const bool extras = !app.remaining(true).empty();  // then nothing else that is missing matters
    const bool of_a_value =
        !extras && (error.get_name() == "ValidationError" || error.get_name() == "ConversionError");
    const std::string verbs = of_a_value ? "" : verbs_below(app);
    return fail((extras ? unexpected(app) : std::string(error.what())) +
                    (verbs.empty() ? "" : "; known: " + verbs) + " (see " + command_of(app) + " --help)",
                kUsersMistake);
  }
  if (!action)
    return fail("no verb given; known: " + verbs_below(app) + " (see portraitseg --help)", kUsersMistake);
  const int code = action();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return fail("cannot write to standard output", kUsersMistake);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  wait_passively(argc, argv);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may grow no more is an error that says so
  try {
    return run(argc, argv);
  } catch (const portraitseg::UserError& error) {
    return fail(error.what(), kUsersMistake);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(error.what(), kUsersMistake);
  } catch (const std::exception& error) {
    if (portraitseg::is_out_of_memory(error))
      return fail(
          "out of memory; try a smaller trainer.batch_size, evaluation.batch_size, preprocessing.size or "
          "data.cache.mib",
          kUsersMistake);
    const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
    return fail(std::string("internal error: ") +
                    (of_torch != nullptr ? of_torch->what_without_backtrace() : error.what()),
                kOurFault);
  }
}
