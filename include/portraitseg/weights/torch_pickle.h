#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "portraitseg/weights/tensor_file.h"

namespace portraitseg {

/// Reads what Python's torch.save wrote: a zip archive (since 1.6) or the legacy format (five pickles and raw storages).
/// Nothing in the file is run.
///
/// The state dict is the outermost dictionary with tensors under text keys; but a dictionary with such below `state_dict`,
/// `model_state_dict`, `model`, `net`, `network`, `weights` or `ema` (in this order, three levels deep) goes first, since
/// checkpoints keep loose tensors such as an accuracy beside it. Entries that are no tensors are left out.
///
/// The tensors are detached, on the CPU, with the file's types and shapes, and share memory where the file says so,
/// within 8 times the file's size. `path` names the file in messages.
/// @throws DataError for a file that is cut off, damaged, big endian, of another kind (a whole pickled module,
///         TorchScript, the tar format of torch 0.1), without tensors, or with tensors of a type that is not read
///         (complex, quantised, sparse, expanded, subclasses).
TensorFile parse_torch(std::string_view bytes, const std::filesystem::path& path);

/// The bytes of a zip archive that torch.load reads, also with weights_only=True, as an OrderedDict of tensors:
/// `archive/data.pkl` (protocol 2), `byteorder`, `data/0` ..., `version`; and `archive/portraitseg/metadata.json` if there
/// are metadata, which Python passes over and parse_torch gives back. Tensors come out contiguous, none shares memory.
/// The bytes follow from the content alone.
/// @throws std::length_error from 4 GiB or about 65,000 tensors on.
std::string torch_archive(const TensorFile& file);

}  // namespace portraitseg
