#include "portraitseg/weights/torch_pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <unordered_map>

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/weights/pickle.h"
#include "portraitseg/weights/zip.h"

#include "dtypes.h"
#include "in_quotes.h"
#include "torch_metadata.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Type = PickleValue::Type;

constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";  // 0x1950a86a20f9469cfc6c
constexpr std::int64_t kLegacyVersion = 1001;

std::optional<torch::Dtype> dtype_of(const PickleGlobal& type) {
  if (type.module != "torch" && type.module != "torch.cuda") return std::nullopt;
  for (const auto& names : kDtypes) {
    if (type.name == names.torch_storage) return names.dtype;
  }
  return std::nullopt;
}

// Finding the state dict

struct Found {
  const PickleDict* dict = nullptr;
  const PickleGlobal* object = nullptr;  ///< the first Python object in its place
};

bool is_tensor(const PickleValue& key, const PickleValue& value) {
  return key.is(Type::kText) && value.is(Type::kTensor);
}

void find_state_dict(const PickleValue& value, int depth, std::vector<const PickleDict*>& seen,
                     Found& found) {
  constexpr std::array<const char*, 7> kWrappers = {"state_dict", "model_state_dict", "model", "net",
                                                    "network",    "weights",          "ema"};
  constexpr int kDepth = 3;
  if (value.is(Type::kObject) && found.object == nullptr) found.object = value.global;
  if (!value.is(Type::kDict) || std::find(seen.begin(), seen.end(), value.dict) != seen.end()) return;
  seen.push_back(value.dict);  // a dictionary may hold itself
  bool has_tensors = false;
  std::array<PickleValue, kWrappers.size()> wrapped;
  for_each_entry(*value.dict, [&](const PickleValue& key, const PickleValue& item) {
    has_tensors = has_tensors || is_tensor(key, item);
    for (std::size_t i = 0; i < kWrappers.size(); ++i) {
      if (key.is_text(kWrappers[i])) wrapped[i] = item;
    }
  });
  for (std::size_t i = 0; i < kWrappers.size() && depth < kDepth && found.dict == nullptr; ++i)
    find_state_dict(wrapped[i], depth + 1, seen, found);
  if (found.dict == nullptr && has_tensors) found.dict = value.dict;
}

const PickleDict& find_state_dict(const PickleValue& root, const fs::path& path) {
  Found found;
  std::vector<const PickleDict*> seen;
  find_state_dict(root, 0, seen, found);
  if (found.dict != nullptr) return *found.dict;
  if (found.object != nullptr) {
    throw DataError(path, "holds a Python object of class " + in_quotes(found.object->text()) +
                              ", not a state_dict; save model.state_dict() instead");
  }
  std::string keys;
  if (root.is(Type::kDict)) {
    std::size_t shown = 0;
    for_each_entry(*root.dict, [&](const PickleValue& key, const PickleValue&) {
      if (key.is(Type::kText) && ++shown <= 6)
        keys += (keys.empty() ? "; its keys: " : ", ") + in_quotes(key.view());
    });
    if (shown > 6) keys += " ...";
  }
  throw DataError(path,
                  "holds no state_dict: no tensors under text keys, neither at the top nor under state_dict, "
                  "model_state_dict, model, "
                  "net, network, weights or ema" +
                      keys);
}

// Tensors

using FindStorage = std::function<std::string_view(const PickleStorage&)>;

/// Makes tensors that share the storages, each of which is copied out of the file once, when it is first used.
class TensorBuilder {
 public:
  TensorBuilder(FindStorage find, const fs::path& path) : find_(std::move(find)), path_(path) {}

  torch::Tensor build(std::string_view name, const PickleTensor& given) {
    const auto fail = [&](const std::string& what) {
      throw DataError(path_, "tensor " + in_quotes(name) + ": " + what);
    };
    const PickleStorage& storage = *given.storage;
    const auto dtype = dtype_of(*storage.type);
    if (!dtype) fail("its type " + in_quotes(storage.type->text()) + " is not read");
    const auto shape = sizes(given.shape), strides = sizes(given.strides);
    if (!shape || !strides || shape->size() != strides->size()) fail("wrong shape or strides");
    if (storage.view_offset < 0 || storage.view_elements < 0 || storage.view_offset > storage.elements ||
        storage.view_elements > storage.elements - storage.view_offset)
      fail("a view outside its storage");
    if (!fits(*shape, *strides, given.offset, storage.view_elements)) fail("lies outside its storage");
    if (count(*shape) > storage.view_elements) fail("is expanded: it has more elements than its storage");
    if (std::find(shape->begin(), shape->end(), 0) != shape->end()) return torch::empty(*shape, *dtype);
    auto base = bases_.find(storage.key);
    if (base == bases_.end()) {
      const auto bytes = find_(storage);
      const std::size_t size = torch::elementSize(*dtype);
      if (static_cast<std::uint64_t>(storage.elements) > bytes.size() / size)
        fail("its storage " + in_quotes(storage.key) + " has " + std::to_string(bytes.size()) +
             " bytes, fewer than " + std::to_string(storage.elements) + " elements need");
      auto copy = torch::empty({storage.elements}, *dtype);
      if (storage.elements > 0) std::memcpy(copy.data_ptr(), bytes.data(), copy.nbytes());
      base = bases_.emplace(storage.key, copy).first;
    }
    if (base->second.scalar_type() != *dtype || base->second.numel() != storage.elements)
      fail("its storage " + in_quotes(storage.key) + " has another type or size elsewhere");
    return torch::empty({0}, *dtype)
        .set_(base->second.storage(), storage.view_offset + given.offset, *shape, *strides);
  }

 private:
  /// Nothing for negative numbers, more dimensions than any network has, or a product beyond 64 bits.
  static std::optional<std::vector<std::int64_t>> sizes(const PickleValue& tuple) {
    constexpr std::size_t kMostDimensions = 16;
    if (tuple.size > kMostDimensions) return std::nullopt;
    std::vector<std::int64_t> sizes;
    for (std::size_t i = 0; i < tuple.size; ++i) {
      if (!tuple.items[i].is(Type::kInteger) || tuple.items[i].integer < 0) return std::nullopt;
      sizes.push_back(tuple.items[i].integer);
    }
    return sizes;
  }

  static std::int64_t count(const std::vector<std::int64_t>& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  }

  static bool fits(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides,
                   std::int64_t offset, std::int64_t elements) {
    if (offset < 0 || offset > elements) return false;
    constexpr std::int64_t kMostBytes = std::int64_t{1} << 60;
    std::int64_t product = 8;  // bytes of an element at most; LibTorch multiplies 64-bit numbers unchecked
    bool empty = false;
    for (const auto size : shape) {
      empty = empty || size == 0;
      if (size > kMostBytes / product) return false;
      product *= std::max<std::int64_t>(size, 1);
    }
    if (empty) return true;
    std::int64_t left = elements - offset - 1;  // from the first element to the storage's last
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] > 1 && strides[i] > left / (shape[i] - 1)) return false;
      left -= (shape[i] - 1) * strides[i];
    }
    return left >= 0;
  }

  FindStorage find_;
  const fs::path& path_;
  std::unordered_map<std::string_view, torch::Tensor> bases_;
};

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

/// @param file_size bytes of the whole file
TensorFile build_tensors(const PickleValue& root, FindStorage find_storage, std::size_t file_size,
                         const fs::path& path) {
  // Tensors may share memory, and each copy of them takes its full size: networks tie a few, hostile files thousands.
  constexpr std::size_t kMostSharing = 8;
  const PickleDict& dict = find_state_dict(root, path);
  std::unordered_map<std::string_view, std::size_t> places;
  std::vector<std::pair<std::string_view, const PickleTensor*>> given;
  for_each_entry(dict, [&](const PickleValue& key, const PickleValue& value) {
    if (!key.is(Type::kText)) return;
    if (value.is(Type::kObject) && starts_with(value.global->module, "torch") &&
        starts_with(value.global->name, "_rebuild"))
      throw DataError(path, "tensor " + in_quotes(key.view()) +
                                " is of a kind that is not read: " + in_quotes(value.global->text()));
    const auto [place, fresh] = places.emplace(key.view(), given.size());
    if (fresh) given.emplace_back(key.view(), nullptr);
    given[place->second].second = value.is(Type::kTensor) ? value.tensor : nullptr;
  });
  places = {};
  const auto is_none = [](const auto& entry) { return entry.second == nullptr; };
  given.erase(std::remove_if(given.begin(), given.end(), is_none), given.end());
  TensorFile file;
  file.tensors.reserve(given.size());
  TensorBuilder builder(std::move(find_storage), path);
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : given) {
    file.tensors.emplace_back(name, builder.build(name, *tensor));
    bytes += file.tensors.back().second.nbytes();
    if (bytes > kMostSharing * file_size)
      throw DataError(path, "its tensors share memory: together they have more than " +
                                std::to_string(kMostSharing) + " times the file's size");
  }
  return file;
}

// The two formats

TensorFile parse_zip(std::string_view bytes, const fs::path& path) {
  constexpr std::string_view kPickle = "data.pkl";
  const ZipReader zip(bytes, path);
  const auto pickle_entry = std::find_if(zip.entries().begin(), zip.entries().end(), [&](const auto& entry) {
    return entry.name.size() > kPickle.size() &&
           entry.name.find('/') == entry.name.size() - kPickle.size() - 1 &&
           entry.name.substr(entry.name.size() - kPickle.size()) == kPickle;
  });
  if (pickle_entry == zip.entries().end())
    throw DataError(path, "a zip archive that torch.save did not write: no data.pkl");
  const std::string folder(pickle_entry->name.substr(0, pickle_entry->name.size() - kPickle.size()));
  if (zip.find(folder + "constants.pkl") != nullptr)
    throw DataError(
        path, "a TorchScript archive, not a state_dict; save model.state_dict() with torch.save instead");
  if (const auto* order = zip.find(folder + "byteorder"); order != nullptr && zip.read(*order) != "little")
    throw DataError(path, "byte order " + in_quotes(zip.read(*order)) + " is not read");
  const Pickle pickle = unpickle(zip.read(*pickle_entry), path);
  TensorFile file = build_tensors(
      pickle.root,
      [&](const PickleStorage& storage) {
        const auto* entry = zip.find(folder + "data/" + std::string(storage.key));
        if (entry == nullptr) throw DataError(path, "storage " + in_quotes(storage.key) + " is missing");
        return zip.read(*entry);
      },
      bytes.size(), path);
  if (const auto* metadata = zip.find(folder + kTorchMetadata); metadata != nullptr) {
    const auto flat = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
      return depth <= 1 ? true : throw std::runtime_error("nested");  // before it is deep
    };
    try {
      file.metadata =
          nlohmann::json::parse(zip.read(*metadata), flat).get<std::map<std::string, std::string>>();
    } catch (const DataError&) {
      throw;
    } catch (const std::exception& error) {
      throw DataError(path, std::string("no metadata in ") + kTorchMetadata + ": " + error.what());
    }
  }
  return file;
}

/// Five pickles (magic number, version, system, the object, keys of storages), then for each key the count as int64 and
/// the elements.
TensorFile parse_legacy(std::string_view bytes, const fs::path& path) {
  std::size_t at = 0;
  const auto next = [&] {
    Pickle pickle = unpickle(bytes.substr(at), path);
    at += pickle.size;
    return pickle;
  };
  if (const auto magic = next().root; !magic.is(Type::kLong) || magic.view() != kMagic)
    throw DataError(path, "a pickle that torch.save did not write");
  if (const auto version = next().root; !version.is(Type::kInteger) || version.integer != kLegacyVersion)
    throw DataError(path, "an unknown version of PyTorch's legacy format");
  const Pickle system = next(), object = next(), keys = next();
  bool little_endian = false;
  if (system.root.is(Type::kDict)) {
    for_each_entry(*system.root.dict, [&](const PickleValue& key, const PickleValue& value) {
      if (key.is_text("little_endian")) little_endian = value.is(Type::kBoolean) && value.integer == 1;
    });
  }
  if (!little_endian) throw DataError(path, "the byte order is not read: only little endian is");
  if (!keys.root.is(Type::kList)) throw DataError(path, "no list of storages behind the object");

  std::unordered_map<std::string_view, const PickleStorage*> known;
  for (const auto* storage = object.storages; storage != nullptr; storage = storage->next)
    known[storage->key] = storage;
  std::unordered_map<std::string_view, std::string_view> storages;
  for_each_item(*keys.root.list, [&](const PickleValue& key) {
    const auto storage = key.is(Type::kText) ? known.find(key.view()) : known.end();
    if (storage == known.end()) throw DataError(path, "a storage that no tensor has");
    const auto fail = [&](const std::string& what) {
      throw DataError(path, "storage " + in_quotes(key.view()) + ": " + what);
    };
    const auto dtype = dtype_of(*storage->second->type);
    if (!dtype) fail("its type " + in_quotes(storage->second->type->text()) + " is not read");
    std::int64_t count = 0;
    if (bytes.size() - at < sizeof(count)) fail("cut off");
    std::memcpy(&count, bytes.data() + at, sizeof(count));
    at += sizeof(count);
    if (count < 0 || count != storage->second->elements)
      fail(std::to_string(count) + " elements instead of " + std::to_string(storage->second->elements));
    const std::size_t size = torch::elementSize(*dtype);
    if (static_cast<std::uint64_t>(count) > (bytes.size() - at) / size) fail("cut off");
    const auto data = bytes.substr(at, static_cast<std::size_t>(count) * size);
    if (!storages.emplace(key.view(), data).second) fail("comes twice");
    at += data.size();
  });
  if (at != bytes.size())
    throw DataError(path, std::to_string(bytes.size() - at) + " bytes too many behind the last storage");
  return build_tensors(
      object.root,
      [&](const PickleStorage& storage) {
        const auto data = storages.find(storage.key);
        if (data == storages.end())
          throw DataError(path, "storage " + in_quotes(storage.key) + " is missing");
        return data->second;
      },
      bytes.size(), path);
}

}  // namespace

TensorFile parse_torch(std::string_view bytes, const fs::path& path) {
  if (bytes.substr(0, 2) == "PK") return parse_zip(bytes, path);
  if (bytes.substr(0, 1) == "\x80") return parse_legacy(bytes, path);
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar")
    throw DataError(
        path,
        "a tar archive is not read; if PyTorch 0.1 wrote it, load it with an old PyTorch and save it again");
  throw DataError(path, "no PyTorch file: neither a zip archive nor a pickle");
}

}  // namespace portraitseg
