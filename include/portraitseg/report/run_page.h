#pragma once

#include <string>
#include <vector>

#include "portraitseg/engine/checkpoint.h"
#include "portraitseg/report/sample_pictures.h"

namespace portraitseg {

/// What report.html shows of a run.
struct RunPage {
  std::string name;         ///< of the run folder
  std::int64_t epochs = 0;  ///< that the training is to have
  std::string selected_by;  ///< the figure that decides which epoch is the best
  Progress progress;
  std::vector<SamplePicture> samples;  ///< after the last finished epoch
  std::int64_t classes =
      0;               ///< each of which has a color of its own in the samples; 0: portrait and background
  std::string config;  ///< YAML
  std::string environment;  ///< JSON, as environment.json holds it
};

/// A page (HTML, no script, no request, light or dark as the reader's system): curves, figures at the best and the last
/// epoch, predictions, configuration, environment. No times in it: the same run has the same page.
std::string run_page(const RunPage& page);

}  // namespace portraitseg
