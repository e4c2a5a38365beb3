#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "portraitseg/sweep/journal.h"
#include "portraitseg/sweep/plan.h"

namespace portraitseg {

/// What a trial will cost.
struct TrialCost {
  std::int64_t epochs = 0;  ///< of all stages; the most where it may end early
  std::int64_t images =
      0;  ///< of the training lists, once each an epoch: sum over the stages of epochs x images
  double ms_per_image = 0;                         ///< of one that is trained on; 0: not known yet
  std::int64_t last_epochs = 0, epoch_images = 0;  ///< of the last stage, and of one of these epochs

  /// Those that are left after so many epochs of the last stage; after 0 all of the trial's.
  std::int64_t images_after(std::int64_t epoch) const {
    return epoch == 0 ? images : (last_epochs - epoch) * epoch_images;
  }
  double seconds() const { return static_cast<double>(images) * ms_per_image / 1000; }
};

/// Opens the lists of a plan's stages, each different one once for all plans.
class ImageCounter {
 public:
  /// @throws UserError for lists that cannot be opened.
  TrialCost cost(const TrainingPlan& plan);

 private:
  std::int64_t count(const RunConfig& config);
  std::map<std::string, std::int64_t> counts_;
};

/// Trials with the same key take the same time an image, and check_plan() says the same of them: what it leaves out is seed, length,
/// optimiser, schedule.
std::string network_key(const TrainingPlan& plan);

/// Milliseconds an image of a training step, by benchmark_network() for each stage: without validation and without images that are
/// waited for. A stage counts by its share of the images. @param threads of a worker
double measured_ms_per_image(const TrainingPlan& plan, const TrialCost& cost, std::int64_t threads);

/// How long the trials take if each worker takes the next one when it has ended its last.
double makespan(const std::vector<double>& seconds, std::int64_t workers);

}  // namespace portraitseg
