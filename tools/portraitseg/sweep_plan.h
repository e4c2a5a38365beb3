#pragma once

#include <CLI/App.hpp>

#include "commands.h"

namespace portraitseg {

/// The verb `sweep plan`. @return its command
CLI::App* add_sweep_plan(CLI::App& sweep, Action& action);

}  // namespace portraitseg
