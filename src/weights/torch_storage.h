#pragma once

#include <array>

#include <torch/types.h>

namespace portraitseg {

struct TorchStorage {
  const char* name;
  torch::Dtype dtype;
};

/// PyTorch's classes of storage, by which its files name types.
constexpr std::array<TorchStorage, 10> kTorchStorages = {{{"FloatStorage", torch::kFloat32},
                                                          {"DoubleStorage", torch::kFloat64},
                                                          {"HalfStorage", torch::kFloat16},
                                                          {"BFloat16Storage", torch::kBFloat16},
                                                          {"LongStorage", torch::kInt64},
                                                          {"IntStorage", torch::kInt32},
                                                          {"ShortStorage", torch::kInt16},
                                                          {"CharStorage", torch::kInt8},
                                                          {"ByteStorage", torch::kUInt8},
                                                          {"BoolStorage", torch::kBool}}};

/// Of our own text in a zip archive.
constexpr const char* kTorchMetadata = "portraitseg/metadata.json";

}  // namespace portraitseg
