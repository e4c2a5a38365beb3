#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "portraitseg/models/model.h"

namespace portraitseg {

/// One operator that ran. A layer that runs twice is listed twice, the second time with no parameters.
struct LayerSummary {
  std::string key;                   ///< path of the module that owns its parameters; "" if it has none
  std::string operator_name;         ///< "convolution", "batch norm", "concatenate" ...
  std::vector<std::int64_t> output;  ///< shape of its first output
  std::int64_t parameters = 0;       ///< that no earlier layer used
  std::int64_t multiply_adds = 0;    ///< of one image; 0 for all but convolutions and linear layers
};

/// What a network holds and computes. Multiply-adds are those of one image: a multiplication with the addition that
/// follows is 1, biases are free.
struct ModelSummary {
  std::array<std::int64_t, 2> size = {};  ///< height, width of the input
  std::int64_t parameters = 0;            ///< all, also those that this forward pass does not use
  std::int64_t multiply_adds = 0;         ///< convolutions, transposed convolutions, linear layers
  /// Convolutions alone, which is what etc/flops_counter.py of clovaai/ext_portrait_segmentation sees. Not included are
  /// the halves that it adds on top: 1/2 a bias and output position, 1/2 a batch norm.
  std::int64_t multiply_adds_clova = 0;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> outputs;  ///< shape of every head, by name
  std::vector<LayerSummary> layers;                                        ///< in order of execution
};

/// Watches LibTorch's operators through one forward pass over a black image [1, 3, height, width], in evaluation mode
/// and without gradients; works for any network. The network is afterwards as it was before.
/// Operators that only move or reshape values are not listed.
/// @throws UserError if the network does not take this size.
ModelSummary summarize(SegmentationModel& model, std::int64_t height, std::int64_t width);

}  // namespace portraitseg
