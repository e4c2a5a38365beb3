#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "portraitseg/weights/torch_pickle.h"
#include "portraitseg/weights/zip.h"

#include "dtypes.h"
#include "torch_metadata.h"

namespace portraitseg {
namespace {

/// A pickle of protocol 2, opcode by opcode.
class PickleWriter {
 public:
  PickleWriter& raw(std::string_view opcodes) {
    bytes_ += opcodes;
    return *this;
  }

  /// "module\nname\n"
  PickleWriter& global(const std::string& name) {
    const auto [place, fresh] = memo_.emplace(name, memo_.size());
    bytes_ += fresh ? "c" + name + "q" : "h";
    return number(place->second, 1);
  }

  PickleWriter& text(std::string_view text) {
    bytes_ += 'X';
    number(text.size(), 4);
    return raw(text);
  }

  PickleWriter& integer(std::int64_t value) {
    if (value >= 0 && value < 256) return raw("K").number(static_cast<std::uint64_t>(value), 1);
    if (value >= 0 && value <= 0x7fffffff) return raw("J").number(static_cast<std::uint64_t>(value), 4);
    return raw("\x8a\x08").number(static_cast<std::uint64_t>(value), 8);
  }

  PickleWriter& tuple(const std::vector<std::int64_t>& values) {
    bytes_ += '(';
    for (const auto value : values) integer(value);
    return raw("t");
  }

  const std::string& bytes() const { return bytes_; }

 private:
  PickleWriter& number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }

  std::string bytes_;
  std::unordered_map<std::string, std::size_t> memo_;
};

std::string state_dict_pickle(const TensorFile& file) {
  const std::string ordered_dict = "collections\nOrderedDict\n";
  PickleWriter pickle;
  pickle.raw("\x80\x02").global(ordered_dict).raw(")R(");
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const auto& [name, tensor] = file.tensors[i];
    const DtypeNames* dtype = find_dtype(tensor.scalar_type());
    if (dtype == nullptr) throw std::logic_error("PyTorch files have no type for tensor " + name);
    const std::vector<std::int64_t> shape = tensor.sizes().vec();
    std::vector<std::int64_t> strides(shape.size(), 1);  // LibTorch's own may differ where a size is 1
    for (std::size_t d = shape.size(); d-- > 1;)
      strides[d - 1] = strides[d] * std::max<std::int64_t>(shape[d], 1);
    pickle.text(name).global("torch._utils\n_rebuild_tensor_v2\n").raw("((").text("storage");
    pickle.global(std::string("torch\n") + dtype->torch_storage + "\n").text(std::to_string(i)).text("cpu");
    pickle.integer(tensor.numel()).raw("tQ").integer(0).tuple(shape).tuple(strides);
    pickle.raw("\x89").global(ordered_dict).raw(")RtR");  // requires_grad, backward hooks
  }
  return pickle.raw("u.").bytes();
}

}  // namespace

std::string torch_archive(const TensorFile& file) {
  ZipWriter zip;
  zip.add("archive/data.pkl", state_dict_pickle(file));
  zip.add("archive/byteorder", "little");
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const torch::Tensor plain = file.tensors[i].second.detach().to(torch::kCPU).contiguous();
    zip.add("archive/data/" + std::to_string(i),
            {static_cast<const char*>(plain.data_ptr()), plain.nbytes()});
  }
  zip.add("archive/version", "3\n");
  if (!file.metadata.empty()) {
    zip.add(std::string("archive/") + kTorchMetadata,
            nlohmann::json(file.metadata).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return std::move(zip).finish();
}

}  // namespace portraitseg
