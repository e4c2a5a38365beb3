#pragma once

#include <cstdint>

#include <torch/types.h>

namespace portraitseg {

/// Bilinear, corners aligned, as `nn.UpsamplingBilinear2d(scale_factor)`: [N, C, H, W] -> [N, C, sH, sW].
torch::Tensor upsample_aligned(const torch::Tensor& x, std::int64_t scale);

/// Bilinear to an exact size, corners not aligned: how logits are brought to another resolution.
torch::Tensor resize_logits(const torch::Tensor& logits, std::int64_t height, std::int64_t width);

}  // namespace portraitseg
