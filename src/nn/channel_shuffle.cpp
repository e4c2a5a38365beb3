#include "portraitseg/nn/channel_shuffle.h"

namespace portraitseg {

// Not torch::channel_shuffle: that has no derivative in LibTorch 1.13.
torch::Tensor shuffle_channels(const torch::Tensor& x, std::int64_t groups) {
  const auto n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  return x.reshape({n, groups, c / groups, h, w}).transpose(1, 2).reshape({n, c, h, w});
}

}  // namespace portraitseg
