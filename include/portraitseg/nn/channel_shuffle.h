#pragma once

#include <cstdint>

#include <torch/types.h>

namespace portraitseg {

/// Interleaves the channels of `groups` groups (ShuffleNet, Zhang et al. 2018). [N, C, H, W] keeps its shape.
torch::Tensor shuffle_channels(const torch::Tensor& x, std::int64_t groups);

}  // namespace portraitseg
