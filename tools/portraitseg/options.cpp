#include "options.h"

#include <cmath>

namespace portraitseg {

CLI::Option* add_set_option(CLI::App& command, std::vector<std::string>& overrides, const std::string& what) {
  return command
      .add_option("--set", overrides, "overrides a value " + what + ": key.sub=value; may be given again")
      ->allow_extra_args(false);
}

CLI::Validator number_in(double smallest, double largest) {
  const auto refuse_nan = [](std::string& text) {
    double value = 0;
    return CLI::detail::lexical_cast(text, value) && std::isnan(value) ? text + " is no number"
                                                                       : std::string();
  };
  return CLI::Range(smallest, largest) & CLI::Validator(refuse_nan, "");
}

}  // namespace portraitseg
