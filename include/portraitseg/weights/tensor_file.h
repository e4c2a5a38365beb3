#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

namespace portraitseg {

/// What a weights file holds, whatever its format: named tensors in the order of the file or of a network, and text.
struct TensorFile {
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor of that name. @throws std::out_of_range if there is none.
  const torch::Tensor& at(const std::string& name) const;
  const torch::Tensor* find(const std::string& name) const;

  /// The tensor of that name in a checkpoint. @throws DataError naming the file if it is missing or has another shape.
  const torch::Tensor& require(const std::string& name, torch::IntArrayRef shape,
                               const std::filesystem::path& path) const;
};

/// As Python calls it: "float32", "int64" ...
std::string dtype_name(torch::Dtype dtype);

}  // namespace portraitseg
