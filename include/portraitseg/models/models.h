#pragma once

#include "portraitseg/core/registry.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

using ModelRegistry = OptionsRegistry<ModelOptions>;

/// Every network of the zoo.
const ModelRegistry& models();

/// The section `model: {name: sinet, ...}`.
struct ModelConfig : Selection<ModelOptions> {
  std::string init_from;  ///< weights file that a training starts from, as far as it fits; "": none

  ModelConfig() : Selection("sinet", models()) {}
  void fields(Fields& f);
};

}  // namespace portraitseg
