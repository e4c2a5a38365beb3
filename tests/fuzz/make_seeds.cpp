// make_seeds FOLDER: writes valid small files to FOLDER/{pickle,zip,safetensors}, from which the fuzzers start.
#include <cstdio>
#include <exception>
#include <filesystem>

#include <torch/types.h>

#include "portraitseg/core/file.h"
#include "portraitseg/weights/safetensors.h"
#include "portraitseg/weights/torch_pickle.h"
#include "portraitseg/weights/zip.h"

#include "support/pickle_bytes.h"

namespace portraitseg {
namespace {

using namespace testing;  // NOLINT

void make_seeds(const std::filesystem::path& folder) {
  for (const char* kind : {"pickle", "zip", "safetensors"}) make_folder(folder / kind);
  TensorFile file;
  for (const auto dtype : {torch::kFloat32, torch::kFloat16, torch::kInt64, torch::kBool})
    file.tensors.emplace_back(torch::toString(dtype), torch::arange(6).reshape({2, 3}).to(dtype));
  file.tensors.emplace_back("scalar", torch::tensor(3.5F));
  file.tensors.emplace_back("empty", torch::empty({0, 4}));
  file.metadata = {{"k", "v"}};

  const LegacyFile legacy = small_legacy_file();
  const std::string a = testing::tensor({}, 0, {6}, {1});
  LegacyFile python2 = legacy, view = legacy, parameter = legacy;
  python2.object =
      global("collections", "OrderedDict") + "(](](" + text("a") + a + "eetR}" + text("_metadata") + "Nsb";
  view.object =
      dict({{"a", testing::tensor({"0", "FloatStorage", 6, "(" + text("v") + "K\2K\3t"}, 1, {2}, {1})}});
  parameter.object = dict({{"a", global("torch._utils", "_rebuild_parameter") + "(" + a + "\x88NtR"},
                           {"size", global("torch", "Size") + tuple({1, 2}) + "\x85R"}});
  write_file(folder / "pickle" / "legacy", legacy.bytes());
  write_file(folder / "pickle" / "python2", python2.bytes());
  write_file(folder / "pickle" / "view", view.bytes());
  write_file(folder / "pickle" / "parameter", parameter.bytes());
  write_file(folder / "pickle" / "memo",
             "\x80\x04\x8c\x01"
             "a\x94\x8c\x01"
             "b\x93\x94]q\5h\5a(K\1ue\x8f(N\x90}N.");

  write_file(folder / "zip" / "written", torch_archive(file));
  ZipWriter zip;
  zip.add("x/data.pkl", protocol2(legacy.object));
  zip.add("x/data/0", std::string(24, 'x'));
  write_file(folder / "zip" / "nested", std::move(zip).finish());

  write_safetensors(folder / "safetensors" / "written", file);
}

}  // namespace
}  // namespace portraitseg

int main(int count, char** arguments) {
  if (count != 2) return std::fputs("usage: make_seeds FOLDER\n", stderr), 2;
  try {
    portraitseg::make_seeds(arguments[1]);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
}
