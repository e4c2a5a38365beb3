#include "report/figure_text.h"

#include <cmath>

#include <spdlog/fmt/fmt.h>

namespace portraitseg {

std::string number_text(double value, int digits) {
  if (std::isnan(value)) return "-";
  const std::string text = fmt::format("{:.{}f}", value, digits);
  const bool zero = text.find_first_of("123456789") == std::string::npos;
  return zero && text[0] == '-' ? text.substr(1) : text;
}

std::string signed_text(double value, int digits) {
  return (value > 0 ? "+" : "") + number_text(value, digits);
}

std::string interval_text(const Interval& interval, int digits) {
  if (std::isnan(interval.low)) return "-";
  return fmt::format("[{}, {}]", number_text(interval.low, digits), number_text(interval.high, digits));
}

std::string p_value_text(double p) {
  return std::isnan(p) ? "-" : p < 0.001 ? "<0.001" : number_text(p, p < 0.1 ? 3 : 2);
}

std::string p_text(double p) {
  return p < 0.001 ? "p < 0.001" : "p = " + p_value_text(p);
}

std::string percent_text(double share) {
  return fmt::format("{:g} %", 100 * share);
}

std::string short_title(std::string title) {
  const std::string usual = ", mean over images";
  const std::size_t at = title.find(usual);
  if (at != std::string::npos) title.erase(at, usual.size());
  const std::size_t comma = title.find(", ");
  return comma == std::string::npos ? title : title.substr(0, comma) + " (" + title.substr(comma + 2) + ")";
}

bool lower_is_better(const std::string& figure) {
  for (const char* name : {"mae", "ece", "hausdorff"}) {
    if (figure.rfind(name, 0) == 0) return true;
  }
  return false;
}

}  // namespace portraitseg
