#pragma once

#include <string>
#include <vector>

#include "portraitseg/report/ablation.h"

namespace portraitseg {

// What ablation_tables() found, in the forms in which it is read. Every figure stands with its protocol, list and n.

/// "4 of 6 trials are finished; 1 failed, 1 new."
std::string progress_text(const Ablation& ablation);

/// What stands below all tables: how they came about, and what the validation's figures are worth.
std::vector<std::string> ablation_notes(const Ablation& ablation, const std::vector<FigureTables>& tables);

/// For a terminal: of every measurement its first figure, then a sentence for each comparison of it.
std::string ablation_text(const Ablation& ablation, const std::vector<FigureTables>& tables);

/// One line a value of an axis and one a variant, of every figure, with ten digits.
std::string ablation_csv(const Ablation& ablation, const std::vector<FigureTables>& tables);

std::string ablation_markdown(const Ablation& ablation, const std::vector<FigureTables>& tables);

/// Tables of LaTeX, one an axis and figure; they need the package booktabs.
std::string ablation_tex(const Ablation& ablation, const std::vector<FigureTables>& tables);

/// Everything, with the trials; null where there is no number.
std::string ablation_json(const Ablation& ablation, const std::vector<FigureTables>& tables);

/// A page (HTML, no script, no request, light or dark as the reader's system).
/// @param plan the sweep's own file
std::string ablation_page(const Ablation& ablation, const std::vector<FigureTables>& tables,
                          const std::string& plan);

/// Whether a file's text is such a page.
bool is_ablation_page(const std::string& text);

}  // namespace portraitseg
