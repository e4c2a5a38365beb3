#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace portraitseg {

/// Adds --set, which takes one value and may be given again: what follows its value is the verb's own.
/// @param what it overrides a value of: "of the configuration"
CLI::Option* add_set_option(CLI::App& command, std::vector<std::string>& overrides, const std::string& what);

/// A number from smallest to largest; CLI::Range takes nan.
CLI::Validator number_in(double smallest, double largest);

}  // namespace portraitseg
