#pragma once

#include <string>
#include <vector>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// A number that a step takes.
struct StepNumber {
  const char* what;    ///< in capitals: how the user is told of it
  Range range;         ///< both included
  bool whole = false;  ///< no fraction
};

/// A step that may be named: its name, and its numbers in their order.
struct StepForm {
  const char* name;
  std::vector<StepNumber> numbers;
};

/// A step as it is written on the command line: "texture", "jpeg:30", "guided_filter:8:0.01".
struct Step {
  std::string name;
  std::vector<double> numbers;

  std::string text() const;  ///< the one way of writing it: "rotate:45", also for "rotate:45.0"
};

/// "none", which is no step, or steps with commas between, each name at most once.
/// @throws UserError, one line that says which part is wrong, and the form and the ranges it has to have.
std::vector<Step> parse_steps(const std::string& text, const std::vector<StepForm>& forms);

}  // namespace portraitseg
