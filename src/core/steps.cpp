#include "portraitseg/core/steps.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::optional<double> number_of(const std::string& text, const StepNumber& expected) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
  if (!is_number || value < expected.range.min || value > expected.range.max) return std::nullopt;
  if (expected.whole && value != std::round(value)) return std::nullopt;
  return value;
}

std::optional<Step> step_of(const std::string& text, const std::vector<StepForm>& forms) {
  const auto parts = split(text, ':');
  const auto form =
      std::find_if(forms.begin(), forms.end(), [&](const StepForm& f) { return f.name == parts.front(); });
  if (form == forms.end() || parts.size() != form->numbers.size() + 1) return std::nullopt;
  Step step{parts.front(), {}};
  for (std::size_t i = 0; i < form->numbers.size(); ++i) {
    const auto number = number_of(parts[i + 1], form->numbers[i]);
    if (!number) return std::nullopt;
    step.numbers.push_back(*number);
  }
  return step;
}

std::string description_of(const StepForm& form) {
  std::string name = form.name;
  std::vector<std::string> ranges;
  for (const auto& number : form.numbers) {
    name += fmt::format(":{}", number.what);
    ranges.push_back(fmt::format("{:.15g} to {:.15g}", number.range.min, number.range.max));
  }
  return ranges.empty() ? name : fmt::format("{} ({})", name, fmt::join(ranges, "; "));
}

std::string description_of(const std::vector<StepForm>& forms) {
  std::vector<std::string> descriptions;
  for (const auto& form : forms) descriptions.push_back(description_of(form));
  return fmt::format("{}", fmt::join(descriptions, ", "));
}

}  // namespace

std::string Step::text() const {
  std::string text = name;
  for (const double number : numbers) text += fmt::format(":{:.15g}", number);
  return text;
}

std::vector<Step> parse_steps(const std::string& text, const std::vector<StepForm>& forms) {
  std::vector<Step> steps;
  if (text == "none") return steps;
  for (const auto& part : split(text, ',')) {
    const auto step = step_of(part, forms);
    if (!step)
      throw UserError(
          fmt::format("\"{}\": expected none, or with commas between: {}", part, description_of(forms)));
    const bool again =
        std::any_of(steps.begin(), steps.end(), [&](const Step& other) { return other.name == step->name; });
    if (again) throw UserError(fmt::format("\"{}\": {} is given twice", text, step->name));
    steps.push_back(*step);
  }
  return steps;
}

}  // namespace portraitseg
