#include <gmock/gmock.h>
#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/models/models.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/state_dict.h"

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

TEST(StateDict, SaveAndLoadGivesTheSameOutput) {
  for (const auto& name : models().names()) {
    const auto first = models().at(name)()->build(), second = models().at(name)()->build();
    load_state_dict(*second, {state_dict(*first), {}}, "memory");
    first->eval();
    second->eval();
    const torch::NoGradGuard no_grad;
    const auto x = torch::rand({1, 3, 64, 64});
    EXPECT_TRUE(torch::equal(first->forward(x).mask, second->forward(x).mask)) << name;
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
