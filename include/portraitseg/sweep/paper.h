#pragma once

#include <map>
#include <string>
#include <vector>

#include "portraitseg/core/config.h"

namespace portraitseg {

/// What a paper has of a sweep's variants, to stand beside what the trials come to.
struct PaperOptions {
  std::string source;  ///< "Zhang et al. 2019, Table 1: EG1800, foreground IoU in %"
  ConfigNode figures;  ///< a list of maps: axes with their values, and figures by the names of their columns
  std::string protocol;  ///< that the figures are by; "": not said

  void fields(Fields& f);
};

/// An entry of the list.
struct PaperVariant {
  std::map<std::string, std::string> values;  ///< by axis, in short as a trial has them
  std::map<std::string, double> figures;
};

/// @param axes with the values that they have
/// @param figures that there are; empty: any name will do
/// @throws ConfigError, naming the place in the file, for what is neither axis nor figure, a value that no trial has, a figure that
///         is no number, an entry without either, two of the same values, figures without a source.
std::vector<PaperVariant> read_paper(const PaperOptions& paper,
                                     const std::map<std::string, std::vector<std::string>>& axes,
                                     const std::vector<std::string>& figures = {});

}  // namespace portraitseg
