#pragma once

#include <string>

#include "portraitseg/report/statistics.h"

namespace portraitseg {

// Figures as a reader sees them; "-" where there is none.

std::string number_text(double value, int digits = 3);
std::string signed_text(double value, int digits = 3);                ///< "+0.08"
std::string interval_text(const Interval& interval, int digits = 3);  ///< "[-0.34, 0.54]"
std::string p_value_text(double p);                                   ///< "<0.001", "0.72"
std::string p_text(double p);                                         ///< "p < 0.001", "p = 0.72"
std::string percent_text(double share);                               ///< "95 %" of 0.95

/// As it stands where "these images" are named anyway: "boundary F1 (band 15 px)".
std::string short_title(std::string title);

/// Of errors, distances and the like.
bool lower_is_better(const std::string& figure);

}  // namespace portraitseg
