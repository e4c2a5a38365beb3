#include "portraitseg/data/dataset.h"

namespace portraitseg {

void DatasetOptions::make_absolute() {
  if (!root.empty()) root = std::filesystem::absolute(root).lexically_normal().string();
}

}  // namespace portraitseg
