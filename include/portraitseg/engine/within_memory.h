#pragma once

#include <functional>

#include <torch/types.h>

namespace portraitseg {

/// Calls work(), which trains on a batch of images of these sizes [N, C, H, W].
/// @throws UserError, naming the batch and what to do, where memory does not suffice.
void within_memory(torch::IntArrayRef sizes, const std::function<void()>& work);

}  // namespace portraitseg
