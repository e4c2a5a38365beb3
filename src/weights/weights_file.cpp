#include "portraitseg/weights/weights_file.h"

#include <stdexcept>
#include <string>
#include <string_view>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/torch_pickle.h"

namespace portraitseg {
namespace {

/// Two formats begin with a signature; .safetensors begins with the size of its header, which can look like either, but
/// always has the header's '{' as ninth byte, where neither of the others can.
bool is_torch(std::string_view bytes) {
  if (bytes.size() > 8 && bytes[8] == '{') return false;
  return bytes.substr(0, 2) == "PK" || bytes.substr(0, 1) == "\x80" ||
         (bytes.size() > 262 && bytes.substr(257, 5) == "ustar");
}

}  // namespace

TensorFile read_weights(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  return is_torch(bytes) ? parse_torch(bytes, path) : parse_safetensors(bytes, path);
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
