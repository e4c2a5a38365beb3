#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portraitseg::testing {

/// The number's bytes, little endian.
inline std::string little(std::uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

// Pieces of pickles, written without the library under test.

inline std::string text(std::string_view value) {
  return "X" + little(value.size(), 4) + std::string(value);
}

inline std::string integer(std::int64_t value) {
  return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8);
}

inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

inline std::string tuple(const std::vector<std::int64_t>& values) {
  std::string bytes = "(";
  for (const auto value : values) bytes += integer(value);
  return bytes + "t";
}

inline std::string protocol2(const std::string& opcodes) {
  return "\x80\x02" + opcodes + ".";
}

/// A dictionary of pieces under text keys.
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string bytes = "}(";
  for (const auto& [key, value] : entries) bytes += text(key) + value;
  return bytes + "u";
}

struct StoragePiece {
  std::string key = "0", type = "FloatStorage";
  std::int64_t elements = 6;
  std::string view = "N";  ///< of the legacy format: None, or a tuple (key, offset, size)

  std::string bytes() const {
    return "(" + text("storage") + global("torch", type) + text(key) + text("cpu") + integer(elements) +
           view + "tQ";
  }
};

inline std::string tensor(const StoragePiece& storage, std::int64_t offset,
                          const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage.bytes() + integer(offset) +
         tuple(shape) + tuple(strides) + "\x89" + global("collections", "OrderedDict") + ")RtR";
}

/// A file in PyTorch's legacy format.
struct LegacyFile {
  std::string object;                                         ///< opcodes
  std::vector<std::pair<std::string, std::string>> storages;  ///< key; count and elements, as bytes
  std::string system = dict({{"little_endian", "\x88"}});
  std::string version = integer(1001);

  std::string bytes() const {
    std::string file = protocol2("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + protocol2(version) +
                       protocol2(system) + protocol2(object);
    std::string keys = "](", data;
    for (const auto& [key, section] : storages) {
      keys += text(key);
      data += section;
    }
    return file + protocol2(keys + "e") + data;
  }
};

/// `count` floats 0, 1, 2 ... with the count before them.
inline std::string float_section(std::int64_t count) {
  std::string bytes = little(static_cast<std::uint64_t>(count), 8);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

/// Two tensors that share a storage, in a checkpoint with other things.
inline LegacyFile small_legacy_file() {
  LegacyFile file;
  file.object =
      dict({{"epoch", "K\x03"},
            {"state_dict",
             dict({{"module.a", tensor({}, 0, {2, 3}, {3, 1})}, {"module.b", tensor({}, 1, {2}, {2})}})}});
  file.storages = {{"0", float_section(6)}};
  return file;
}

}  // namespace portraitseg::testing
