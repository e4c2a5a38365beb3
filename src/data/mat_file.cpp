#include "mat_file.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <string_view>

#include <matio.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "inflate.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

using File = std::unique_ptr<mat_t, int (*)(mat_t*)>;
using Variable = std::unique_ptr<matvar_t, void (*)(matvar_t*)>;

/// Matio reads what it can of a damaged file; the masks must be whole. The file is a header of 128 bytes and elements of
/// a type, a size and as many bytes (MAT-File Format, The MathWorks, chapter 1).
void check_whole(const fs::path& path) {
  constexpr std::size_t kHeader = 128, kTag = 8;
  constexpr std::uint32_t kCompressed = 15;
  const std::string bytes = read_file(path);
  const std::string_view view = bytes;
  if (bytes.size() < kHeader || (view.substr(126, 2) != "IM" && view.substr(126, 2) != "MI")) {
    throw DataError(path, "not a MAT file of version 5");
  }
  const bool little = view[126] == 'I';
  const auto number = [&](std::size_t at, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      value = value << 8 | static_cast<unsigned char>(view[at + (little ? count - 1 - i : i)]);
    }
    return value;
  };
  if (number(124, 2) != 0x0100) {
    throw DataError(path, "a MAT file of version 7.3; expected version 5 (in MATLAB: save -v7)");
  }
  std::size_t at = kHeader;
  while (at + kTag <= bytes.size()) {
    const std::size_t size = number(at + 4, 4);
    if (size > bytes.size() - at - kTag) break;
    if (number(at, 4) == kCompressed) inflate(view.substr(at + kTag, size), "a variable", path);
    at += kTag + size;
  }
  if (at != bytes.size()) throw DataError(path, "truncated MAT file");
}

constexpr std::size_t kLargestMatrix = std::size_t{1}
                                       << 27;  ///< elements; a damaged size would fill the memory

std::string variables_of(mat_t* file) {
  std::size_t count = 0;
  char* const* names = Mat_GetDir(file, &count);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + std::string(names[i]);
  return text.empty() ? "none" : text;
}

Variable read_matrix(const fs::path& path, const std::string& name) {
  check_whole(path);
  const File file(Mat_Open(path.c_str(), MAT_ACC_RDONLY), &Mat_Close);
  if (file == nullptr) throw DataError(path, "not a MAT file that can be read");
  const Variable info(Mat_VarReadInfo(file.get(), name.c_str()), &Mat_VarFree);
  if (info != nullptr && info->rank == 2 && info->dims[1] > 0 &&
      info->dims[0] > kLargestMatrix / info->dims[1])
    throw DataError(path, "'" + name + "' says it is " + std::to_string(info->dims[0]) + "x" +
                              std::to_string(info->dims[1]) + ", too large to be read");
  Variable variable(Mat_VarRead(file.get(), name.c_str()), &Mat_VarFree);
  if (variable == nullptr)
    throw DataError(path, "no variable '" + name + "'; it has: " + variables_of(file.get()));
  if (variable->rank != 2 || variable->isComplex != 0 || variable->data == nullptr ||
      variable->data_size <= 0) {
    throw DataError(path, "'" + name + "' is no matrix of numbers");
  }
  return variable;
}

template <class T>
std::vector<std::int64_t> integers(const matvar_t& variable, const fs::path& path) {
  std::vector<std::int64_t> values;
  const auto* data = static_cast<const T*>(variable.data);
  for (std::size_t i = 0; i < variable.dims[0] * variable.dims[1]; ++i) {
    const auto value = static_cast<double>(data[i]);
    if (value != std::floor(value) || std::abs(value) > 1e15)
      throw DataError(path, "'" + std::string(variable.name) + "' holds a number that is not whole");
    values.push_back(static_cast<std::int64_t>(value));
  }
  return values;
}

std::vector<std::int64_t> integers(const matvar_t& variable, const fs::path& path) {
  switch (variable.class_type) {
    case MAT_C_DOUBLE:
      return integers<double>(variable, path);
    case MAT_C_SINGLE:
      return integers<float>(variable, path);
    case MAT_C_INT8:
      return integers<std::int8_t>(variable, path);
    case MAT_C_UINT8:
      return integers<std::uint8_t>(variable, path);
    case MAT_C_INT16:
      return integers<std::int16_t>(variable, path);
    case MAT_C_UINT16:
      return integers<std::uint16_t>(variable, path);
    case MAT_C_INT32:
      return integers<std::int32_t>(variable, path);
    case MAT_C_UINT32:
      return integers<std::uint32_t>(variable, path);
    default:
      throw DataError(path, "'" + std::string(variable.name) + "' is no matrix of numbers");
  }
}

}  // namespace

cv::Mat read_mat_bytes(const fs::path& path, const std::string& name) {
  const Variable variable = read_matrix(path, name);
  const auto rows = static_cast<int>(variable->dims[0]), columns = static_cast<int>(variable->dims[1]);
  cv::Mat transposed(columns, rows, CV_8U);  // MATLAB stores column by column
  auto* byte = transposed.ptr<std::uint8_t>();
  for (const std::int64_t value : integers(*variable, path)) {
    if (value < 0 || value > 255) {
      throw DataError(path, "'" + name + "' holds " + std::to_string(value) + ", which is not in 0..255");
    }
    *byte++ = static_cast<std::uint8_t>(value);
  }
  return transposed.t();
}

std::vector<std::int64_t> read_mat_integers(const fs::path& path, const std::string& name) {
  return integers(*read_matrix(path, name), path);
}

}  // namespace portraitseg
