#include "portraitseg/weights/safetensors.h"

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::pair<std::string, torch::Dtype>>& dtypes() {
  static const std::vector<std::pair<std::string, torch::Dtype>> table = {
      {"F64", torch::kFloat64},   {"F32", torch::kFloat32}, {"F16", torch::kFloat16},
      {"BF16", torch::kBFloat16}, {"I64", torch::kInt64},   {"I32", torch::kInt32},
      {"I16", torch::kInt16},     {"I8", torch::kInt8},     {"U8", torch::kUInt8},
      {"BOOL", torch::kBool}};
  return table;
}

torch::Tensor read_tensor(const Json& entry, std::string_view data) {
  const auto name = entry.at("dtype").get<std::string>();
  const auto dtype =
      std::find_if(dtypes().begin(), dtypes().end(), [&](const auto& d) { return d.first == name; });
  if (dtype == dtypes().end()) throw std::runtime_error("unknown dtype " + name);
  const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
  const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
  std::uint64_t bytes = torch::elementSize(dtype->second);
  for (const auto size : shape) {
    if (size < 0 || (size > 0 && bytes > data.size() / static_cast<std::uint64_t>(size))) {
      throw std::runtime_error("shape larger than the file");
    }
    bytes *= static_cast<std::uint64_t>(size);
  }
  if (offsets.size() != 2 || offsets[1] > data.size() || offsets[0] > offsets[1] ||
      offsets[1] - offsets[0] != bytes) {
    throw std::runtime_error("data_offsets do not fit shape and file");
  }
  torch::Tensor tensor = torch::empty(shape, dtype->second);
  if (bytes > 0) std::memcpy(tensor.data_ptr(), data.data() + offsets[0], bytes);
  return tensor;
}

}  // namespace

const torch::Tensor* TensorFile::find(const std::string& name) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return &tensor;
  }
  return nullptr;
}

const torch::Tensor& TensorFile::at(const std::string& name) const {
  const torch::Tensor* tensor = find(name);
  if (tensor == nullptr) throw std::out_of_range("no tensor named " + name);
  return *tensor;
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::uint64_t header_size = 0;
  if (bytes.size() < sizeof(header_size)) throw DataError(path, "no safetensors file: too short");
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  if (header_size > bytes.size() - sizeof(header_size)) {
    throw DataError(path, "no safetensors file, or cut off: the header would end behind the file");
  }
  const std::string_view data = std::string_view(bytes).substr(sizeof(header_size) + header_size);
  TensorFile file;
  try {
    const auto header =
        Json::parse(bytes.data() + sizeof(header_size), bytes.data() + sizeof(header_size) + header_size);
    std::uint64_t end = 0;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        file.metadata = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      file.tensors.emplace_back(name, read_tensor(entry, data));
      end = std::max(end, entry.at("data_offsets").at(1).get<std::uint64_t>());
    }
    if (end != data.size()) throw std::runtime_error("the data is longer than the header says");
  } catch (const std::exception& error) {
    throw DataError(path, std::string("no safetensors file, or cut off: ") + error.what());
  }
  return file;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::string data;
  for (const auto& [name, tensor] : file.tensors) {
    const auto dtype = std::find_if(dtypes().begin(), dtypes().end(),
                                    [t = tensor.scalar_type()](const auto& d) { return d.second == t; });
    if (dtype == dtypes().end()) throw std::logic_error("safetensors has no type for tensor " + name);
    const torch::Tensor plain = tensor.detach().to(torch::kCPU).contiguous();
    const std::size_t begin = data.size();
    data.append(static_cast<const char*>(plain.data_ptr()), plain.nbytes());
    header[name] = {
        {"dtype", dtype->first}, {"shape", plain.sizes().vec()}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // aligned data, as the format advises
  const std::uint64_t header_size = text.size();
  std::string bytes(reinterpret_cast<const char*>(&header_size), sizeof(header_size));
  write_file(path, bytes + text + data);
}

}  // namespace portraitseg
