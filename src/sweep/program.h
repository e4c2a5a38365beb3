#pragma once

#include <string>
#include <vector>

namespace portraitseg {

/// How a program ended and what it printed.
struct ProgramEnd {
  int exit_code = -1;  ///< -1: it was not found, a signal ended it, or it took too long
  std::string out, err;
};

/// Whether PATH has it.
bool has_program(const std::string& name);

/// Runs a program of PATH and waits for it, at most a minute. It does not hear the terminal's Ctrl-C.
/// @param without variables whose names begin like this are kept from it
ProgramEnd run_program(std::vector<std::string> arguments, const std::vector<std::string>& without = {});

}  // namespace portraitseg
