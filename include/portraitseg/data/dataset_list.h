#pragma once

#include <memory>
#include <string>

#include "portraitseg/data/dataset.h"

namespace portraitseg {

/// An opened list and what it is called in reports: its file name, or its path where two share a file name.
struct DatasetList {
  std::string name;
  std::shared_ptr<const Dataset> dataset;
};

}  // namespace portraitseg
