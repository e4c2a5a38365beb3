#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// Reads the bytes of a .safetensors file; types F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL.
/// `path` names the file in messages.
/// @throws DataError for bytes that are truncated or inconsistent.
TensorFile parse_safetensors(std::string_view bytes, const std::filesystem::path& path);

/// The same from a file. @throws DataError also if it cannot be read.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Replaces the file as a whole or not at all. The bytes follow from the content alone.
/// @throws DataError if it cannot be written.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

}  // namespace portraitseg
