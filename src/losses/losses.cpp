#include "portraitseg/losses/losses.h"

#include "portraitseg/data/targets.h"
#include "portraitseg/losses/cross_entropy.h"
#include "portraitseg/losses/lovasz_hinge.h"

namespace portraitseg {

const LossRegistry& losses() {
  static const LossRegistry registry = LossRegistry("loss")
                                           .add("cross_entropy", std::make_shared<CrossEntropyOptions>)
                                           .add("lovasz_hinge", std::make_shared<LovaszHingeOptions>);
  return registry;
}

void LossTerm::fields(Fields& f) {
  Selection::fields(f);
  f.choice("output", output, {"mask", "boundary"}, "the network's output");
  f.choice("target", target, target_names(), "what it is compared with");
  f("weight", weight, "factor in the sum", {0, 1e6});
}

}  // namespace portraitseg
