#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

namespace portraitseg {

/// Named tensors in the order of a file or of a network, and the file's text metadata.
struct TensorFile {
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor of that name. @throws std::out_of_range if there is none.
  const torch::Tensor& at(const std::string& name) const;
  const torch::Tensor* find(const std::string& name) const;
};

/// Reads a .safetensors file; types F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL.
/// @throws DataError for a file that is unreadable, truncated or inconsistent.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Replaces the file as a whole or not at all. The bytes follow from the content alone.
/// @throws DataError if it cannot be written.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

}  // namespace portraitseg
