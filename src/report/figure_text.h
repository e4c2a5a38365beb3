#pragma once

#include <string>

#include "portraitseg/report/statistics.h"

namespace portraitseg {

// Figures as a reader sees them; "-" where there is none.

std::string number_text(double value, int digits = 2);
std::string signed_text(double value, int digits = 2);              ///< "+0.08"
std::string interval_text(const Interval& interval, int digits = 2);  ///< "[-0.34, 0.54]"
std::string p_value_text(double p);                                   ///< "<0.001", "0.72"

/// Without "mean over images", where the place says so.
std::string short_title(const std::string& title);

}  // namespace portraitseg
