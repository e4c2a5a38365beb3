#include "portraitseg/nn/resample.h"

#include <torch/types.h>

namespace portraitseg {

torch::Tensor upsample_aligned(const torch::Tensor& x, std::int64_t scale) {
  return torch::upsample_bilinear2d(x, {x.size(2) * scale, x.size(3) * scale}, /*align_corners=*/true);
}

torch::Tensor resize_logits(const torch::Tensor& logits, std::int64_t height, std::int64_t width) {
  if (logits.size(2) == height && logits.size(3) == width) return logits;
  return torch::upsample_bilinear2d(logits, {height, width}, /*align_corners=*/false);
}

}  // namespace portraitseg
