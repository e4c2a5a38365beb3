#include "robustness.h"

#include <algorithm>

#include "portraitseg/core/error.h"

#include "options.h"

namespace portraitseg {
namespace {

/// Whatever is wrong with an option's text, with the option's name before it.
template <class Value>
Value parsed(const char* option, const std::string& text) {
  try {
    return Value::parse(text);
  } catch (const UserError& error) {
    throw UserError(std::string(option) + ": " + error.what());
  }
}

}  // namespace

Views AnswerArguments::views() const {
  Views views;
  views.flip = flip;
  if (!scales.empty()) views.scales = scales;
  return views;
}

PostProcessing AnswerArguments::post_processing() const {
  return parsed<PostProcessing>("--post", post);
}

void add_answer_options(CLI::App& command, AnswerArguments& arguments) {
  command.add_flag("--flip", arguments.flip, "the mean with what is answered for the mirrored image");
  command
      .add_option("--scales", arguments.scales,
                  "the mean of what is answered for the input resized by these, for instance 0.75,1,1.25")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(number_in(0.1, 4));
  command.add_option("--post", arguments.post,
                     "what is done with an answer, with commas: guided_filter:RADIUS:EPS, largest_component");
}

void add_perturb_option(CLI::App& command, std::vector<std::string>& perturbations) {
  command
      .add_option("--perturb", perturbations,
                  "what is done to the images before: none, or with commas rotate:DEGREES, texture, "
                  "brightness:FACTOR, jpeg:QUALITY, blur:SIGMA, noise:SIGMA, border:LEVEL, seed:N; several "
                  "times: one evaluation each")
      ->allow_extra_args(false);
}

std::vector<Protocol> with_perturbations(const std::vector<Protocol>& protocols,
                                         const std::vector<std::string>& perturbations,
                                         const AnswerArguments& answer) {
  std::vector<Perturbation> changes;
  for (const auto& text : perturbations) {
    changes.push_back(parsed<Perturbation>("--perturb", text));
    const bool again = std::any_of(changes.begin(), changes.end() - 1, [&](const Perturbation& other) {
      return other.name() == changes.back().name();
    });
    if (again) throw UserError("--perturb: \"" + text + "\" is given twice");
  }
  if (changes.empty()) changes.emplace_back();
  std::vector<Protocol> all;
  for (const Protocol& protocol : protocols) {
    for (const Perturbation& change : changes)
      all.push_back(protocol.with(change, answer.views(), answer.post_processing()));
  }
  return all;
}

}  // namespace portraitseg
