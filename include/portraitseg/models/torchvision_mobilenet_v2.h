#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// PortraitNet's encoder, and what of the other network has no place in it.
struct ConvertedEncoder {
  TensorFile weights;                 ///< under PortraitNet's keys, for model.init_from
  std::vector<std::string> left_out;  ///< the other network's keys
};

/// Makes PortraitNet's encoder (width 1) out of torchvision's MobileNetV2 1.0, which was trained on ImageNet.
///
/// Source     pytorch/vision, torchvision/models/mobilenetv2.py: its keys, and BatchNorm's eps of 1e-5, PortraitNet's too.
/// Input      torchvision's is RGB, (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]; the result's is PortraitNet's
///            own, BGR, (x - [103.94, 116.78, 123.68]) * 0.017. Order and factor go into the first kernel, the offset into
///            the running mean behind it.
/// Output     tensors of the first kernel's type, without num_batches_tracked. The head of 1280 channels and the classifier are
///            left out.
/// Deviations of the converted encoder from the network it comes from, in eval mode:
///   D1  ReLU in place of ReLU6, as PortraitNet is.
///   D2  the padding of the first convolution is PortraitNet's mean, at most half a grey level beside torchvision's; it
///       concerns the first row and column of stage0.
/// MobileNetV2 has no expansion in its first block; PortraitNet's is the identity: so is its BatchNorm in eval mode, and
/// nearly so in training, as its statistics are those of a rectified normal variable with the moments of stage0's BatchNorm.
/// `path` names the file in messages.
/// @throws DataError for a file with another network's keys, shapes or types.
ConvertedEncoder portraitnet_encoder_from_torchvision(const TensorFile& file,
                                                      const std::filesystem::path& path);

}  // namespace portraitseg
