#pragma once

#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "portraitseg/data/post_processing.h"
#include "portraitseg/data/views.h"
#include "portraitseg/metrics/protocol.h"

namespace portraitseg {

/// What is done with a network's answer, beyond what the network was trained for.
struct AnswerArguments {
  bool flip = false;
  std::vector<double> scales;
  std::string post = "none";

  Views views() const;
  PostProcessing post_processing() const;  ///< @throws UserError
};

/// --flip, --scales, --post.
void add_answer_options(CLI::App& command, AnswerArguments& arguments);

/// --perturb: each time it is given, one more evaluation.
void add_perturb_option(CLI::App& command, std::vector<std::string>& perturbations);

/// Every protocol with every perturbation (none at all: the images as they are), one protocol after the other.
/// @throws UserError for wrong texts, or the same one twice.
std::vector<Protocol> with_perturbations(const std::vector<Protocol>& protocols,
                                         const std::vector<std::string>& perturbations,
                                         const AnswerArguments& answer);

}  // namespace portraitseg
