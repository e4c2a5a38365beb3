#pragma once

#include <cstdint>
#include <string>

#include "portraitseg/core/registry.h"
#include "portraitseg/data/cached_dataset.h"
#include "portraitseg/data/dataset.h"

namespace portraitseg {

using DatasetRegistry = OptionsRegistry<DatasetOptions>;

/// Every data set that can be read.
const DatasetRegistry& datasets();

/// The section `data: {name: eg1800, root: ..., train_list: ..., val_list: ...}`.
struct DataConfig : Selection<DatasetOptions> {
  std::string train_list = "train.txt";
  std::string val_list = "val.txt";
  OnError on_error = OnError::kFail;
  std::int64_t workers = 2;  ///< threads that read and augment; results do not depend on it
  CacheOptions cache;

  DataConfig() : Selection("folders", datasets()) {}
  void fields(Fields& f);
};

}  // namespace portraitseg
