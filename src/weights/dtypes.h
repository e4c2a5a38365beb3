#pragma once

#include <array>

#include <torch/types.h>

namespace portraitseg {

/// A type of tensors, as Python, safetensors files and PyTorch's files name it.
struct DtypeNames {
  torch::Dtype dtype;
  const char* python;
  const char* safetensors;
  const char* torch_storage;
};

constexpr std::array<DtypeNames, 10> kDtypes = {{{torch::kFloat64, "float64", "F64", "DoubleStorage"},
                                                 {torch::kFloat32, "float32", "F32", "FloatStorage"},
                                                 {torch::kFloat16, "float16", "F16", "HalfStorage"},
                                                 {torch::kBFloat16, "bfloat16", "BF16", "BFloat16Storage"},
                                                 {torch::kInt64, "int64", "I64", "LongStorage"},
                                                 {torch::kInt32, "int32", "I32", "IntStorage"},
                                                 {torch::kInt16, "int16", "I16", "ShortStorage"},
                                                 {torch::kInt8, "int8", "I8", "CharStorage"},
                                                 {torch::kUInt8, "uint8", "U8", "ByteStorage"},
                                                 {torch::kBool, "bool", "BOOL", "BoolStorage"}}};

/// Null for types that are not in the table.
inline const DtypeNames* find_dtype(torch::Dtype dtype) {
  for (const auto& names : kDtypes) {
    if (names.dtype == dtype) return &names;
  }
  return nullptr;
}

}  // namespace portraitseg
