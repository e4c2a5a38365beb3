// Adds a network of its own to the zoo and reads a configuration that names it.
#include <cstdio>

#include "portraitseg/engine/run_config.h"

namespace ps = portraitseg;

struct MyOptions : ps::ModelOptions {
  void fields(ps::Fields& f) override { f("num_classes", num_classes, "classes"); }
  std::shared_ptr<ps::SegmentationModel> build() const override {
    return ps::models().at("sinet")()->build();
  }
};

int main() {
  ps::ModelRegistry registry = ps::models();
  registry.add("mine", std::make_shared<MyOptions>);
  ps::RunConfig config;
  config.model.registry = &registry;
  ps::Config::parse("model: {name: mine, num_classes: 3}", "memory").read(config);
  std::printf("%s %lld\n", config.model.name.c_str(),
              static_cast<long long>(config.model.options->num_classes));
  return config.model.options->build() != nullptr && config.model.options->num_classes == 3 ? 0 : 1;
}
