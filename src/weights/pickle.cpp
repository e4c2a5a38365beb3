#include "portraitseg/weights/pickle.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <limits>
#include <utility>

#include "portraitseg/core/error.h"

#include "in_quotes.h"

namespace portraitseg {
namespace {

using Type = PickleValue::Type;

/// Names and codes of Python's pickletools. INT: Python 2 writes integers beyond 32 bits so, such as the ids in an
/// optimizer's state.
// clang-format off
enum Opcode : unsigned char {
  kMark = '(', kStop = '.', kPop = '0', kPopMark = '1', kDup = '2', kBinFloat = 'G', kInt = 'I',
  kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M', kNone = 'N', kBinPersId = 'Q', kReduce = 'R',
  kBinString = 'T', kShortBinString = 'U', kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobal = 'c',
  kDict = 'd', kEmptyDict = '}', kAppends = 'e', kBinGet = 'h', kLongBinGet = 'j', kList = 'l',
  kEmptyList = ']', kBinPut = 'q', kLongBinPut = 'r', kSetItem = 's', kTuple = 't', kEmptyTuple = ')',
  kSetItems = 'u', kBinBytes = 'B', kShortBinBytes = 'C', kProto = 0x80, kNewObj = 0x81, kTuple1 = 0x85,
  kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a, kLong4 = 0x8b,
  kShortBinUnicode = 0x8c, kBinUnicode8 = 0x8d, kBinBytes8 = 0x8e, kEmptySet = 0x8f, kAddItems = 0x90,
  kFrozenSet = 0x91, kNewObjEx = 0x92, kStackGlobal = 0x93, kMemoize = 0x94, kFrame = 0x95,
  kByteArray8 = 0x96
};
// clang-format on

constexpr std::int64_t kUnset = -1;  // with Type::kNone: a gap in the memo

template <class T>
PickleValue value(Type type, T PickleValue::*member, T content, std::size_t size = 0) {
  PickleValue made;
  made.type = type;
  made.size = static_cast<std::uint32_t>(size);
  made.*member = content;
  return made;
}

PickleValue integer(std::int64_t number, Type type = Type::kInteger) {
  return value(type, &PickleValue::integer, number);
}

class Unpickler {
 public:
  Unpickler(std::string_view bytes, const std::filesystem::path& path) : bytes_(bytes), path_(path) {}

  Pickle run() {
    Pickle pickle;
    arena_ = &pickle.arena;
    do {
      opcode_at_ = at_;
    } while (step(static_cast<unsigned char>(take(1)[0])));
    pickle.root = pop();
    pickle.storages = storages_;
    pickle.size = at_;
    return pickle;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(path_, "unreadable pickle: " + what + " at byte " + std::to_string(opcode_at_));
  }

  // Bytes

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("cut off in the opcode");
    const auto taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }

  std::string_view take_line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("cut off in the opcode");
    const auto line = take(end - at_);
    ++at_;
    return line;
  }

  /// A little-endian number; as in Python, lengths are unsigned.
  template <class T>
  T number() {
    std::uint64_t number = 0;
    const auto taken = take(sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i)
      number |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
    return static_cast<T>(number);
  }

  // The stack, of which what lies below the last MARK is out of reach

  std::size_t reach() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  void push(const PickleValue& value) { stack_.push_back(value); }

  PickleValue& top() {
    if (reach() == 0) fail("an empty stack meets the opcode");
    return stack_.back();
  }

  PickleValue pop() {
    const PickleValue value = top();
    stack_.pop_back();
    return value;
  }

  /// The last `count` values, taken from the stack.
  const PickleValue* pop(std::size_t count) {
    if (count > reach()) fail("an empty stack meets the opcode");
    auto* values = arena_->make<PickleValue>(count);
    std::copy(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end(), values);
    stack_.resize(stack_.size() - count);
    return values;
  }

  /// How many values lie above the last MARK, which is taken away.
  std::size_t unmark() {
    if (marks_.empty()) fail("no MARK for the opcode");
    const std::size_t count = reach();
    marks_.pop_back();
    return count;
  }

  // Values

  void push_text(std::uint64_t size, Type type = Type::kText) {
    const auto text = take(size);
    if (text.size() > std::numeric_limits<std::uint32_t>::max()) fail("text beyond 4 GiB");
    push(value(type, &PickleValue::text, text.data(), text.size()));
  }

  void push_long(std::uint64_t size) {
    if (size > sizeof(std::int64_t)) return push_text(size, Type::kLong);
    const auto taken = take(size);
    std::uint64_t number = !taken.empty() && (taken.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = taken.size(); i-- > 0;)
      number = (number << 8) | std::uint64_t{static_cast<unsigned char>(taken[i])};
    push(integer(static_cast<std::int64_t>(number)));
  }

  void push_decimal(std::string_view line) {
    if (line == "00" || line == "01") return push(integer(line == "01", Type::kBoolean));
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (error != std::errc() || end != line.data() + line.size()) fail("no number in the opcode");
    push(integer(number));
  }

  void push_real() {
    std::uint64_t bits = 0;
    for (const char c : take(sizeof(bits))) bits = (bits << 8) | static_cast<unsigned char>(c);  // big endian
    double real = 0;
    std::memcpy(&real, &bits, sizeof(bits));
    push(value(Type::kReal, &PickleValue::real, real));
  }

  void push_tuple(std::size_t count) {
    if (count > std::numeric_limits<std::uint32_t>::max()) fail("a tuple beyond 2^32 items");
    push(value(Type::kTuple, &PickleValue::items, pop(count), count));
  }

  void push_global(std::string_view module, std::string_view name) {
    auto* global = arena_->make<PickleGlobal>();
    *global = {module, name};
    push(value(Type::kGlobal, &PickleValue::global, const_cast<const PickleGlobal*>(global)));
  }

  void stack_global() {
    const PickleValue name = pop(), module = pop();
    if (!name.is(Type::kText) || !module.is(Type::kText)) fail("no name for the opcode");
    push_global(module.view(), name.view());
  }

  void push_list() { push(value(Type::kList, &PickleValue::list, arena_->make<PickleList>())); }
  void push_dict() { push(value(Type::kDict, &PickleValue::dict, arena_->make<PickleDict>())); }

  /// Adds the last `count` values to the container below them.
  void extend(std::size_t count, Type type) {
    const PickleValue* items = pop(count);
    if (!top().is(Type::kObject)) add(top(), items, count, type);  // else a subclass of list or dict
  }

  /// A container of what lies above the last MARK.
  void push_filled(Type type) {
    const std::size_t count = unmark();
    const PickleValue* items = pop(count);
    type == Type::kDict ? push_dict() : push_list();
    add(top(), items, count, type);
  }

  void add(const PickleValue& container, const PickleValue* items, std::size_t count, Type type) {
    if (!container.is(type)) fail("no container for the opcode");
    if (type == Type::kDict && count % 2 != 0) fail("a key without value for the opcode");
    if (count == 0) return;
    PickleList& list = type == Type::kDict ? container.dict->entries : *container.list;
    auto* chunk = arena_->make<PickleList::Chunk>();
    *chunk = {items, count, nullptr};
    (list.first == nullptr ? list.first : list.last->next) = chunk;
    list.last = chunk;
  }

  void memoize(std::size_t index) {
    // Python numbers what it remembers without gaps, from 0 or 1, and each takes two bytes at least.
    if (index > opcode_at_ / 2 + 1) fail("memo index " + std::to_string(index) + " too large");
    if (index >= memo_.size()) memo_.resize(index + 1, value(Type::kNone, &PickleValue::integer, kUnset));
    memo_[index] = top();
  }

  void recall(std::size_t index) {
    if (index >= memo_.size() || (memo_[index].is(Type::kNone) && memo_[index].integer == kUnset))
      fail("memo index " + std::to_string(index) + " missing");
    push(memo_[index]);
  }

  void call() {
    const PickleValue arguments = pop();
    const PickleValue callee = pop();
    if (!arguments.is(Type::kTuple)) fail("arguments that are no tuple");
    if (!callee.is(Type::kGlobal) && !callee.is(Type::kObject))
      fail("a call of something that is no function");
    push(result(callee, arguments.items, arguments.size));
  }

  static bool is_empty(const PickleValue& value) {
    return value.is(Type::kNone) || (value.is(Type::kDict) && value.dict->entries.first == nullptr);
  }

  PickleValue result(const PickleValue& callee, const PickleValue* arguments, std::size_t count) {
    const auto& [module, name] = *callee.global;
    const PickleValue unknown = value(Type::kObject, &PickleValue::global, callee.global);
    if (callee.is(Type::kObject)) return unknown;
    if (module == "collections" && (name == "OrderedDict" || name == "defaultdict")) {
      auto* dict = arena_->make<PickleDict>();
      if (name == "OrderedDict" && count > 0) {
        // The list is pointed to and not copied: copies would let a small file ask for its size squared.
        if (!arguments[0].is(Type::kList)) fail("an OrderedDict of something that is no list");
        dict->pairs = arguments[0].list;
      }
      return value(Type::kDict, &PickleValue::dict, dict);
    }
    if (module == "torch" && name == "Size" && count == 1 && arguments[0].is(Type::kTuple))
      return arguments[0];
    if (module != "torch._utils") return unknown;
    if ((name == "_rebuild_parameter" || name == "_rebuild_parameter_with_state") && count > 0)
      return arguments[0];
    if (name != "_rebuild_tensor" && name != "_rebuild_tensor_v2") return unknown;
    if (count < 4 || !arguments[0].is(Type::kStorage) || !arguments[1].is(Type::kInteger) ||
        !arguments[2].is(Type::kTuple) || !arguments[3].is(Type::kTuple))
      fail("a tensor of wrong arguments");
    if (count > 6 && !is_empty(arguments[6])) return unknown;  // PyTorch 2: to be negated or conjugated
    auto* tensor = arena_->make<PickleTensor>();
    *tensor = {arguments[0].storage, arguments[1].integer, arguments[2], arguments[3]};
    return value(Type::kTensor, &PickleValue::tensor, const_cast<const PickleTensor*>(tensor));
  }

  /// What torch.save keeps outside the pickle: storages, and in old files ('module', class, file, source code).
  PickleValue persistent(const PickleValue& id) {
    if (!id.is(Type::kTuple) || id.size < 2 || !id.items[1].is(Type::kGlobal))
      fail("no storage for the opcode");
    if (id.items[0].is_text("module")) return id.items[1];
    if (!id.items[0].is_text("storage") || id.size < 5 || !id.items[2].is(Type::kText) ||
        !id.items[4].is(Type::kInteger))
      fail("no storage for the opcode");
    auto* storage = arena_->make<PickleStorage>();
    const std::int64_t elements = id.items[4].integer;
    *storage = {id.items[1].global, id.items[2].view(), elements, 0, elements, storages_};
    storages_ = storage;
    if (id.size > 5 && !id.items[5].is(Type::kNone)) {
      const PickleValue& view = id.items[5];  // (key of the view, offset, size)
      if (!view.is(Type::kTuple) || view.size != 3 || !view.items[1].is(Type::kInteger) ||
          !view.items[2].is(Type::kInteger))
        fail("a wrong view of a storage");
      storage->view_offset = view.items[1].integer;
      storage->view_elements = view.items[2].integer;
    }
    return value(Type::kStorage, &PickleValue::storage, const_cast<const PickleStorage*>(storage));
  }

  /// @return false after STOP
  bool step(unsigned char opcode) {
    // clang-format off
    switch (opcode) {
      case kProto: if (const auto protocol = number<std::uint8_t>(); protocol > 5) fail("unknown protocol"); break;
      case kFrame: take(8); break;
      case kStop: return false;
      case kMark: marks_.push_back(stack_.size()); break;
      case kPop: if (reach() == 0 && !marks_.empty()) { marks_.pop_back(); } else { pop(); } break;
      case kPopMark: stack_.resize(stack_.size() - unmark()); break;
      case kDup: push(PickleValue(top())); break;
      case kNone: push({}); break;
      case kNewTrue: push(integer(1, Type::kBoolean)); break;
      case kNewFalse: push(integer(0, Type::kBoolean)); break;
      case kInt: push_decimal(take_line()); break;
      case kBinInt: push(integer(number<std::int32_t>())); break;
      case kBinInt1: push(integer(number<std::uint8_t>())); break;
      case kBinInt2: push(integer(number<std::uint16_t>())); break;
      case kLong1: push_long(number<std::uint8_t>()); break;
      case kLong4: push_long(number<std::uint32_t>()); break;
      case kBinFloat: push_real(); break;
      case kShortBinString: case kShortBinBytes: case kShortBinUnicode: push_text(number<std::uint8_t>()); break;
      case kBinString: case kBinBytes: case kBinUnicode: push_text(number<std::uint32_t>()); break;
      case kBinUnicode8: case kBinBytes8: case kByteArray8: push_text(number<std::uint64_t>()); break;
      case kEmptyTuple: push_tuple(0); break;
      case kTuple1: push_tuple(1); break;
      case kTuple2: push_tuple(2); break;
      case kTuple3: push_tuple(3); break;
      case kTuple: case kFrozenSet: push_tuple(unmark()); break;
      case kEmptyList: case kEmptySet: push_list(); break;
      case kEmptyDict: push_dict(); break;
      case kList: push_filled(Type::kList); break;
      case kDict: push_filled(Type::kDict); break;
      case kAppend: extend(1, Type::kList); break;
      case kAppends: case kAddItems: extend(unmark(), Type::kList); break;
      case kSetItem: extend(2, Type::kDict); break;
      case kSetItems: extend(unmark(), Type::kDict); break;
      case kGlobal: { const auto module = take_line(); push_global(module, take_line()); break; }
      case kStackGlobal: stack_global(); break;
      case kReduce: case kNewObj: call(); break;
      case kNewObjEx: pop(); call(); break;  // keyword arguments
      case kBuild: pop(); top(); break;  // attributes such as state_dict()._metadata
      case kBinPersId: push(persistent(pop())); break;
      case kBinPut: memoize(number<std::uint8_t>()); break;
      case kLongBinPut: memoize(number<std::uint32_t>()); break;
      case kMemoize: memoize(memo_.size()); break;
      case kBinGet: recall(number<std::uint8_t>()); break;
      case kLongBinGet: recall(number<std::uint32_t>()); break;
      default: fail("opcode " + std::to_string(opcode) + " (" + in_quotes(bytes_.substr(opcode_at_, 1)) + "), which is not read,");
    }
    // clang-format on
    return true;
  }

  std::string_view bytes_;
  const std::filesystem::path& path_;
  PickleArena* arena_ = nullptr;
  const PickleStorage* storages_ = nullptr;
  std::size_t at_ = 0, opcode_at_ = 0;
  std::deque<PickleValue> stack_, memo_;  // no vectors: growing needs no second copy
  std::deque<std::size_t> marks_;
};

}  // namespace

void* PickleArena::allocate(std::size_t size) {
  constexpr std::size_t kBlock = 1 << 16, kAlignment = 8;
  size = (size + kAlignment - 1) / kAlignment * kAlignment;
  if (size <= left_) {
    left_ -= size;
    return std::exchange(free_, free_ + size);
  }
  const bool large = size > kBlock / 4;  // gets a block of its own, so that little of the current one is lost
  blocks_.emplace_back(new std::byte[large ? size : kBlock]);
  if (large) return blocks_.back().get();
  free_ = blocks_.back().get() + size;
  left_ = kBlock - size;
  return blocks_.back().get();
}

Pickle unpickle(std::string_view bytes, const std::filesystem::path& path) {
  return Unpickler(bytes, path).run();
}

}  // namespace portraitseg
