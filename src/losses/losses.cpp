#include "portraitseg/losses/losses.h"

#include "portraitseg/losses/consistency.h"
#include "portraitseg/losses/cross_entropy.h"
#include "portraitseg/losses/dice.h"
#include "portraitseg/losses/distillation.h"
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
                                           .add("consistency", std::make_shared<ConsistencyOptions>)
                                           .add("distillation", std::make_shared<DistillationOptions>);
  return registry;
}

void LossTerm::fields(Fields& f) {
  Selection::fields(f);
  f.choice("output", output, {"mask", "boundary", "coarse"},
           "which of the network's outputs; coarse is its encoder's own");
  if (compares_with(Counterpart::kTarget)) {
    f.choice("target", target, target_names(), "what it is compared with");
    if (target == "edge_band") {
      f("edge_kernel", edge_kernel, "odd, px at the output's size; 0: trainer.edge_kernel", {0, 511});
      f.check(edge_kernel == 0 || (edge_kernel % 2 == 1 && edge_kernel >= 3), "edge_kernel",
              "must be odd and at least 3, or 0");
    }
    f.choice("view", view, kViews, "which images the output is of; deformed: before colour, blur and noise");
  }
  f("weight", weight, "factor in the sum", {0, 1e6});
}

std::string LossTerm::title() const {
  const std::string start = name + "." + output;
  if (!compares_with(Counterpart::kTarget)) return start;
  const std::string kernel = edge_kernel > 0 ? "_" + std::to_string(edge_kernel) : "";
  return start + "." + target + kernel + (view == View::kDeformed ? ".deformed" : "");
}

}  // namespace portraitseg
