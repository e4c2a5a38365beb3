#include "portraitseg/weights/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <unordered_set>

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "dtypes.h"
#include "in_quotes.h"

namespace portraitseg {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kMetadata = "__metadata__";

std::vector<std::uint64_t> whole_numbers(const Json& array) {
  if (!array.is_array()) throw std::runtime_error("shape or data_offsets is no array");
  std::vector<std::uint64_t> numbers;
  for (const auto& number : array) {
    if (!number.is_number_unsigned()) throw std::runtime_error("shape or data_offsets holds no whole number");
    numbers.push_back(number.get<std::uint64_t>());
  }
  return numbers;
}

struct Range {
  std::uint64_t begin, end;
};

torch::Tensor read_tensor(const Json& entry, std::string_view data, std::vector<Range>& ranges) {
  const auto name = entry.at("dtype").get<std::string>();
  const auto dtype =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& d) { return d.safetensors == name; });
  if (dtype == kDtypes.end()) throw std::runtime_error("unknown dtype " + in_quotes(name));
  const auto shape = whole_numbers(entry.at("shape")), offsets = whole_numbers(entry.at("data_offsets"));
  constexpr std::uint64_t kMost = std::uint64_t{1} << 60;  // LibTorch multiplies 64-bit numbers unchecked
  std::uint64_t bytes = torch::elementSize(dtype->dtype);
  bool empty = false;
  for (const auto size : shape) {
    empty = empty || size == 0;
    if (size > kMost / bytes) throw std::runtime_error("shape larger than the file");
    bytes *= std::max<std::uint64_t>(size, 1);
  }
  if (empty) bytes = 0;
  if (offsets.size() != 2 || offsets[1] > data.size() || offsets[0] > offsets[1] ||
      offsets[1] - offsets[0] != bytes) {
    throw std::runtime_error("data_offsets do not fit shape and file");
  }
  ranges.push_back({offsets[0], offsets[1]});
  torch::Tensor tensor = torch::empty(std::vector<std::int64_t>(shape.begin(), shape.end()), dtype->dtype);
  if (bytes > 0) std::memcpy(tensor.data_ptr(), data.data() + offsets[0], bytes);
  return tensor;
}

std::map<std::string, std::string> read_metadata(const Json& json) {
  try {
    return json.get<std::map<std::string, std::string>>();
  } catch (const Json::exception&) {
    throw std::runtime_error(std::string(kMetadata) + " is no map of texts");
  }
}

torch::Tensor read_named_tensor(const std::string& name, const Json& entry, std::string_view data,
                                std::vector<Range>& ranges) {
  const std::string start = "tensor " + in_quotes(name) + ": ";
  try {
    return read_tensor(entry, data, ranges);
  } catch (const Json::exception&) {
    throw std::runtime_error(start + "dtype, shape or data_offsets is missing or of another type");
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(start + error.what());
  }
}

/// Every byte of the data belongs to one tensor.
void check_ranges(std::vector<Range>& ranges, std::uint64_t size) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t at = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != at) throw std::runtime_error("the tensors' data overlap or leave holes");
    at = end;
  }
  if (at != size) throw std::runtime_error("the data is longer than the header says");
}

/// Takes each tensor out of the header as soon as the parser has its entry, so that a header of thousands neither
/// costs memory nor is searched for every name.
TensorFile read_header(std::string_view header, std::string_view data) {
  TensorFile file;
  std::string name;
  std::array<std::unordered_set<std::string>, 2> keys;  // of the header, of the current entry
  std::vector<Range> ranges;
  const auto visit = [&](int depth, Json::parse_event_t event, Json& json) {
    using Event = Json::parse_event_t;
    if (event == Event::key) {
      const auto key = json.get<std::string>();
      if (!keys[depth == 1 ? 0 : 1].insert(key).second)
        throw std::runtime_error("the key " + in_quotes(key) + " comes twice");
      if (depth == 1) name = key;
      return true;
    }
    const bool object = event == Event::object_start || event == Event::object_end;
    if (depth == 0 && !object) throw std::runtime_error("the header is no object");
    if (depth == 1 && !object) throw std::runtime_error("the entry of " + in_quotes(name) + " is no object");
    if ((depth == 2 && object) || (depth > 2 && event != Event::value))  // refused before it gets deep
      throw std::runtime_error("the entry of " + in_quotes(name) + " is nested too deep");
    if (depth != 1 || event != Event::object_end) return true;
    if (name == kMetadata) {
      file.metadata = read_metadata(json);
    } else {
      file.tensors.emplace_back(name, read_named_tensor(name, json, data, ranges));
    }
    keys[1].clear();
    return false;  // not kept
  };
  [[maybe_unused]] const Json emptied = Json::parse(header.begin(), header.end(), visit);
  check_ranges(ranges, data.size());
  return file;
}

}  // namespace

TensorFile parse_safetensors(std::string_view bytes, const std::filesystem::path& path) {
  constexpr std::uint64_t kLargestHeader = 100'000'000;  // the format's own limit
  std::uint64_t header_size = 0;
  if (bytes.size() < sizeof(header_size)) throw DataError(path, "no safetensors file: too short");
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  if (header_size > bytes.size() - sizeof(header_size)) {
    throw DataError(path, "no safetensors file, or cut off: the header would end behind the file");
  }
  if (header_size > kLargestHeader) throw DataError(path, "no safetensors file: a header above 100 MB");
  try {
    return read_header(bytes.substr(sizeof(header_size), header_size),
                       bytes.substr(sizeof(header_size) + header_size));
  } catch (const Json::exception&) {
    throw DataError(path, "no safetensors file, or cut off: its header is no JSON");
  } catch (const std::exception& error) {
    throw DataError(path, std::string("no safetensors file, or cut off: ") + error.what());
  }
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path), path);
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  OrderedJson::object_t header;  // filled by emplace_back: looking each name up would be quadratic
  std::unordered_set<std::string> names = {kMetadata};
  if (!file.metadata.empty()) header.emplace_back(kMetadata, file.metadata);
  std::string data;
  for (const auto& [name, tensor] : file.tensors) {
    const DtypeNames* dtype = find_dtype(tensor.scalar_type());
    if (dtype == nullptr) throw std::logic_error("safetensors has no type for tensor " + name);
    if (!names.insert(name).second)
      throw DataError(path, "the name " + in_quotes(name) + " of a tensor is taken");
    const torch::Tensor plain = tensor.detach().to(torch::kCPU).contiguous();
    const std::size_t begin = data.size();
    data.append(static_cast<const char*>(plain.data_ptr()), plain.nbytes());
    header.emplace_back(name, OrderedJson{{"dtype", dtype->safetensors},
                                          {"shape", plain.sizes().vec()},
                                          {"data_offsets", {begin, data.size()}}});
  }
  std::string text =
      OrderedJson(std::move(header)).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // aligned data, as the format advises
  const std::uint64_t header_size = text.size();
  std::string bytes(reinterpret_cast<const char*>(&header_size), sizeof(header_size));
  write_file(path, bytes + text + data);
}

}  // namespace portraitseg
