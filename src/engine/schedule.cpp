#include "portraitseg/engine/schedule.h"

namespace portraitseg {

void ScheduleOptions::fields(Fields& f) {
  std::string name = "multistep";
  f.choice("name", name, {"multistep"}, "lr * gamma ^ (number of milestones reached)");
  f("milestones", milestones, "epochs, from 0; empty: epochs / 2 and epochs - epochs / 6", {0, 1e9});
  f("gamma", gamma, "factor at each milestone", {0, 1});
}

double ScheduleOptions::factor(std::int64_t epoch, std::int64_t epochs) const {
  const std::vector<std::int64_t> reference = {epochs / 2, epochs - epochs / 6};
  double factor = 1;
  for (const std::int64_t milestone : milestones.empty() ? reference : milestones) {
    if (epoch >= milestone) factor *= gamma;
  }
  return factor;
}

}  // namespace portraitseg
