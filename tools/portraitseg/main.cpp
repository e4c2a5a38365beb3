#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>

#include "portraitseg/core/error.h"
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

int run(int argc, char** argv) {
  CLI::App app("Trains, evaluates and compares portrait segmentation networks.", "portraitseg");
  app.set_version_flag("--version", portraitseg::version());
  app.require_subcommand(1);
  portraitseg::Action action;
  portraitseg::add_train(app, action);
  portraitseg::add_evaluate(app, action);
  portraitseg::add_dataset(app, action);
  portraitseg::add_config(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail(std::string(error.what()) + " (see portraitseg --help)", kUsersMistake);
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const portraitseg::UserError& error) {
    return fail(error.what(), kUsersMistake);
  } catch (const std::bad_alloc&) {
    return fail(
        "out of memory; try a smaller trainer.batch_size, evaluation.batch_size or preprocessing.size",
        kOurFault);
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    const bool memory = text.find("out of memory") != std::string::npos ||
                        text.find("can't allocate memory") != std::string::npos;
    return fail(
        memory ? "out of memory; try a smaller batch or input size: " + text : "internal error: " + text,
        kOurFault);
  } catch (const std::exception& error) {
    return fail(std::string("internal error: ") + error.what(), kOurFault);
  }
}
