#include "network_choice.h"

#include <regex>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"

namespace portraitseg {

RunConfig config_of_network(const std::string& model, const std::vector<std::string>& overrides) {
  const auto [height, width] = models().at(model)()->card().size;
  return RunConfig::parse(
      fmt::format("model: {{name: {}}}\npreprocessing: {{size: [{}, {}]}}\n", model, height, width),
      "--model " + model, overrides);
}

std::array<std::int64_t, 2> parse_size(const std::string& text) {
  static const std::regex form("([0-9]{1,5})x([0-9]{1,5})");
  constexpr std::int64_t kLargest = 16384;  // as preprocessing.size
  std::smatch match;
  if (std::regex_match(text, match, form)) {
    const std::int64_t height = std::stoll(match[1]), width = std::stoll(match[2]);
    if (height > 0 && width > 0 && height <= kLargest && width <= kLargest) return {height, width};
  }
  throw UserError("--size '" + text + "': expected height x width in pixels up to 16384, such as 224x224");
}

}  // namespace portraitseg
