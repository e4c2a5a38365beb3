#include "portraitseg/weights/weights_file.h"

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/text.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/torch_pickle.h"

#include "in_quotes.h"

namespace portraitseg {
namespace {

bool is_safetensors(std::string_view bytes) {
  return bytes.size() > 8 && bytes[8] == '{';
}

/// Two formats begin with a signature; .safetensors begins with the size of its header, which can look like either, but
/// always has the header's '{' as ninth byte, where neither of the others can.
bool is_torch(std::string_view bytes) {
  if (is_safetensors(bytes)) return false;
  return bytes.substr(0, 2) == "PK" || bytes.substr(0, 1) == "\x80" ||
         (bytes.size() > 262 && bytes.substr(257, 5) == "ustar");
}

TensorFile parse(std::string_view bytes, const std::filesystem::path& path) {
  if (is_torch(bytes)) return parse_torch(bytes, path);
  if (is_safetensors(bytes)) return parse_safetensors(bytes, path);
  if (bytes.empty()) throw DataError(path, "no weights file: it is empty");
  throw DataError(path, "no weights file: neither safetensors nor what torch.save writes");
}

void check_names(const TensorFile& file, const std::filesystem::path& path) {
  for (const auto& [name, tensor] : file.tensors) {
    const bool plain =
        std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (!plain || !is_utf8(name))
      throw DataError(path, "a tensor is called " + in_quotes(name) + ", which is no name");
  }
}

/// What DataParallel and AveragedModel, torch.compile and Lightning put before every name, in any order.
constexpr std::array<std::string_view, 3> kWrappers = {"module.", "_orig_mod.", "model."};

/// How many models AveragedModel has averaged; it stands beside them.
constexpr std::string_view kAveraged = "n_averaged";

bool strip(TensorFile& file, std::string_view prefix) {
  auto& tensors = file.tensors;
  const auto is_count = [](const auto& item) { return item.first == kAveraged; };
  const auto is_wrapped = [&](const auto& item) { return item.first.compare(0, prefix.size(), prefix) == 0; };
  if (std::none_of(tensors.begin(), tensors.end(), is_wrapped) ||
      !std::all_of(tensors.begin(), tensors.end(),
                   [&](const auto& item) { return is_wrapped(item) || is_count(item); }))
    return false;
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(), is_count), tensors.end());
  for (auto& [name, tensor] : tensors) name.erase(0, prefix.size());
  return true;
}

/// Whether portraitseg wrote it: then each name is the network's own, also of one whose only part is called "model".
bool is_ours(const TensorFile& file) {
  return std::any_of(file.metadata.begin(), file.metadata.end(),
                     [](const auto& item) { return item.first.rfind("portraitseg.", 0) == 0; });
}

void strip_wrappers(TensorFile& file) {
  if (is_ours(file)) return;
  constexpr int kDeepest = 4;  // hostile names have thousands
  const auto strip_one = [&](std::string_view prefix) { return strip(file, prefix); };
  for (int i = 0; i < kDeepest; ++i) {
    if (std::none_of(kWrappers.begin(), kWrappers.end(), strip_one)) return;
  }
}

/// The whole file; @throws DataError where the memory does not hold it.
std::string read_bytes(const std::filesystem::path& path) {
  try {
    return read_file(path);
  } catch (const std::bad_alloc&) {
    throw DataError(path, "is larger than the memory");
  }
}

}  // namespace

TensorFile read_weights(const std::filesystem::path& path) {
  TensorFile file = parse(read_bytes(path), path);
  check_names(file, path);
  strip_wrappers(file);
  return file;
}

void write_weights(const std::filesystem::path& path, const TensorFile& file) {
  const auto extension = path.extension();
  if (extension == ".safetensors") return write_safetensors(path, file);
  if (extension != ".pth" && extension != ".pt")
    throw DataError(path, "unknown kind of weights file; known extensions: .safetensors .pth .pt");
  try {
    write_file(path, torch_archive(file));
  } catch (const std::length_error& error) {
    throw DataError(path, std::string(error.what()) + "; write .safetensors instead");
  }
}

}  // namespace portraitseg
