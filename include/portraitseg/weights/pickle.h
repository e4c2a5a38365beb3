#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace portraitseg {

struct PickleList;
struct PickleDict;
struct PickleGlobal;
struct PickleStorage;
struct PickleTensor;

/// One Python value of a pickle. Scalars are held in place; everything else points into the pickle's bytes or into the
/// Pickle that it came from, and may contain itself.
struct PickleValue {
  enum class Type : std::uint8_t {
    kNone,
    kBoolean,  ///< integer
    kInteger,  ///< integer
    kReal,     ///< real
    kLong,     ///< text, size: a number beyond 64 bits, two's complement, little endian
    kText,     ///< text, size: str or bytes, as they are in the file
    kTuple,    ///< items, size
    kList,     ///< list; also a set
    kDict,     ///< dict
    kGlobal,   ///< global: a class or function by its name; never imported, never called
    kObject,   ///< global: some instance of that class or result of that function; what it holds is dropped
    kStorage,  ///< storage
    kTensor    ///< tensor
  };

  Type type = Type::kNone;
  std::uint32_t size = 0;
  union {
    std::int64_t integer = 0;
    double real;
    const char* text;
    const PickleValue* items;
    PickleList* list;
    PickleDict* dict;
    const PickleGlobal* global;
    const PickleStorage* storage;
    const PickleTensor* tensor;
  };

  bool is(Type other) const { return type == other; }
  bool is_text(std::string_view expected) const { return is(Type::kText) && view() == expected; }
  std::string_view view() const { return {text, size}; }  ///< of kText and kLong
};
static_assert(sizeof(PickleValue) == 16);

/// Items in the order in which they were added; a dictionary's keys and values alternate.
struct PickleList {
  struct Chunk {
    const PickleValue* items;
    std::size_t size;
    const Chunk* next;
  };
  const Chunk* first = nullptr;
  Chunk* last = nullptr;
};

struct PickleDict {
  PickleList entries;
  const PickleList* pairs =
      nullptr;  ///< OrderedDict([(key, value), ...]), as Python 2 writes it; before `entries`
};

struct PickleGlobal {
  std::string_view module, name;
  std::string text() const { return std::string(module) + "." + std::string(name); }
};

/// ('storage', class, key, location, elements, view): a piece of memory that lies elsewhere in the file.
struct PickleStorage {
  const PickleGlobal* type;  ///< such as torch.FloatStorage
  std::string_view key;
  std::int64_t elements;
  std::int64_t view_offset,
      view_elements;          ///< the part that is meant; all of it, but for views in legacy files
  const PickleStorage* next;  ///< the one before it in the pickle
};

/// What torch._utils._rebuild_tensor and _rebuild_tensor_v2 were given. Nothing is checked but the types.
struct PickleTensor {
  const PickleStorage* storage;
  std::int64_t offset;         ///< elements from the storage's begin
  PickleValue shape, strides;  ///< tuples
};

/// The values of a pickle. They die together, without recursion, whatever they contain.
class PickleArena {
 public:
  /// Room for `count` values, zeroed.
  template <class T>
  T* make(std::size_t count = 1) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 8);
    T* values = static_cast<T*>(allocate(count * sizeof(T)));
    for (std::size_t i = 0; i < count; ++i) new (values + i) T{};
    return values;
  }

 private:
  void* allocate(std::size_t size);

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::byte* free_ = nullptr;
  std::size_t left_ = 0;
};

struct Pickle {
  PickleValue root;
  const PickleStorage* storages = nullptr;  ///< each that was named, last first, used or not
  std::size_t size = 0;                     ///< bytes up to and with STOP; the file may go on
  PickleArena arena;
};

/// Reads a pickle of protocols 2 to 5 as torch.save of Python 2 and 3 writes them. No code is run: the file's functions
/// and classes are names. Known are collections.OrderedDict and defaultdict, torch.Size and torch._utils._rebuild_tensor,
/// _rebuild_tensor_v2, _rebuild_parameter and _rebuild_parameter_with_state.
/// `bytes` must outlive the result, `path` names the file in messages. Time and memory are linear in the bytes read.
/// @throws DataError for a pickle that is cut off, damaged, or has an opcode that is not read.
Pickle unpickle(std::string_view bytes, const std::filesystem::path& path);

/// Calls visit(item) for each item of a list.
template <class Visit>
void for_each_item(const PickleList& list, Visit&& visit) {
  for (const auto* chunk = list.first; chunk != nullptr; chunk = chunk->next) {
    for (std::size_t i = 0; i < chunk->size; ++i) visit(chunk->items[i]);
  }
}

/// Calls visit(key, value) for each entry of a dictionary in order. A key may come again: its last value counts.
template <class Visit>
void for_each_entry(const PickleDict& dict, Visit&& visit) {
  const auto pair = [&](const PickleValue& value) {
    if (value.is(PickleValue::Type::kTuple) && value.size == 2) visit(value.items[0], value.items[1]);
    if (!value.is(PickleValue::Type::kList) || value.list->first == nullptr) return;
    const auto* first =
        value.list->first;  // Python 2's pairs are lists, which are written in one or in two pieces
    if (first->size == 2) visit(first->items[0], first->items[1]);
    if (first->size == 1 && first->next != nullptr) visit(first->items[0], first->next->items[0]);
  };
  if (dict.pairs != nullptr) for_each_item(*dict.pairs, pair);
  for (const auto* chunk = dict.entries.first; chunk != nullptr; chunk = chunk->next) {
    for (std::size_t i = 0; i + 1 < chunk->size; i += 2) visit(chunk->items[i], chunk->items[i + 1]);
  }
}

}  // namespace portraitseg
