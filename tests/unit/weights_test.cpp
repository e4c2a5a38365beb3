#include <cmath>

#include <gmock/gmock.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/models/models.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/state_dict.h"
#include "portraitseg/weights/torch_pickle.h"
#include "portraitseg/weights/weights_file.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Safetensors, ReadsBackWhatWasWritten) {
  const testing::TemporaryFolder folder;
  TensorFile file;
  file.metadata = {{"a", "b"}, {"quote", "\"x\"\n"}};
  for (const auto dtype : {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16, torch::kInt64,
                           torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt8, torch::kBool}) {
    file.tensors.emplace_back(std::string("t.") + torch::toString(dtype),
                              torch::arange(6).reshape({2, 3}).to(dtype));
  }
  file.tensors.emplace_back("scalar", torch::tensor(3.5));
  file.tensors.emplace_back("empty", torch::empty({0, 4}));
  file.tensors.emplace_back("transposed", torch::arange(6.0).reshape({2, 3}).t());
  write_safetensors(folder.path() / "x.safetensors", file);
  const TensorFile again = read_safetensors(folder.path() / "x.safetensors");
  EXPECT_EQ(again.metadata, file.metadata);
  ASSERT_EQ(again.tensors.size(), file.tensors.size());
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    EXPECT_EQ(again.tensors[i].first, file.tensors[i].first);
    EXPECT_EQ(again.tensors[i].second.dtype(), file.tensors[i].second.dtype());
    EXPECT_TRUE(torch::equal(again.tensors[i].second, file.tensors[i].second)) << file.tensors[i].first;
  }
}

TEST(Safetensors, SameContentGivesTheSameBytes) {
  const testing::TemporaryFolder folder;
  const TensorFile file{{{"x", torch::ones({3})}}, {{"k", "v"}}};
  write_safetensors(folder.path() / "a", file);
  write_safetensors(folder.path() / "b", file);
  EXPECT_EQ(read_file(folder.path() / "a"), read_file(folder.path() / "b"));
}

TEST(Safetensors, EveryCutIsNoticed) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  write_safetensors(path, {{{"x", torch::ones({4})}, {"y", torch::ones({2})}}, {{"k", "v"}}});
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(path, whole.substr(0, size));
    EXPECT_THAT(error_of([&] { read_safetensors(path); }), HasSubstr("no safetensors file")) << size;
  }
}

TEST(Safetensors, NonsenseHeadersAreRefused) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  for (const std::string header :
       {R"({"x":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})",
        R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})",
        R"({"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})",
        R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})",
        R"({"x":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,4]}})", R"({"x":3})", "[]",
        "{"}) {
    const std::uint64_t size = header.size();
    write_file(path, std::string(reinterpret_cast<const char*>(&size), 8) + header + "abcd");
    EXPECT_THAT(error_of([&] { read_safetensors(path); }), HasSubstr("x.safetensors: no safetensors file"))
        << header;
  }
}

/// The error of parsing such a file.
std::string error_of_safetensors(const std::string& header, const std::string& data) {
  const std::uint64_t size = header.size();
  return error_of([&] {
    parse_safetensors(std::string(reinterpret_cast<const char*>(&size), 8) + header + data, "x.safetensors");
  });
}

TEST(Safetensors, EveryByteOfTheDataBelongsToOneTensor) {
  const auto error = [](const std::string& a, const std::string& b) {
    return error_of_safetensors(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
                                    R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b +
                                    R"(},"empty":{"dtype":"I64","shape":[0,3],"data_offsets":[2,2]}})",
                                "abcd");
  };
  EXPECT_EQ(error("[0,2]", "[2,4]"), "no error");
  EXPECT_EQ(error("[2,4]", "[0,2]"), "no error");
  for (const std::string second : {"[0,2]", "[1,3]"})
    EXPECT_THAT(error("[0,2]", second), HasSubstr("overlap or leave holes"));
  EXPECT_THAT(error("[1,3]", "[2,4]"), HasSubstr("overlap or leave holes"));
  EXPECT_THAT(error_of_safetensors(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "abc"),
              HasSubstr("the data is longer than the header says"));
}

TEST(Safetensors, HostileHeadersAreRefused) {
  const std::string entry = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_EQ(error_of_safetensors(R"({"":)" + entry + "}", "abcd"), "no error");
  EXPECT_EQ(error_of_safetensors("{}", ""), "no error");
  EXPECT_THAT(error_of_safetensors(R"({"a":)" + entry + R"(,"a":)" + entry + "}", "abcd"),
              HasSubstr("the key 'a' comes twice"));
  EXPECT_THAT(
      error_of_safetensors(R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abcd"),
      HasSubstr("the key 'dtype' comes twice"));
  for (const std::string metadata : {R"({"k":3})", R"({"k":{"a":"b"}})", R"({"k":["a"]})", "3", "[]"}) {
    const std::string error =
        error_of_safetensors(R"({"__metadata__":)" + metadata + R"(,"a":)" + entry + "}", "abcd");
    EXPECT_THAT(error, HasSubstr("x.safetensors: no safetensors file, or cut off: "));
    EXPECT_THAT(error, HasSubstr("__metadata__")) << metadata;
    EXPECT_THAT(error, ::testing::Not(HasSubstr("json"))) << metadata;
  }
  for (const std::string shape : {"9223372036854775808", "18446744073709551616", "4.0", "-1", "\"4\"", "[4]",
                                  "0,9223372036854775807,9223372036854775807"}) {
    EXPECT_THAT(error_of_safetensors(
                    R"({"a":{"dtype":"U8","shape":[)" + shape + R"(],"data_offsets":[0,4]}})", "abcd"),
                HasSubstr("x.safetensors: no safetensors file"))
        << shape;
  }
  for (const std::string offsets :
       {"[0]", "[0,4,4]", "[0,9223372036854775808]", "4", "[18446744073709551612,0]"}) {
    EXPECT_THAT(
        error_of_safetensors(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + offsets + "}}", "abcd"),
        HasSubstr("x.safetensors: no safetensors file"))
        << offsets;
  }
  for (const std::string wrong :
       {R"({"dtype":8,"shape":[4],"data_offsets":[0,4]})", R"({"shape":[4],"data_offsets":[0,4]})",
        R"({"dtype":"F8","shape":[4],"data_offsets":[0,4]})",
        R"({"dtype":"U8","shape":[5],"data_offsets":[0,4]})"}) {
    const std::string error = error_of_safetensors(R"({"a.b":)" + wrong + "}", "abcd");
    EXPECT_THAT(error, HasSubstr("tensor 'a.b': ")) << wrong;
    EXPECT_THAT(error, ::testing::Not(HasSubstr("json"))) << wrong;
  }
  EXPECT_THAT(error_of_safetensors(R"({"a": nothing})", "abcd"),
              HasSubstr("x.safetensors: no safetensors file, or cut off: its header is no JSON"));
  for (const std::string deep : {"[", "{\"a\":"}) {
    std::string header;
    for (int i = 0; i < 200'000; ++i) header += deep;
    EXPECT_THAT(error_of_safetensors(header, ""), HasSubstr("x.safetensors: no safetensors file"));
    EXPECT_THAT(error_of_safetensors(R"({"a":{"shape":)" + header, ""), HasSubstr("'a' is nested too deep"));
  }
  for (const std::uint64_t size : {std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    const std::string bytes = std::string(reinterpret_cast<const char*>(&size), 8) + "{}";
    EXPECT_THAT(error_of([&] { parse_safetensors(bytes, "x"); }),
                HasSubstr("no safetensors file, or cut off"));
  }
  EXPECT_THAT(error_of_safetensors(std::string(100'000'001, ' '), ""), HasSubstr("a header above 100 MB"));
}

TEST(Safetensors, EveryFlippedByteGivesAnErrorOrAResult) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  write_safetensors(path, {{{"x", torch::ones({4})}, {"y", torch::ones({2})}}, {{"k", "v"}}});
  std::string bytes = read_file(path);
  for (char& byte : bytes) {
    const char original = byte;
    for (int flip = 1; flip < 256; ++flip) {
      byte = static_cast<char>(original ^ flip);
      ASSERT_THAT(error_of([&] { parse_safetensors(bytes, "x.safetensors"); }),
                  ::testing::AnyOf("no error", HasSubstr("x.safetensors: no safetensors file")));
    }
    byte = original;
  }
}

TEST(Safetensors, ThousandsOfTensorsTakeNoLongTime) {
  constexpr std::size_t kCount = 50'000;  // quadratic: minutes
  const testing::TemporaryFolder folder;
  TensorFile file;
  for (std::size_t i = 0; i < kCount; ++i)
    file.tensors.emplace_back("layer." + std::to_string(i), torch::full({1}, static_cast<float>(i)));
  write_safetensors(folder.path() / "x", file);
  const TensorFile again = read_safetensors(folder.path() / "x");
  ASSERT_EQ(again.tensors.size(), kCount);
  EXPECT_EQ(again.tensors.back().second.item<float>(), kCount - 1);
}

TEST(Safetensors, NamesMustDiffer) {
  const testing::TemporaryFolder folder;
  const auto error = [&](const std::string& name) {
    return error_of([&] {
      write_safetensors(folder.path() / "x", {{{"a", torch::ones({1})}, {name, torch::ones({1})}}, {}});
    });
  };
  EXPECT_EQ(error("b"), "no error");
  EXPECT_THAT(error("a"), HasSubstr("the name 'a' of a tensor is taken"));
  EXPECT_THAT(error("__metadata__"), HasSubstr("the name '__metadata__' of a tensor is taken"));
}

TEST(WeightsFile, IsToldByItsContentAndNotByItsName) {
  const testing::TemporaryFolder folder;
  const TensorFile file{{{"a", torch::ones({2})}}, {{"k", "v"}}};
  write_weights(folder.path() / "x.pth", file);
  write_weights(folder.path() / "x.safetensors", file);
  std::filesystem::rename(folder.path() / "x.pth", folder.path() / "zip.safetensors");
  for (const char* name : {"zip.safetensors", "x.safetensors"}) {
    EXPECT_EQ(read_weights(folder.path() / name).metadata, file.metadata) << name;
  }
  for (const std::string other :
       {"", "version https://git-lfs.github.com/spec/v1\n", "<html>", "\x1f\x8b\x08"}) {
    write_file(folder.path() / "x.pth", other);
    EXPECT_THAT(error_of([&] { read_weights(folder.path() / "x.pth"); }),
                HasSubstr("x.pth: no weights file"));
  }
  EXPECT_THAT(error_of([&] { write_weights(folder.path() / "x.onnx", file); }),
              HasSubstr("known extensions"));
}

TEST(WeightsFile, ThePrefixOfDataParallelIsTakenOffIfEveryNameHasIt) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"x.pth", "x.safetensors"}) {
    const auto path = folder.path() / name;
    const auto t = torch::ones({2});
    write_weights(path, {{{"module.a", t}, {"module.b", t}}, {}});
    EXPECT_NE(read_weights(path).find("a"), nullptr) << name;
    write_weights(path, {{{"module.a", t}, {"b", t}}, {}});
    EXPECT_NE(read_weights(path).find("module.a"), nullptr) << name;
  }
}

TEST(WeightsFile, ThePrefixesOfWrappersAreTakenOffInAnyOrder) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "x.pth";
  const auto t = torch::ones({2});
  for (const std::string prefix :
       {"_orig_mod.", "model.", "module.module.", "module._orig_mod.", "model._orig_mod.module."}) {
    write_weights(path, {{{prefix + "a", t}, {prefix + "b", t}}, {}});
    EXPECT_NE(read_weights(path).find("a"), nullptr) << prefix;
  }
  write_weights(path, {{{"model.a", t}}, {{"portraitseg.config", "model: {name: mine}"}}});
  EXPECT_NE(read_weights(path).find("model.a"), nullptr) << "a network's own name in a file of ours";
  write_weights(path, {{{"n_averaged", torch::ones({})}, {"module.a", t}}, {}});
  EXPECT_NE(read_weights(path).find("a"), nullptr);
  EXPECT_EQ(read_weights(path).tensors.size(), 1U) << "of AveragedModel the weights alone";
  write_weights(path, {{{"n_averaged", t}, {"a", t}}, {}});
  EXPECT_EQ(read_weights(path).tensors.size(), 2U);
}

TEST(WeightsFile, NamesThatNoTerminalShouldShowAreRefused) {
  const testing::TemporaryFolder folder;
  for (const std::string name : {"a\nb", "\x1b[2J", "\xff"}) {
    const auto path = folder.path() / "x.pth";
    write_weights(path, {{{name, torch::ones({2})}}, {}});
    EXPECT_THAT(error_of([&] { read_weights(path); }), HasSubstr("which is no name"));
  }
}

TEST(StateDict, MissingUnexpectedAndMisShapedKeysAreListedAndNothingIsLoaded) {
  auto options = models().at("sinet")();
  const auto model = options->build();
  const auto before = model->parameters().front().clone();
  TensorFile file{state_dict(*options->build()), {}};
  file.tensors.front().second = torch::zeros({1, 2});
  file.tensors[1].first = "strange.key";
  const std::string text = error_of([&] { load_state_dict(*model, file, "w.safetensors"); });
  EXPECT_THAT(text, HasSubstr("w.safetensors: weights of another network: 1 missing ("));
  EXPECT_THAT(text, HasSubstr("1 unexpected (strange.key)"));
  EXPECT_THAT(text, HasSubstr("1 mis-shaped (" + file.tensors.front().first + " [1, 2] for "));
  EXPECT_TRUE(torch::equal(before, model->parameters().front()));
}

TEST(StateDict, LongKeysAreCut) {
  auto options = models().at("sinet")();
  const auto model = options->build();
  TensorFile file{state_dict(*options->build()), {}};
  file.tensors.front().first = std::string(1'000'000, 'k');
  EXPECT_LT(error_of([&] { load_state_dict(*model, file, "w"); }).size(), 1000U);
}

TEST(StateDict, WholeNumbersAndValuesThatAreNotFiniteAreRefusedByTheirKey) {
  auto options = models().at("sinet")();
  const auto model = options->build();
  const auto before = model->parameters().front().clone();
  const TensorFile good{state_dict(*options->build()), {}};
  const auto error = [&](const torch::Tensor& changed, const auto& load) {
    TensorFile file = good;
    file.tensors.at(3).second = changed;
    return error_of([&] { load(*model, file, "w.pth"); });
  };
  const std::string key = good.tensors.at(3).first;
  const torch::Tensor tensor = good.tensors.at(3).second;
  const torch::Tensor flat = tensor.detach().clone().reshape({-1});
  const auto with = [&](double value) {
    torch::Tensor changed = flat.to(torch::kFloat64);
    changed[-1] = value;
    return changed.reshape(tensor.sizes());
  };
  const auto partial = [](auto&&... arguments) { load_matching(arguments...); };
  for (const double value : {double{NAN}, double{INFINITY}, 1e300}) {  // the last one is beyond float32
    EXPECT_EQ(error(with(value), load_state_dict), "w.pth: " + key + " holds a value that is not finite");
    EXPECT_EQ(error(with(value), partial), "w.pth: " + key + " holds a value that is not finite");
  }
  EXPECT_THAT(error(tensor.to(torch::kInt8), load_state_dict),
              HasSubstr("w.pth: " + key + " has whole numbers (int8)"));
  EXPECT_TRUE(torch::equal(before, model->parameters().front()));
  EXPECT_EQ(error(with(1e30), load_state_dict), "no error");
  model->to(torch::kFloat64);  // its counters of batches, too
  EXPECT_EQ(error(with(1e300), load_state_dict), "no error");
  EXPECT_EQ(error(with(1e300), partial), "no error");
}

TEST(StateDict, TrainingStateAndMissingBatchCountersAreNoObstacle) {
  auto options = models().at("sinet")();
  const auto model = options->build();
  TensorFile file;
  for (const auto& [key, tensor] : state_dict(*options->build())) {
    if (key.find("num_batches_tracked") == std::string::npos)
      file.tensors.emplace_back(key, tensor.to(torch::kFloat64));
  }
  file.tensors.emplace_back("training.adam.steps", torch::ones({}));
  EXPECT_NO_THROW(load_state_dict(*model, file, "memory"));
  EXPECT_EQ(model->parameters().front().scalar_type(), torch::kFloat32);
}

}  // namespace
}  // namespace portraitseg
