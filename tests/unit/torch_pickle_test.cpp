#include "portraitseg/weights/torch_pickle.h"

#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/weights/pickle.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/weights_file.h"
#include "portraitseg/weights/zip.h"

#include "support/pickle_bytes.h"
#include "support/shared_data.h"
#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::AnyOf;
using testing::dict;
using ::testing::EndsWith;
using testing::float_section;
using testing::global;
using ::testing::HasSubstr;
using testing::integer;
using testing::LegacyFile;
using testing::little;
using testing::protocol2;
using testing::small_legacy_file;
using ::testing::StartsWith;
using testing::tensor;
using testing::text;
using Type = PickleValue::Type;
using namespace std::string_literals;  // texts with zeros

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

std::string error_of_file(const std::string& bytes) {
  return error_of([&] { parse_torch(bytes, "x.pth"); });
}

std::string error_of_pickle(const std::string& bytes) {
  return error_of([&] { unpickle(bytes, "x.pth"); });
}

/// The error of a legacy file that holds the object, with one storage of six floats.
std::string error_of_object(const std::string& object) {
  LegacyFile file;
  file.object = object;
  if (object.find("FloatStorage") != std::string::npos) file.storages = {{"0", float_section(6)}};
  return error_of_file(file.bytes());
}

std::string zip_file(const std::string& object,
                     const std::vector<std::pair<std::string, std::string>>& records) {
  ZipWriter zip;
  zip.add("x/data.pkl", protocol2(object));
  for (const auto& [name, data] : records) zip.add("x/" + name, data);
  return std::move(zip).finish();
}

std::vector<std::string> names(const TensorFile& file) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) names.push_back(name);
  return names;
}

void expect_equal(const TensorFile& a, const TensorFile& b) {
  ASSERT_EQ(names(a), names(b));
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    const auto &x = a.tensors[i].second, &y = b.tensors[i].second;
    EXPECT_EQ(x.scalar_type(), y.scalar_type()) << a.tensors[i].first;
    EXPECT_TRUE(torch::equal(x, y)) << a.tensors[i].first;
  }
}

TensorFile every_kind() {
  TensorFile file;
  for (const auto dtype : {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16, torch::kInt64,
                           torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt8, torch::kBool}) {
    file.tensors.emplace_back(std::string("t.") + torch::toString(dtype),
                              torch::arange(6).reshape({2, 3}).to(dtype));
  }
  file.tensors.emplace_back("scalar", torch::tensor(3.5F));
  file.tensors.emplace_back("empty", torch::empty({0, 4}));
  file.tensors.emplace_back("large", torch::arange(300.0F).reshape({1, 300, 1}));
  file.tensors.emplace_back("transposed", torch::arange(6.0F).reshape({2, 3}).t());
  file.tensors.emplace_back("", torch::ones({2}).requires_grad_());
  file.metadata = {{"a", "b"}, {"quote", "\"x\"\n"}};
  return file;
}

// The unpickler alone

TEST(Pickle, ReadsValuesOfEveryKind) {
  const std::string bytes =
      "\x80\x04\x95" + little(9, 8) + "(N\x88\x89I-5000000000\nI01\nJ" + little(-7U, 4) + "K\xc8M" +
      little(40000, 2) + "\x8a\x02\x00\xff"s.substr(0, 4) + "G" + "\xbf\xe8" + std::string(6, '\0') +
      "U\x02hi" + "T" + little(2, 4) + "ho" + "X" + little(1, 4) + "a" +
      "\x8c\x01"
      "b" +
      "\x8d" + little(1, 8) + "c" +
      "C\x01"
      "d" +
      "B" + little(1, 4) + "e" + "\x8e" + little(1, 8) + "f" + "\x8b" + little(0, 4) + "t.rest";
  const Pickle pickle = unpickle(bytes, "x");
  EXPECT_EQ(pickle.size, bytes.size() - 4);
  ASSERT_TRUE(pickle.root.is(Type::kTuple));
  ASSERT_EQ(pickle.root.size, 19u);
  const auto* items = pickle.root.items;
  EXPECT_TRUE(items[0].is(Type::kNone));
  EXPECT_TRUE(items[1].is(Type::kBoolean) && items[1].integer == 1);
  EXPECT_TRUE(items[2].is(Type::kBoolean) && items[2].integer == 0);
  EXPECT_EQ(items[3].integer, -5000000000);
  EXPECT_TRUE(items[4].is(Type::kBoolean));
  EXPECT_EQ(items[5].integer, -7);
  EXPECT_EQ(items[6].integer, 200);
  EXPECT_EQ(items[7].integer, 40000);
  EXPECT_EQ(items[8].integer, -256);
  EXPECT_EQ(items[9].real, -0.75);
  EXPECT_TRUE(items[10].is_text("hi") && items[11].is_text("ho") && items[12].is_text("a"));
  EXPECT_TRUE(items[13].is_text("b") && items[14].is_text("c") && items[15].is_text("d"));
  EXPECT_TRUE(items[16].is_text("e") && items[17].is_text("f"));
  EXPECT_TRUE(items[18].is(Type::kInteger) && items[18].integer == 0);
}

TEST(Pickle, ReadsContainersAndTheMemo) {
  // [[1, 2, 3], {'k': 1}, (), (1,), set, frozenset], with APPEND, APPENDS, SETITEM, DUP, POP and POP_MARK on the way
  const std::string bytes =
      "](]K\1aq\1(K\2K\3e(NN1N0h\1\x32"
      "00}X" +
      little(1, 4) +
      "kK\1s)K\1\x85\x8f(K\1\x90(K\1\x91"
      "e.";
  const Pickle pickle = unpickle(bytes, "x");
  ASSERT_TRUE(pickle.root.is(Type::kList));
  std::vector<Type> types;
  for_each_item(*pickle.root.list, [&](const PickleValue& item) { types.push_back(item.type); });
  EXPECT_EQ(types, (std::vector<Type>{Type::kList, Type::kDict, Type::kTuple, Type::kTuple, Type::kList,
                                      Type::kTuple}));
  std::vector<std::int64_t> numbers;
  for_each_item(*pickle.root.list->first->items[0].list,
                [&](const PickleValue& item) { numbers.push_back(item.integer); });
  EXPECT_EQ(numbers, (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(Pickle, DamageIsNamedWithItsPlace) {
  EXPECT_THAT(error_of_pickle(""), HasSubstr("x.pth: unreadable pickle: cut off in the opcode at byte 0"));
  EXPECT_THAT(error_of_pickle("NP."), HasSubstr("opcode 80 ('P'), which is not read, at byte 1"));
  EXPECT_THAT(error_of_pickle("h\7."), HasSubstr("memo index 7 missing at byte 0"));
  EXPECT_THAT(error_of_pickle(std::string(400, 'N') + "r" + little(200, 4) + "h\7."),
              HasSubstr("memo index 7 missing"));
  EXPECT_THAT(error_of_pickle("Nr" + little(0xffffffff, 4) + "."),
              HasSubstr("memo index 4294967295 too large"));
  for (const std::string opcode :
       {".", "0", "2", "a", "s", "R", "b", "Q", "\x85", "\x87", "\x93", "\x92", "(Na"})
    EXPECT_THAT(error_of_pickle(opcode + "."), HasSubstr("an empty stack meets the opcode")) << opcode;
  for (const std::string opcode : {"e", "u", "t", "1", "l", "d", "\x90", "\x91"})
    EXPECT_THAT(error_of_pickle("N" + opcode + "."), HasSubstr("no MARK for the opcode at byte 1")) << opcode;
  EXPECT_THAT(error_of_pickle("N(Ne."), HasSubstr("no container for the opcode"));
  EXPECT_THAT(error_of_pickle("](NNu."), HasSubstr("no container for the opcode"));
  EXPECT_THAT(error_of_pickle("}(Nu."), HasSubstr("a key without value"));
  EXPECT_THAT(error_of_pickle("N)R."), HasSubstr("a call of something that is no function"));
  EXPECT_THAT(error_of_pickle(global("a", "b") + "NR."), HasSubstr("arguments that are no tuple"));
  EXPECT_THAT(error_of_pickle("NQ."), HasSubstr("no storage for the opcode"));
  EXPECT_THAT(error_of_pickle("\x80\x06."), HasSubstr("unknown protocol"));
  for (const std::string opcode : {"X", "T", "B", "\x8b"})
    EXPECT_THAT(error_of_pickle(opcode + little(0xffffffff, 4) + "."), HasSubstr("cut off")) << opcode;
  for (const std::string opcode : {"\x8d", "\x8e", "\x96"})
    for (const std::uint64_t size : {std::uint64_t{1} << 63, ~std::uint64_t{0}})
      EXPECT_THAT(error_of_pickle(opcode + little(size, 8) + "."), HasSubstr("cut off")) << opcode;
}

TEST(Pickle, DepthCostsNoStack) {
  constexpr std::size_t kDepth = 1'000'000;
  const std::string lists(kDepth, ']'), closes(kDepth - 1, 'a'), tuples(kDepth, '\x85'), marks(kDepth, '(');
  EXPECT_TRUE(unpickle(lists + closes + ".", "x").root.is(Type::kList));
  EXPECT_TRUE(unpickle("N" + tuples + ".", "x").root.is(Type::kTuple));
  EXPECT_TRUE(unpickle(marks + std::string(kDepth, 't') + ".", "x").root.is(Type::kTuple));
  EXPECT_THAT(error_of_object("N" + tuples), HasSubstr("holds no state_dict"));
}

TEST(Pickle, ValuesThatHoldThemselvesAreReadOnce) {
  const Pickle list = unpickle("]q\1h\1a.", "x");
  EXPECT_EQ(list.root.list->first->items[0].list, list.root.list);
  EXPECT_THAT(error_of_object("]q\1h\1a"), HasSubstr("holds no state_dict"));
  EXPECT_THAT(error_of_object("}q\1" + text("state_dict") + "h\1s"), HasSubstr("holds no state_dict"));
  EXPECT_THAT(error_of_object("}q\1" + text("state_dict") + "}q\2" + text("model") + "h\1ss"),
              HasSubstr("holds no state_dict"));
  EXPECT_THAT(error_of_object("]q\1" + global("collections", "OrderedDict") + "h\1\x85Rq\2h\1h\2a0"),
              HasSubstr("holds no state_dict"));
}

TEST(Pickle, CopiesOfCopiesCostNothing) {
  // OrderedDict(pairs) again and again: were the pairs copied, this would take 10 GB.
  std::string bytes = "](";
  for (int i = 0; i < 20'000; ++i) bytes += "K\1K\2\x86";
  bytes += "e\x85q\1" + global("collections", "OrderedDict") + "q\2";
  for (int i = 0; i < 20'000; ++i) bytes += "h\2h\1R";
  const Pickle pickle = unpickle(bytes + ".", "x");
  std::size_t count = 0;
  for_each_entry(*pickle.root.dict, [&](const PickleValue&, const PickleValue&) { ++count; });
  EXPECT_EQ(count, 20'000u);
}

TEST(Pickle, NothingIsRun) {
  const testing::TemporaryFolder folder;
  const std::string file = (folder.path() / "made").string();
  for (const std::string module : {"os", "posix", "subprocess", "builtins", "torch"}) {
    const std::string call = global(module, "system") + "(" + text("touch " + file) + "tR";
    EXPECT_THAT(error_of_object(call), HasSubstr("holds a Python object of class '" + module +
                                                 ".system', not a state_dict; "
                                                 "save model.state_dict() instead"));
  }
  EXPECT_FALSE(std::filesystem::exists(file));
}

// State dicts

TEST(TorchPickle, ReadsALegacyCheckpoint) {
  const TensorFile file = parse_torch(small_legacy_file().bytes(), "x.pth");
  EXPECT_EQ(names(file), (std::vector<std::string>{"module.a", "module.b"}));
  EXPECT_TRUE(torch::equal(file.at("module.a"), torch::arange(6.0F).reshape({2, 3})));
  EXPECT_TRUE(torch::equal(file.at("module.b"), torch::tensor({1.0F, 3.0F})));
  EXPECT_TRUE(file.at("module.a").storage().is_alias_of(file.at("module.b").storage()));
}

TEST(TorchPickle, FindsTheStateDict) {
  const std::string a = tensor({}, 0, {6}, {1}), state = dict({{"a", a}}), other = dict({{"b", a}});
  const auto found = [](const std::string& object) {
    LegacyFile file;
    file.object = object;
    file.storages = {{"0", float_section(6)}};
    return names(parse_torch(file.bytes(), "x.pth"));
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(found(state), Names{"a"});
  for (const std::string wrapper :
       {"state_dict", "model_state_dict", "model", "net", "network", "weights", "ema"})
    EXPECT_EQ(found(dict({{"epoch", "K\1"}, {wrapper, state}})), Names{"a"}) << wrapper;
  EXPECT_EQ(found(dict({{"ema", other}, {"state_dict", state}})), Names{"a"});
  EXPECT_EQ(found(dict({{"state_dict", "N"}, {"ema", other}})), Names{"b"});
  EXPECT_EQ(found(dict({{"model", dict({{"net", dict({{"weights", state}})}})}})), Names{"a"});
  EXPECT_EQ(found(dict({{"best_accuracy", a}, {"state_dict", state}})), Names{"a"})
      << "loose tensors beside it";
  EXPECT_EQ(found(dict({{"optimizer", other}, {"model", state}})), Names{"a"});
  EXPECT_EQ(found(dict({{"a", a}, {"epoch", "K\1"}, {"extra", "}"}, {"b", a}})), (Names{"a", "b"}));
  EXPECT_EQ(found(dict({{"a", "N"}, {"b", a}, {"a", a}, {"b", "N"}})), Names{"a"})
      << "the last value of a key counts";
  // Python 2: OrderedDict([['a', tensor], ...]) with attributes
  EXPECT_EQ(found(global("collections", "OrderedDict") + "(](](" + text("a") + a + "e](" + text("b") + a +
                  "eetR}" + text("_metadata") + "Nsb"),
            (Names{"a", "b"}));
  EXPECT_EQ(found(global("collections", "defaultdict") + "(" + global("__builtin__", "list") + "tR" +
                  text("a") + a + "s"),
            Names{"a"});
  // nn.Parameter, also with attributes, and torch.Size
  EXPECT_EQ(found(dict({{"a", global("torch._utils", "_rebuild_parameter") + "(" + a + "\x88NtR"},
                        {"b", global("torch._utils", "_rebuild_parameter_with_state") + "(" + a + "\x88N}tR"},
                        {"size", global("torch", "Size") + testing::tuple({1, 2}) + "\x85R"}})),
            (Names{"a", "b"}));
}

TEST(TorchPickle, SaysWhatElseAFileHolds) {
  EXPECT_THAT(error_of_object(global("models.SINet", "SINet") + ")\x81}b"),
              EndsWith("x.pth: holds a Python object of class 'models.SINet.SINet', not a state_dict; save "
                       "model.state_dict() instead"));
  EXPECT_THAT(error_of_object(dict({{"model", global("yolo", "Net") + ")\x81}b"}})),
              HasSubstr("class 'yolo.Net'"));
  EXPECT_THAT(error_of_object("(" + text("module") + global("net", "Net") + "NNtQ)\x81}b"),
              HasSubstr("class 'net.Net'"));
  EXPECT_THAT(error_of_object("K\1"), HasSubstr("holds no state_dict"));
  EXPECT_THAT(
      error_of_object(dict({{"model_ema", dict({{"a", tensor({}, 0, {6}, {1})}})}, {"epoch", "K\1"}})),
      AllOf(HasSubstr("neither at the top nor under state_dict"),
            EndsWith("its keys: 'model_ema', 'epoch'")));
  EXPECT_THAT(error_of_object(dict({{"q", global("torch._utils", "_rebuild_qtensor") + ")R"},
                                    {"a", tensor({}, 0, {6}, {1})}})),
              HasSubstr("tensor 'q' is of a kind that is not read: 'torch._utils._rebuild_qtensor'"));
  std::string negated = tensor({}, 0, {6}, {1});  // PyTorch 2 says so in a seventh argument
  negated.insert(negated.size() - 2, dict({{"neg", "\x88"}}));
  EXPECT_THAT(error_of_object(dict({{"n", negated}, {"a", tensor({}, 0, {6}, {1})}})),
              HasSubstr("tensor 'n' is of a kind that is not read: 'torch._utils._rebuild_tensor_v2'"));
  EXPECT_THAT(error_of_object(dict({{"s", global("torch._tensor", "_rebuild_from_type_v2") + ")R"},
                                    {"a", tensor({}, 0, {6}, {1})}})),
              HasSubstr("tensor 's' is of a kind that is not read"));
  EXPECT_THAT(error_of_file(std::string(257, '\0') + "ustar\0"s + std::string(300, '\0')),
              HasSubstr("a tar archive is not read"));
  EXPECT_THAT(error_of_file(protocol2("K\1")), HasSubstr("a pickle that torch.save did not write"));
  EXPECT_THAT(error_of_file(""), HasSubstr("no PyTorch file"));
  EXPECT_THAT(error_of_file(zip_file("N", {{"constants.pkl", ""}})), HasSubstr("a TorchScript archive"));
  EXPECT_THAT(error_of_file(zip_file("N", {{"byteorder", "big"}})),
              HasSubstr("byte order 'big' is not read"));
  ZipWriter zip;
  zip.add("a.txt", "");
  EXPECT_THAT(error_of_file(std::move(zip).finish()), HasSubstr("no data.pkl"));
}

// Tensors

TEST(TorchPickle, TensorsMustLieInTheirStorage) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max(), kHalf = std::int64_t{1} << 62;
  const auto error = [](std::int64_t offset, const std::vector<std::int64_t>& shape,
                        const std::vector<std::int64_t>& strides) {
    return error_of_object(dict({{"a", tensor({}, offset, shape, strides)}}));
  };
  for (const auto& fitting : std::vector<std::vector<std::int64_t>>{{}, {1}, {6}, {0}})
    EXPECT_EQ(error(0, fitting, std::vector<std::int64_t>(fitting.size(), 1)), "no error");
  EXPECT_EQ(error(5, {}, {}), "no error");
  EXPECT_EQ(error(6, {0}, {1}), "no error");
  EXPECT_EQ(error(0, {1, 6}, {kHuge, 1}), "no error");
  EXPECT_EQ(error(5, {2, 3}, {0, 0}), "no error");
  EXPECT_EQ(error(5, {4, 5}, {0, 0}),
            "x.pth: tensor 'a': is expanded: it has more elements than its storage");
  EXPECT_EQ(error(0, {0, 3}, {kHuge, kHuge}), "no error");
  for (const auto& wrong :
       {error(6, {}, {}), error(0, {7}, {1}), error(1, {6}, {1}), error(-1, {1}, {1}), error(7, {0}, {1}),
        error(kHuge, {1}, {1}), error(0, {2, 3}, {4, 1}), error(0, {2}, {kHuge}), error(0, {3}, {kHalf}),
        error(0, {kHuge}, {1}), error(0, {kHalf, 4}, {0, 0}), error(0, {2, 2}, {kHuge, kHuge}),
        error(0, {kHalf, kHalf, 0}, {1, 1, 1})})
    EXPECT_EQ(wrong, "x.pth: tensor 'a': lies outside its storage");
  for (const auto& wrong : {error(0, {-1}, {1}), error(0, {1}, {-1}), error(0, {1}, {}), error(0, {}, {1}),
                            error(0, std::vector<std::int64_t>(40, 1), std::vector<std::int64_t>(40, 1))})
    EXPECT_EQ(wrong, "x.pth: tensor 'a': wrong shape or strides");
}

TEST(TorchPickle, SharedMemoryHasABound) {
  const auto sharing = [](int tensors) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (int i = 0; i < tensors; ++i)
      entries.emplace_back("t" + std::to_string(i), tensor({"0", "FloatStorage", 10000}, 0, {10000}, {1}));
    LegacyFile file;
    file.object = dict(entries);
    file.storages = {{"0", float_section(10000)}};
    return error_of_file(file.bytes());
  };
  EXPECT_EQ(sharing(8), "no error");
  EXPECT_THAT(sharing(200), HasSubstr("its tensors share memory"));
}

TEST(TorchPickle, StoragesMustBeWhatTheTensorsSay) {
  const auto error = [](const testing::StoragePiece& storage, const std::string& section) {
    LegacyFile file;
    file.object = dict({{"a", tensor(storage, 0, {1}, {1})}});
    file.storages = {{"0", section}};
    return error_of_file(file.bytes());
  };
  const std::string six = float_section(6);
  EXPECT_EQ(error({}, six), "no error");
  EXPECT_EQ(error({"0", "FloatStorage", 6, "(" + text("v") + "K\5K\1t"}, six), "no error");
  for (const std::string view : {"K\5K\2", "K\7K\1", "J\xff\xff\xff\xffK\2", "K\1J\xff\xff\xff\xff"})
    EXPECT_THAT(error({"0", "FloatStorage", 6, "(" + text("v") + view + "t"}, six),
                HasSubstr("a view outside its storage"));
  EXPECT_THAT(error({"0", "FloatStorage", 5}, six), HasSubstr("storage '0': 6 elements instead of 5"));
  EXPECT_THAT(error({"0", "FloatStorage", -1}, little(~std::uint64_t{0}, 8)), HasSubstr("storage '0'"));
  EXPECT_THAT(error({"0", "FloatStorage", std::int64_t{1} << 62}, little(std::uint64_t{1} << 62, 8)),
              HasSubstr("cut off"));
  EXPECT_THAT(error({"0", "DoubleStorage"}, six), HasSubstr("cut off"));
  EXPECT_THAT(error({"0", "ComplexFloatStorage"}, six),
              HasSubstr("its type 'torch.ComplexFloatStorage' is not read"));
  EXPECT_THAT(error({"1", "FloatStorage"}, six), HasSubstr("a storage that no tensor has"));
  EXPECT_THAT(error({}, six + "!"), HasSubstr("1 bytes too many behind the last storage"));

  LegacyFile file = small_legacy_file();
  file.storages.clear();
  EXPECT_THAT(error_of_file(file.bytes()), HasSubstr("storage '0' is missing"));
  file.storages = {{"0", six}, {"0", six}};
  EXPECT_THAT(error_of_file(file.bytes()), HasSubstr("storage '0': comes twice"));
  file = small_legacy_file();
  file.system = dict({{"little_endian", "\x89"}});
  EXPECT_THAT(error_of_file(file.bytes()), HasSubstr("byte order"));
  file.system = "N";
  EXPECT_THAT(error_of_file(file.bytes()), HasSubstr("byte order"));
  file = small_legacy_file();
  file.version = integer(1002);
  EXPECT_THAT(error_of_file(file.bytes()), HasSubstr("an unknown version"));

  const std::string object = dict({{"a", tensor({}, 0, {6}, {1})}});
  EXPECT_EQ(error_of_file(zip_file(object, {{"data/0", std::string(24, 'x')}})), "no error");
  EXPECT_THAT(error_of_file(zip_file(object, {{"data/0", std::string(23, 'x')}})),
              HasSubstr("has 23 bytes, fewer than 6 elements need"));
  EXPECT_THAT(error_of_file(zip_file(object, {})), HasSubstr("storage '0' is missing"));
  EXPECT_THAT(error_of_file(zip_file(
                  dict({{"a", tensor({}, 0, {6}, {1})}, {"b", tensor({"0", "IntStorage"}, 0, {6}, {1})}}),
                  {{"data/0", std::string(24, 'x')}})),
              HasSubstr("tensor 'b': its storage '0' has another type or size elsewhere"));
}

TEST(TorchPickle, LegacyViewsOfStoragesAreShifted) {
  LegacyFile file;
  file.object = dict({{"a", tensor({"0", "FloatStorage", 6, "(" + text("v") + "K\2K\3t"}, 1, {2}, {1})}});
  file.storages = {{"0", float_section(6)}};
  EXPECT_TRUE(torch::equal(parse_torch(file.bytes(), "x.pth").at("a"), torch::tensor({3.0F, 4.0F})));
}

TEST(TorchPickle, EveryCutIsNoticed) {
  for (const std::string& whole : {small_legacy_file().bytes(), torch_archive(every_kind())}) {
    for (std::size_t size = 0; size < whole.size(); ++size)
      ASSERT_THAT(error_of_file(whole.substr(0, size)), StartsWith("x.pth: ")) << size;
  }
}

TEST(TorchPickle, EveryFlippedByteGivesAnErrorOrAResult) {
  const std::string legacy = small_legacy_file().bytes();
  const std::string zip =
      torch_archive({{{"a", torch::ones({3})}, {"b", torch::zeros({2, 2})}}, {{"k", "v"}}});
  for (std::string bytes : {legacy, zip}) {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      const char original = bytes[at];
      for (int flip = 1; flip < 256; ++flip) {
        bytes[at] = static_cast<char>(original ^ flip);
        ASSERT_THAT(error_of_file(bytes), AnyOf("no error", StartsWith("x.pth: "))) << at << " " << flip;
      }
      bytes[at] = original;
    }
  }
}

TEST(TorchPickle, EveryFlippedByteOfATensorInAZipIsNoticed) {
  std::string bytes = torch_archive({{{"a", torch::ones({3})}}, {{"k", "v"}}});
  const std::string whole = bytes;
  const ZipReader zip(whole, "x.pth");
  for (const std::string name : {"data.pkl", "byteorder", "data/0", "portraitseg/metadata.json"}) {
    const auto data = zip.find("archive/" + name)->data;
    for (std::size_t i = 0; i < data.size(); ++i) {
      const auto at = static_cast<std::size_t>(data.data() - whole.data()) + i;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
      EXPECT_THAT(error_of_file(bytes), HasSubstr("wrong CRC-32")) << name << " " << i;
      bytes[at] = whole[at];
    }
  }
}

TEST(TorchPickle, MetadataMustBeFlatText) {
  for (const std::string& json : std::vector<std::string>{
           "3", "{\"a\":3}", "{", "[[", "{\"a\":{\"b\":\"c\"}}", std::string(100'000, '[')}) {
    EXPECT_THAT(error_of_file(
                    zip_file(dict({{"a", tensor({}, 0, {0}, {1})}}), {{"portraitseg/metadata.json", json}})),
                HasSubstr("x.pth: no metadata in portraitseg/metadata.json"));
  }
}

TEST(TorchPickle, TensorsOfOneStorageShareIt) {
  LegacyFile file;
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 8; ++i)
    entries.emplace_back(std::to_string(i), tensor({"0", "FloatStorage", 4096}, 0, {4096}, {1}));
  file.object = dict(entries);
  file.storages = {{"0", float_section(4096)}};
  const TensorFile read = parse_torch(file.bytes(), "x.pth");
  std::set<const void*> places;
  for (const auto& [name, tensor] : read.tensors) places.insert(tensor.data_ptr());
  EXPECT_EQ(read.tensors.size(), 8u);
  EXPECT_EQ(places.size(), 1u);
}

// Files

TEST(TorchPickle, ReadsBackWhatItWrote) {
  const TensorFile file = every_kind();
  const std::string bytes = torch_archive(file);
  const TensorFile again = parse_torch(bytes, "x.pth");
  EXPECT_EQ(again.metadata, file.metadata);
  expect_equal(again, file);
  for (const auto& [name, tensor] : again.tensors) EXPECT_FALSE(tensor.requires_grad()) << name;
  EXPECT_EQ(torch_archive(file), bytes) << "the bytes follow from the content";
  EXPECT_EQ(torch_archive(again), bytes);
  EXPECT_THAT(error_of_file(torch_archive({})), HasSubstr("holds no state_dict"));
}

TEST(WeightsFile, TheContentTellsTheFormat) {
  const testing::TemporaryFolder folder;
  const TensorFile file = every_kind();
  for (const std::string name : {"a.pth", "a.pt", "a.safetensors"}) {
    write_weights(folder.path() / name, file);
    std::filesystem::rename(folder.path() / name, folder.path() / "no_extension");
    expect_equal(read_weights(folder.path() / "no_extension"), file);
  }
  write_file(folder.path() / "legacy", small_legacy_file().bytes());
  EXPECT_EQ(names(read_weights(folder.path() / "legacy")), (std::vector<std::string>{"a", "b"}));
  EXPECT_THAT(error_of([&] { write_weights(folder.path() / "a.onnx", file); }),
              HasSubstr("a.onnx: unknown kind of weights file; known extensions: .safetensors .pth .pt"));
  // A .safetensors file whose header's size begins with the byte of a pickle.
  const TensorFile disguised{{{"x", torch::ones({2})}}, {{"k", std::string(60, 'v')}}};
  for (std::size_t length = 0; length < 256; ++length) {
    TensorFile longer = disguised;
    longer.metadata["k"] = std::string(length, 'v');
    write_weights(folder.path() / "a.safetensors", longer);
    expect_equal(read_weights(folder.path() / "a.safetensors"), disguised);
  }
}

TEST(WeightsFile, OfficialWeightsEqualTheGoldenOnes) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const auto weights = testing::shared_root() / "weights";
  const auto expect_golden = [&](const std::string& file, const std::string& golden_file, std::size_t more) {
    const TensorFile read = read_weights(weights / file);
    const TensorFile golden = read_weights(testing::golden_path(golden_file));
    EXPECT_EQ(golden.tensors.size(), read.tensors.size() + more);
    for (const auto& [name, tensor] : read.tensors) {
      ASSERT_NE(golden.find(name), nullptr) << name;
      EXPECT_EQ(golden.at(name).scalar_type(), tensor.scalar_type()) << name;
      EXPECT_TRUE(torch::equal(golden.at(name), tensor)) << name;
    }
  };
  expect_golden("SINet.pth", "sinet.weights.safetensors", 0);
  // Old PyTorch knew no num_batches_tracked.
  expect_golden("ExtremeC3.pth", "extremec3net.weights.safetensors", 63);
  EXPECT_EQ(read_weights(weights / "SINet_anilsathyan7_296.pth").tensors.size(), 393u);
}

TEST(WeightsFile, ConvertingBackAndForthLosesNothing) {
  PORTRAITSEG_NEEDS_SHARED_DATA();
  const testing::TemporaryFolder folder;
  const auto at = [&](const std::string& name) { return folder.path() / name; };
  for (const std::string name : {"SINet.pth", "ExtremeC3.pth", "SINet_anilsathyan7_296.pth"}) {
    write_weights(at("1.safetensors"), read_weights(testing::shared_root() / "weights" / name));
    write_weights(at("1.pth"), read_weights(at("1.safetensors")));
    write_weights(at("2.safetensors"), read_weights(at("1.pth")));
    write_weights(at("2.pth"), read_weights(at("2.safetensors")));
    EXPECT_EQ(read_file(at("1.safetensors")), read_file(at("2.safetensors"))) << name;
    EXPECT_EQ(read_file(at("1.pth")), read_file(at("2.pth"))) << name;
  }
}

// Python

constexpr const char* kPythonReads = R"PY(
import json, sys, torch
with open(sys.argv[2]) as f:
    expected = json.load(f)
for options in ({}, {'weights_only': True}):
    state = torch.load(sys.argv[1], **options)
    assert type(state).__name__ == 'OrderedDict', type(state)
    assert list(state) == list(expected), list(state)
    for name, (dtype, shape, values) in expected.items():
        tensor = state[name]
        assert type(tensor) is torch.Tensor and not tensor.requires_grad and tensor.is_contiguous(), name
        assert str(tensor.dtype) == 'torch.' + dtype, (name, tensor.dtype)
        assert list(tensor.shape) == shape, (name, tensor.shape)
        assert tensor.double().flatten().tolist() == values, (name, tensor)
)PY";

constexpr const char* kPythonWrites = R"PY(
import os, sys, torch
from collections import OrderedDict
folder = sys.argv[1]
base = torch.arange(12, dtype=torch.float32)
plain = OrderedDict(a=base[:6].clone().reshape(2, 3), b=torch.tensor(7))
shared = OrderedDict(whole=base.reshape(3, 4), part=base[2:5], transposed=base.reshape(3, 4).t(),
                     expanded=base[3:4].expand(4), empty=torch.empty(0, 3))
kinds = OrderedDict((str(d)[6:], torch.arange(4).to(d)) for d in (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool))
net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
with torch.no_grad():
    for p in net.parameters():
        p.fill_(0.5)
optimizer = torch.optim.Adam(net.parameters())
net(torch.ones(4, 3)).sum().backward()
optimizer.step()
with torch.no_grad():
    for p in net.parameters():
        p.fill_(0.5)
files = {
    'plain': plain,
    'dict': dict(plain),
    'nested': {'epoch': 3, 'best': torch.tensor(0.5), 'state_dict': plain, 'optimizer': optimizer.state_dict()},
    'parameters': {k: torch.nn.Parameter(v.float()) for k, v in plain.items()},
    'prefixed': OrderedDict(('module.' + k, v) for k, v in plain.items()),
    'shared': shared,
    'kinds': kinds,
    'network': net.state_dict(),
    'module': net,
}
for name, content in files.items():
    for protocol in (2, 4):
        for zip in (True, False):
            path = os.path.join(folder, f'{name}.{protocol}.{"zip" if zip else "legacy"}')
            torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zip)
torch.jit.script(net).save(os.path.join(folder, 'script'))
)PY";

/// Runs a script with the system's Python. @return the exit code; -1 if there is no PyTorch for it
int run_python(const std::filesystem::path& folder, const std::string& script, const std::string& arguments) {
  if (std::system("/usr/bin/python3 -c 'import torch' >/dev/null 2>&1") != 0) return -1;
  write_file(folder / "script.py", script);
  const std::string command = "/usr/bin/python3 " + (folder / "script.py").string() + " " + arguments;
  return std::system(command.c_str());
}

TEST(Python, ReadsWhatWeWrite) {
  const testing::TemporaryFolder folder;
  const TensorFile file = every_kind();
  std::string expected = "{";
  for (const auto& [name, tensor] : file.tensors) {
    const auto names = std::map<torch::Dtype, std::string>{
        {torch::kFloat64, "float64"},   {torch::kFloat32, "float32"}, {torch::kFloat16, "float16"},
        {torch::kBFloat16, "bfloat16"}, {torch::kInt64, "int64"},     {torch::kInt32, "int32"},
        {torch::kInt16, "int16"},       {torch::kInt8, "int8"},       {torch::kUInt8, "uint8"},
        {torch::kBool, "bool"}};
    std::string shape, values;
    for (const auto size : tensor.sizes()) shape += (shape.empty() ? "" : ",") + std::to_string(size);
    const auto flat = tensor.detach().to(torch::kFloat64).contiguous();
    for (std::int64_t i = 0; i < flat.numel(); ++i)
      values += (i == 0 ? "" : ",") + std::to_string(flat.data_ptr<double>()[i]);
    expected += (expected.size() > 1 ? "," : "") +
                ("\"" + name + "\":[\"" + names.at(tensor.scalar_type()) + "\",[") + shape + "],[" + values +
                "]]";
  }
  write_file(folder.path() / "expected.json", expected + "}");
  write_weights(folder.path() / "x.pth", file);
  const int code =
      run_python(folder.path(), kPythonReads,
                 (folder.path() / "x.pth").string() + " " + (folder.path() / "expected.json").string());
  if (code == -1) GTEST_SKIP() << "no PyTorch for /usr/bin/python3";
  EXPECT_EQ(code, 0);
}

TEST(Python, WritesWhatWeRead) {
  const testing::TemporaryFolder folder;
  const int code = run_python(folder.path(), kPythonWrites, folder.path().string());
  if (code == -1) GTEST_SKIP() << "no PyTorch for /usr/bin/python3";
  ASSERT_EQ(code, 0);
  const auto base = torch::arange(12.0F);
  const TensorFile plain{{{"a", base.slice(0, 0, 6).reshape({2, 3})}, {"b", torch::tensor(std::int64_t{7})}},
                         {}};
  TensorFile parameters = plain, kinds;
  parameters.tensors[1].second = torch::tensor(7.0F);
  const TensorFile shared{{{"whole", base.reshape({3, 4})},
                           {"part", base.slice(0, 2, 5)},
                           {"transposed", base.reshape({3, 4}).t()},
                           {"expanded", torch::full({4}, 3.0F)},
                           {"empty", torch::empty({0, 3})}},
                          {}};
  for (const auto& [name, dtype] :
       std::vector<std::pair<std::string, torch::Dtype>>{{"float64", torch::kFloat64},
                                                         {"float32", torch::kFloat32},
                                                         {"float16", torch::kFloat16},
                                                         {"bfloat16", torch::kBFloat16},
                                                         {"int64", torch::kInt64},
                                                         {"int32", torch::kInt32},
                                                         {"int16", torch::kInt16},
                                                         {"int8", torch::kInt8},
                                                         {"uint8", torch::kUInt8},
                                                         {"bool", torch::kBool}})
    kinds.tensors.emplace_back(name, torch::arange(4).to(dtype));
  for (const std::string kind : {".2.zip", ".4.zip", ".2.legacy", ".4.legacy"}) {
    SCOPED_TRACE(kind);
    const auto read = [&](const std::string& name) { return read_weights(folder.path() / (name + kind)); };
    for (const std::string name : {"plain", "dict", "nested", "prefixed"}) expect_equal(read(name), plain);
    expect_equal(read("parameters"), parameters);
    expect_equal(read("kinds"), kinds);
    const TensorFile views = read("shared");
    expect_equal(views, shared);
    EXPECT_TRUE(views.at("whole").storage().is_alias_of(views.at("transposed").storage()));
    EXPECT_EQ(names(read("network")),
              (std::vector<std::string>{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
                                        "1.running_var", "1.num_batches_tracked"}));
    EXPECT_TRUE(torch::equal(read("network").at("0.weight"), torch::full({2, 3}, 0.5F)));
    EXPECT_THAT(
        error_of([&] { read("module"); }),
        HasSubstr(
            "holds a Python object of class 'torch.nn.modules.container.Sequential', not a state_dict"));
  }
  EXPECT_THAT(error_of([&] { read_weights(folder.path() / "script"); }), HasSubstr("a TorchScript archive"));
}

}  // namespace
}  // namespace portraitseg
