#pragma once

#include <string>
#include <vector>

#include "portraitseg/report/comparison.h"
#include "portraitseg/report/evaluation_pictures.h"

namespace portraitseg {

/// What the page of one or several evaluations shows.
struct EvaluationPage {
  std::vector<std::string> names;         ///< of the results
  std::vector<EvaluationResult> results;  ///< of the same images, see align()
  std::vector<std::string> figures;       ///< compared; the first one says which images are bad
  Comparison comparison;
  std::vector<FigureByGroup> groups;  ///< may be empty
  EvaluationPictures pictures;
};

/// What the results come to: a sentence for each comparison, or the figures of a single result.
std::vector<std::string> headline(const EvaluationPage& page);

/// Of each result one figure an image, the higher the better: by it images are called worst and best.
std::vector<std::vector<double>> quality_by_image(const std::vector<EvaluationResult>& results,
                                                  const std::string& figure);

/// A page (HTML, no script, no request, light or dark as the reader's system). No times in it: the same results have the same
/// page. @throws DataError if a metrics.json has gone.
std::string evaluation_page(const EvaluationPage& page);

/// How such a page begins, by which a file is known to be one.
bool is_evaluation_page(const std::string& text);

}  // namespace portraitseg
