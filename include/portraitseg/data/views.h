#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "portraitseg/data/sample.h"

namespace portraitseg {

/// Test-time augmentation: a network answers for several views of an image, and the mean of the probabilities counts.
struct Views {
  bool flip = false;                 ///< each scale also mirrored
  std::vector<double> scales = {1};  ///< of the network's input, more than 0

  bool empty() const { return !flip && scales == std::vector<double>{1}; }  ///< the image as it is, alone
  std::string name() const;  ///< "flip+scales:0.75:1:1.25"; empty: none
};

/// Runs a network on every view and returns logits whose probabilities are the views' mean.
///
/// Views     the input is resized (bilinear), height and width to the nearest multiples of `size_multiple`, so a larger view has
///           no more detail; at scale 1 it stays as it is. The flip is along the width.
/// Back      a view's logits are mirrored back, with the channels of mirrored classes exchanged, and resized (bilinear) to what
///           the network would answer at scale 1.
/// Mean      softmax over the classes, or sigmoid of a single channel, in logarithms: returned are log p, and log p - log(1 - p)
///           of a single channel. For no views (Views::empty()) what the network said.
///
/// An image's result depends on its own logits alone, whatever else is in the batch.
///
/// @param inputs [N, channels, H, W] on the CPU  @param mirrored of each input; empty: of none
/// @param network inputs -> logits [N, classes, h, w] on the CPU
torch::Tensor logits_of_views(const Views& views, const torch::Tensor& inputs, std::int64_t size_multiple,
                              const std::vector<MirroredClasses>& mirrored,
                              const std::function<torch::Tensor(const torch::Tensor&)>& network);

}  // namespace portraitseg
