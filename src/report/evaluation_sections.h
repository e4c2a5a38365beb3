#pragma once

#include <string>

#include "portraitseg/report/evaluation_page.h"

namespace portraitseg {

// The parts of evaluation_page(), each with its heading; "" where there is nothing to show.

std::string figures_section(const EvaluationPage& page);
std::string differences_section(const EvaluationPage& page);
std::string distribution_section(const EvaluationPage& page);
std::string errors_section(const EvaluationPage& page);
std::string pictures_section(const EvaluationPage& page);
std::string groups_section(const EvaluationPage& page);
std::string all_figures_section(const EvaluationPage& page);
std::string protocol_section(const EvaluationPage& page);

}  // namespace portraitseg
