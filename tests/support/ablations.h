#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/report/ablation.h"

namespace portraitseg::testing {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
inline const std::string kSha(64, 'a');

inline TrialFigures validation(double iou, double boundary = kNone) {
  TrialFigures figures{true, "clova", "", "val.txt", kSha, 134, {{"iou_foreground", iou}}};
  if (!std::isnan(boundary)) figures.figures["boundary_f1_15"] = boundary;
  return figures;
}

/// On a list of its own.
inline TrialFigures evaluation(double iou) {
  TrialFigures figures = validation(iou);
  figures.validation = false;
  figures.list = "test.txt";
  figures.list_sha256 = std::string(64, 'b');
  return figures;
}

/// Without trials.
inline Ablation ablation_of(std::vector<std::string> axes, const std::string& judged_by = "iou_foreground") {
  Ablation ablation;
  ablation.axes = std::move(axes);
  ablation.judged_by = judged_by;
  return ablation;
}

/// A trial; not a number: it is not finished.
inline void add_trial(Ablation& ablation, const std::vector<std::string>& values, double iou,
                      double boundary = kNone) {
  const std::size_t place = ablation.trials.size();
  AblationTrial trial;
  trial.id = "trial" + std::to_string(place);
  trial.folder = "runs/s/trials/" + trial.id;
  trial.values = values;
  trial.state = std::isnan(iou) ? "new" : "finished";
  ablation.trials.push_back(trial);
  if (!std::isnan(iou)) ablation.add(place, validation(iou, boundary));
}

/// Two losses, three seeds: the differences are 1, 0.4 and 1.2.
inline Ablation two_losses() {  // of the boundary 5, 5.1, 5
  Ablation ablation = ablation_of({"losses", "trainer.seed"});
  ablation.name = "losses";
  add_trial(ablation, {"mask", "1"}, 91.0, 80);
  add_trial(ablation, {"mask", "2"}, 91.5, 81);
  add_trial(ablation, {"mask", "3"}, 92.0, 82);
  add_trial(ablation, {"both", "1"}, 92.0, 85);
  add_trial(ablation, {"both", "2"}, 91.9, 86.1);
  add_trial(ablation, {"both", "3"}, 93.2, 87);
  return ablation;
}

}  // namespace portraitseg::testing
