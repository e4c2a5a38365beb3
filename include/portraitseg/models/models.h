#pragma once

#include "portraitseg/core/registry.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

using ModelRegistry = OptionsRegistry<ModelOptions>;

/// Every network of the zoo.
const ModelRegistry& models();

/// The section `model: {name: sinet, ...}`.
struct ModelConfig : Selection<ModelOptions> {
  ModelConfig() : Selection("sinet", models()) {}
};

}  // namespace portraitseg
