#include "converted_section.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct ConvertedConfig {
  ConvertedData data;
  void fields(Fields& f) { f.group("data", data, ""); }
};

/// The lists are the configuration's train_list and val_list, in this order.
bool train_and_val(const DatasetSource& source) {
  return source.lists.empty() && !(source.config.empty() && source.data.empty());
}

}  // namespace

void ConvertedData::fields(Fields& f) {
  f("name", name, "");
  f("root", root, "");
  if (!train_list.empty()) f("train_list", train_list, "");
  if (!val_list.empty()) f("val_list", val_list, "");
  if (classes > 0) f("classes", classes, "");
  if (!mirrored.empty()) f("mirrored", mirrored, "");
}

ConvertedData converted_data(const Conversion& done, const fs::path& folder, const DatasetSource& source) {
  ConvertedData data;
  if (train_and_val(source)) {
    data.train_list = done.lists.at(0);
    data.val_list = done.lists.at(1);
  } else {
    for (const auto& list : done.lists) {
      if (list == "val.txt") {
        data.val_list = list;
      } else if (data.train_list.empty() || list == "train.txt") {
        data.train_list = list;
      }
    }
  }
  if (done.classes == 1) {  // folders refuses a set without any portrait
    data.name = "backgrounds";
    data.root = (folder / "Images").string();
    for (auto* list : {&data.train_list, &data.val_list}) {
      if (!list->empty()) *list = (folder / *list).string();
    }
    return data;
  }
  data.name = "folders";
  data.root = folder.string();
  data.classes = done.classes;
  for (const auto& [a, b] : done.mirrored_classes) data.mirrored.push_back({a, b});
  return data;
}

std::string yaml_of(const ConvertedData& data) {
  ConvertedConfig config = {data};
  return ConfigWriter::yaml(config);
}

nlohmann::ordered_json json_of(const ConvertedData& data) {
  nlohmann::ordered_json json = {{"name", data.name}, {"root", data.root}};
  if (!data.train_list.empty()) json["train_list"] = data.train_list;
  if (!data.val_list.empty()) json["val_list"] = data.val_list;
  if (data.classes > 0) json["classes"] = data.classes;
  if (!data.mirrored.empty()) json["mirrored"] = data.mirrored;
  return json;
}

}  // namespace portraitseg
