#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "portraitseg/core/device.h"
#include "portraitseg/engine/run_config.h"

namespace portraitseg {

struct LoaderBenchmarkOptions {
  std::int64_t images = 192;  ///< of the first epoch
  std::int64_t rounds = 5;    ///< each measures everything once; medians are reported
  std::int64_t steps =
      10;  ///< of a training, to see how long each waits for its batch; 0: none, else at least 2
  std::function<void(std::int64_t done, std::int64_t total)>
      progress;  ///< called after each round; may be empty
};

/// How fast a configuration's training images come. Milliseconds an image are of one thread that does nothing else:
/// the images a second of one core are 1000 / ms.
struct LoaderBenchmark {
  std::string list;  ///< its file name
  std::string list_sha256;
  std::int64_t images = 0;
  double decode_ms =
      0;  ///< reading and decoding alone: what LibTorch, augmentation and we cannot go below from files
  double files_ms = 0;  ///< a whole example from files: decoded, augmented, normalised, targets, in its batch
  double cached_ms = 0;  ///< a whole example whose decoded image is in memory
  double bytes = 0;      ///< of pixels that an example in memory takes: image and mask

  std::int64_t workers = 0;  ///< of the training below
  std::int64_t steps = 0;
  double first_batch_s = 0;  ///< until the first batch was there; later ones are made during the steps
  double step_s =
      0;  ///< median of a whole step, waiting included, without each epoch's first; 0: there were no others
  double waiting = 0;  ///< share of these steps that was spent waiting for their batches
};

/// @throws UserError for whatever is wrong with configuration or data.
LoaderBenchmark benchmark_loader(const RunConfig& config, const Device& device,
                                 const LoaderBenchmarkOptions& options);

}  // namespace portraitseg
