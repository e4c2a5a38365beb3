#pragma once

#include <filesystem>

#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// Reads a weights file of any known format, told apart by content and not by name: .safetensors (our checkpoints are
/// such files), PyTorch's .pth as a zip archive and in the legacy format. What wraps a network in PyTorch puts a prefix before
/// every name: `module.` (DataParallel, AveragedModel), `_orig_mod.` (torch.compile), `model.` (Lightning). They are
/// taken off, and with them AveragedModel's `n_averaged`, but of a file that portraitseg wrote.
/// @throws DataError for a file that is unreadable, damaged or of another kind, or whose names no terminal should show
///         (control characters, broken UTF-8).
TensorFile read_weights(const std::filesystem::path& path);

/// Writes .safetensors, or PyTorch's zip archive for .pth and .pt. Replaces the file as a whole or not at all.
/// @throws DataError for another extension, or if it cannot be written.
void write_weights(const std::filesystem::path& path, const TensorFile& file);

}  // namespace portraitseg
