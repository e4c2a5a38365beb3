#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "portraitseg/engine/run_config.h"

namespace portraitseg {

/// The configuration of a network given by its name alone: all defaults, at the paper's input size.
/// @throws UserError for an unknown name or a wrong override.
RunConfig config_of_network(const std::string& model, const std::vector<std::string>& overrides);

/// Height and width from "HxW". @throws UserError
std::array<std::int64_t, 2> parse_size(const std::string& text);

}  // namespace portraitseg
