#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "portraitseg/core/config.h"
#include "portraitseg/data/convert.h"

#include "dataset_source.h"

namespace portraitseg {

/// The section `data` of a configuration that reads what was written.
struct ConvertedData {
  std::string name, root, train_list, val_list;  ///< a list may be empty: not known
  std::int64_t classes = 0;
  std::vector<std::vector<std::int64_t>> mirrored;

  void fields(Fields& f);
};

ConvertedData converted_data(const Conversion& done, const std::filesystem::path& folder,
                             const DatasetSource& source);

std::string yaml_of(const ConvertedData& data);  ///< with the line "data:"
nlohmann::ordered_json json_of(const ConvertedData& data);

}  // namespace portraitseg
