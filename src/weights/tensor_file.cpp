#include "portraitseg/weights/tensor_file.h"

#include <stdexcept>

#include "portraitseg/core/error.h"

#include "dtypes.h"

namespace portraitseg {

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

const torch::Tensor& TensorFile::require(const std::string& name, torch::IntArrayRef shape,
                                         const std::filesystem::path& path) const {
  const torch::Tensor* tensor = find(name);
  if (tensor != nullptr && tensor->sizes() == shape) return *tensor;
  throw DataError(path, "no whole checkpoint of this training: " + name +
                            (tensor == nullptr ? " is missing" : " has another shape"));
}

std::string dtype_name(torch::Dtype dtype) {
  const DtypeNames* names = find_dtype(dtype);
  return names != nullptr ? names->python : torch::toString(dtype);
}

}  // namespace portraitseg
