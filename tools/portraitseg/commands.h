#pragma once

#include <functional>

#include <CLI/App.hpp>

namespace portraitseg {

/// What the chosen subcommand does; returns the exit code. Set while the command line is parsed, run afterwards.
using Action = std::function<int()>;

void add_train(CLI::App& app, Action& action);
void add_sweep(CLI::App& app, Action& action);
void add_evaluate(CLI::App& app, Action& action);
void add_predict(CLI::App& app, Action& action);
void add_summary(CLI::App& app, Action& action);
void add_weights(CLI::App& app, Action& action);
void add_dataset(CLI::App& app, Action& action);
void add_benchmark(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_config(CLI::App& app, Action& action);

}  // namespace portraitseg
