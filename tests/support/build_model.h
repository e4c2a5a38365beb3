#pragma once

#include <memory>
#include <string>

#include "portraitseg/models/models.h"

namespace portraitseg::testing {

/// The network of a section `model`, as a configuration would say it: "{name: sinet, num_classes: 3}".
inline std::shared_ptr<SegmentationModel> build_model(const std::string& section) {
  ModelConfig config;
  Config::parse(section, "test").read(config);
  return config.options->build();
}

}  // namespace portraitseg::testing
