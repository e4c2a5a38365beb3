#include "portraitseg/core/steps.h"

#include <algorithm>
#include <charconv>
#include <cmath>

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

std::string range_of(const StepNumber& number) {
  return fmt::format("{:.15g} to {:.15g}", number.range.min, number.range.max);
}

std::string description_of(const StepForm& form) {
  std::string name = form.name;
  std::vector<std::string> ranges;
  for (const auto& number : form.numbers) {
    name += fmt::format(":{}", number.what);
    ranges.push_back(range_of(number));
  }
  return ranges.empty() ? name : fmt::format("{} ({})", name, fmt::join(ranges, "; "));
}

/// @param part of the whole text
UserError wrong(const std::string& part, const std::string& why) {
  return UserError(fmt::format("\"{}\": {}", part, why));
}

UserError unknown(const std::string& part, const std::string& name, const std::vector<StepForm>& forms) {
  std::vector<std::string> names, descriptions;
  for (const auto& form : forms) {
    names.emplace_back(form.name);
    descriptions.push_back(description_of(form));
  }
  const std::string why = name == "none" ? "none stands alone, it is no step"
                                         : "no step is called '" + name + "'" + did_you_mean(name, names);
  return wrong(part, fmt::format("{}; known: {}, or none", why, fmt::join(descriptions, ", ")));
}

double number_of(const std::string& part, const std::string& text, const StepNumber& expected) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
  if (is_number && value >= expected.range.min && value <= expected.range.max &&
      (!expected.whole || value == std::round(value)))
    return value;
  throw wrong(part, fmt::format("{} has to be a {} from {}", expected.what,
                                expected.whole ? "whole number" : "number", range_of(expected)));
}

Step step_of(const std::string& part, const std::vector<StepForm>& forms) {
  const auto words = split(part, ':');
  const auto form =
      std::find_if(forms.begin(), forms.end(), [&](const StepForm& f) { return f.name == words.front(); });
  if (form == forms.end()) throw unknown(part, words.front(), forms);
  if (words.size() != form->numbers.size() + 1) throw wrong(part, "expected " + description_of(*form));
  Step step{words.front(), {}};
  for (std::size_t i = 0; i < form->numbers.size(); ++i)
    step.numbers.push_back(number_of(part, words[i + 1], form->numbers[i]));
  return step;
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
    const Step step = step_of(part, forms);
    const bool again =
        std::any_of(steps.begin(), steps.end(), [&](const Step& other) { return other.name == step.name; });
    if (again) throw wrong(text, step.name + " is given twice");
    steps.push_back(step);
  }
  return steps;
}

}  // namespace portraitseg
