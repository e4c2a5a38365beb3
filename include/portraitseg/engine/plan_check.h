#pragma once

#include <cstdint>
#include <vector>

#include "portraitseg/core/device.h"
#include "portraitseg/data/targets.h"
#include "portraitseg/engine/run_config.h"
#include "portraitseg/engine/stage.h"
#include "portraitseg/models/model.h"

namespace portraitseg {

/// Shows the network a batch of empty images, and the losses what it answers.
/// @param sizes [N, C, H, W] of the batch
/// @return the targets that the losses look at
/// @throws UserError for input size, outputs, losses, classes and protocol that do not fit together, and where memory does not
///         suffice.
std::vector<Target> try_out(const RunConfig& config, const Device& device,
                            const std::vector<std::int64_t>& sizes);

/// What of a plan shows without its data and before hours of training: try_out() on a small batch, the files that model.init_from
/// and distillation.teacher name, and whether what an earlier stage leaves fits where a later one starts from it or learns from
/// it; for every stage, on the CPU.
/// @throws UserError naming the stage, where there are several, and the place of the key, where the plan was loaded from a file.
void check_plan(const TrainingPlan& plan);

/// Whether each stage's device is known and can do what is wanted of it. A GPU is left to the machine that trains.
/// @throws UserError as check_plan() does.
void check_devices(const TrainingPlan& plan);

}  // namespace portraitseg
