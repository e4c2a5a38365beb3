#pragma once

#include <CLI/App.hpp>

#include "commands.h"

namespace portraitseg {

/// Adds `sweep report` to `sweep`. @return it
CLI::App* add_sweep_report(CLI::App& sweep, Action& action);

}  // namespace portraitseg
