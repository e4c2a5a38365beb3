#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// Tensors in a weights file whose names begin so belong to a training run, not to the network (see checkpoint.h).
inline constexpr const char* kTrainingPrefix = "training.";

/// Parameters and buffers under their keys; the tensors share memory with the network.
std::vector<std::pair<std::string, torch::Tensor>> state_dict(const torch::nn::Module& module);

/// Copies the file's tensors into the network, converting their type to the network's.
/// Strict: every key of the network must be there with its shape, and nothing else. `num_batches_tracked`, which old
/// PyTorch did not write and inference does not use, may be missing.
/// @throws DataError listing missing, unexpected and mis-shaped keys; the network is then unchanged.
void load_state_dict(torch::nn::Module& module, const TensorFile& file, const std::filesystem::path& path);

/// What a partial loading took; a mis-shaped tensor is among both lists of what was left.
struct PartialLoad {
  std::vector<std::string> taken;  ///< keys of the network that got the file's values
  std::vector<std::string> kept;  ///< keys of the network that keep theirs; num_batches_tracked is not listed
  std::vector<std::string> left;  ///< keys of the file that are not used
};

/// Copies those of the file's tensors into the network that fit by key and shape. The network's key may have `encoder.`
/// before the file's, so that an encoder trained alone initialises the whole network.
/// @throws DataError if nothing fits.
PartialLoad load_matching(torch::nn::Module& module, const TensorFile& file,
                          const std::filesystem::path& path);

}  // namespace portraitseg
