#include "portraitseg/losses/losses.h"

#include "portraitseg/data/targets.h"
#include "portraitseg/losses/consistency.h"
#include "portraitseg/losses/cross_entropy.h"
#include "portraitseg/losses/dice.h"
#include "portraitseg/losses/focal.h"
#include "portraitseg/losses/lovasz_hinge.h"
#include "portraitseg/losses/lovasz_softmax.h"
#include "portraitseg/losses/ohem.h"

namespace portraitseg {
namespace {

const Names<View> kViews = {{"image", View::kImage}, {"deformed", View::kDeformed}};

}  // namespace

const LossRegistry& losses() {
  static const LossRegistry registry = LossRegistry("loss")
                                           .add("cross_entropy", std::make_shared<CrossEntropyOptions>)
                                           .add("lovasz_hinge", std::make_shared<LovaszHingeOptions>)
                                           .add("lovasz_softmax", std::make_shared<LovaszSoftmaxOptions>)
                                           .add("dice", std::make_shared<DiceOptions>)
                                           .add("ohem", std::make_shared<OhemOptions>)
                                           .add("focal", std::make_shared<FocalOptions>)
                                           .add("consistency", std::make_shared<ConsistencyOptions>);
  return registry;
}

void LossTerm::fields(Fields& f) {
  Selection::fields(f);
  f.choice("output", output, {"mask", "boundary"}, "the network's output");
  if (!options->compares_views()) {
    f.choice("target", target, target_names(), "what it is compared with");
    f.choice("view", view, kViews, "which images the output is of; deformed: before colour, blur and noise");
  }
  f("weight", weight, "factor in the sum", {0, 1e6});
}

std::string LossTerm::title() const {
  const std::string start = name + "." + output;
  if (options->compares_views()) return start;
  return start + "." + target + (view == View::kDeformed ? ".deformed" : "");
}

}  // namespace portraitseg
