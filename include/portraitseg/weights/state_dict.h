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
/// @throws DataError listing missing, unexpected and mis-shaped keys, or naming one whose values are whole numbers or not
///         finite in the network's type; the network is then unchanged.
void load_state_dict(torch::nn::Module& module, const TensorFile& file, const std::filesystem::path& path);

/// What a partial loading took and what it left. num_batches_tracked, which fits everywhere and says nothing, is neither
/// taken nor listed.
struct PartialLoad {
  std::vector<std::string> taken;    ///< keys of the network that got the file's values
  std::vector<std::string> missing;  ///< keys of the network that the file does not have
  std::vector<std::string>
      mis_shaped;  ///< keys that both have, with both shapes: "a.weight [2, 3] for [2, 4]"
  std::vector<std::string> unexpected;  ///< keys of the file that the network does not have
};

/// Copies those of the file's tensors into the network that fit by key and shape. The network's key may have `encoder.`
/// before the file's, so that an encoder trained alone initialises the whole network.
/// @throws DataError if nothing fits, or for values as load_state_dict().
PartialLoad load_matching(torch::nn::Module& module, const TensorFile& file,
                          const std::filesystem::path& path);

}  // namespace portraitseg
