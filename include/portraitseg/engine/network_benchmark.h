#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/engine/run_config.h"

namespace portraitseg {

struct NetworkBenchmarkOptions {
  bool train = false;       ///< a whole training step: forward, losses, backward, update; else an inference
  std::int64_t batch = 1;   ///< images of a pass
  std::int64_t rounds = 5;  ///< each repeats the pass for at least 0.3 s; their median is reported
  std::function<void(std::int64_t done, std::int64_t total)>
      progress;  ///< called after each round; may be empty
};

/// The time that a pass cannot go below on this machine, an image; of its arithmetic and of its memory traffic. Of the network
/// alone: the forward pass of a distillation's teacher is timed, but not part of it.
struct TimeFloor {
  double multiply_adds = 0;  ///< an image; of a training three times those of the forward pass
  double multiply_adds_per_second = 0;
  double compute_ms = 0;
  double bytes =
      0;  ///< an image: every operator's output written and read once; of a training 2.5 times as many
  double bytes_per_second = 0;
  double memory_ms = 0;
};

/// How fast a network is. Milliseconds are an image's share of a pass.
struct NetworkBenchmark {
  std::string model;
  std::vector<std::int64_t> size;  ///< height, width
  std::int64_t threads = 0;
  double ms = 0, ms_min = 0, ms_max = 0;  ///< median, best and worst round
  double peak_memory_mib = 0;             ///< of the process, as the system counts it
  /// Shares of one pass's time by kind, the largest first. "loss" and "optimizer" are all that happens there; what LibTorch's
  /// operators do not account for is "other".
  std::vector<std::pair<std::string, double>> operators;
  TimeFloor floor;
  std::string obstacle;  ///< why it did not run fused, see ModelRunner; empty: it did, or was not to
};

/// Measures on random images with one plausible portrait each: no data set is needed. Uses the configuration's network, input
/// size, losses and optimiser.
/// @throws UserError if the network cannot take such a batch, or losses and network do not fit.
NetworkBenchmark benchmark_network(const RunConfig& config, const Device& device,
                                   const NetworkBenchmarkOptions& options);

/// What a network is trained with where no recipe is at hand: cross-entropy, or the Lovasz hinge of a single class, on its
/// mask; all four terms of PortraitNet where there is a boundary, two of them on a second view of each image.
std::vector<LossTerm> natural_losses(const RunConfig& config);

}  // namespace portraitseg
