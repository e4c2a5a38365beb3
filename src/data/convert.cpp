#include "portraitseg/data/convert.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <system_error>

#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/core/text.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/write_image.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Attributes = std::map<std::string, std::string>;

/// Raise it with every change of what is written: old folders must not pass for new.
constexpr int kLayout = 2;

constexpr const char* kManifest = "convert.json";

/// "a/*/[0-8]*.jpg" -> "a_0-8": a pattern's own characters can stand in file names, but not in lists that are named.
std::string plain_name(const std::string& pattern) {
  std::string name;
  bool gap = false;
  for (const char c : fs::path(pattern).replace_extension().string()) {
    const bool plain = std::string_view("*?[]!/\\").find(c) == std::string_view::npos;
    if (plain && gap && !name.empty()) name += '_';
    if (plain) name += c;
    gap = !plain;
  }
  return name.empty() ? "all" : name;
}

std::string text_list_name(const DatasetList& list) {
  const fs::path& origin = list.dataset->list;
  const bool pattern = origin.is_relative() && is_pattern(origin.string());
  return (pattern ? plain_name(origin.string()) : fs::path(list.name).stem().string()) + ".txt";
}

std::string manifest(const std::vector<ListOrigin>& lists, const ConvertOptions& options, bool complete) {
  nlohmann::ordered_json json = {{"layout", kLayout},
                                 {"complete", complete},
                                 {"jpeg_quality", options.jpeg_quality},
                                 {"lists", nlohmann::ordered_json::array()}};
  for (const auto& list : lists) {
    json["lists"].push_back({{"name", list.name}, {"of", list.of.string()}, {"sha256", list.sha256}});
  }
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void refuse_shared_names(const std::vector<ListOrigin>& lists) {
  std::map<std::string, fs::path> names;
  for (const auto& list : lists) {
    const auto [other, first] = names.insert({list.name, list.of});
    if (first) continue;
    if (other->second == list.of)
      throw DataError(list.of,
                      "is given as two lists, as train_list and val_list for instance; give it once");
    throw DataError(list.of, "another list, too, would become " + list.name);
  }
}

std::string attributes_csv(const std::map<std::string, Attributes>& images) {
  std::set<std::string> names;
  for (const auto& [id, attributes] : images) {
    for (const auto& [name, unused] : attributes) names.insert(name);
  }
  std::string text = "id";
  for (const auto& name : names) text += "," + csv_cell(name);
  text += "\n";
  for (const auto& [id, attributes] : images) {
    text += csv_cell(id);
    for (const auto& name : names) {
      const auto found = attributes.find(name);
      text += "," + (found == attributes.end() ? "" : csv_cell(found->second));
    }
    text += "\n";
  }
  return names.empty() ? "" : text;
}

int highest_class(const cv::Mat& mask) {
  int highest = 0;
  for (auto at = mask.begin<std::uint8_t>(); at != mask.end<std::uint8_t>(); ++at) {
    if (*at != kIgnore) highest = std::max<int>(highest, *at);
  }
  return highest;
}

std::string content(const Sample& sample) {
  std::string bytes;
  for (const cv::Mat& mat : {sample.image, sample.mask}) {
    bytes += std::to_string(mat.rows) + "x" + std::to_string(mat.cols) + ":";
    for (int y = 0; y < mat.rows; ++y)
      bytes.append(reinterpret_cast<const char*>(mat.ptr(y)),
                   static_cast<std::size_t>(mat.cols) * mat.elemSize());
  }
  return sha256(bytes);
}

/// A mask follows from the data set's options, too, and may have been mended since.
bool holds(const fs::path& file, const cv::Mat& mask) {
  if (!fs::exists(file)) return false;
  try {
    const cv::Mat stored = read_mask_values(file);
    return stored.size() == mask.size() && cv::norm(stored, mask, cv::NORM_INF) == 0;
  } catch (const DataError&) {
    return false;
  }
}

class Converter {
 public:
  Converter(const fs::path& folder, const ConvertOptions& options, bool several_lists)
      : folder_(folder), options_(options), several_lists_(several_lists) {}

  void convert(const DatasetList& list) {
    const Dataset& dataset = *list.dataset;
    result_.skipped.insert(result_.skipped.end(), dataset.skipped.begin(), dataset.skipped.end());
    std::string lines;
    std::set<std::string> own;
    scan(
        dataset, options_.scan, [&](const Sample& sample) { return write(sample, dataset.list); },
        [&](Written image) {
          if (!own.insert(image.id).second)
            throw DataError(dataset.list, "has two images of the id '" + image.id + "'");
          lines += image.id + extension() + "\n";
          result_.written += image.anew ? 1 : 0;
          const auto known = contents_.find(image.id);
          if (known != contents_.end() && known->second != image.content) {
            throw DataError(dataset.list,
                            "the id '" + image.id + "' stands for another image than in a list before");
          }
          contents_[image.id] = image.content;
          attributes_[image.id] = std::move(image.attributes);
          result_.classes = std::max(result_.classes, image.highest_class + 1);
          result_.mirrored_classes.insert(image.mirrored_classes.begin(), image.mirrored_classes.end());
        },
        [&](const std::string&, const DataError& error) {
          if (options_.on_error == OnError::kFail) throw;
          result_.skipped.emplace_back(error.what());
        });
    if (own.empty()) throw DataError(dataset.list, "no image of the list could be used");
    result_.lists.push_back(text_list_name(list));
    write_file(folder_ / result_.lists.back(), lines);
  }

  Conversion finish() {
    const std::string csv = attributes_csv(attributes_);
    if (!csv.empty()) write_file(folder_ / "attributes.csv", csv);
    result_.images = static_cast<std::int64_t>(contents_.size());
    return result_;
  }

 private:
  struct Written {
    std::string id;
    bool anew;
    std::string content;  ///< only where lists may share an id
    Attributes attributes;
    int highest_class;
    MirroredClasses mirrored_classes;
  };

  std::string extension() const { return options_.jpeg_quality > 0 ? ".jpg" : ".png"; }

  /// On a worker thread.
  Written write(const Sample& sample, const fs::path& list) const {
    if (!is_file_id(sample.id)) throw DataError(list, "the id '" + sample.id + "' cannot be a file name");
    const fs::path image = folder_ / "Images" / (sample.id + extension());
    const fs::path mask = folder_ / "Labels" / (sample.id + ".png");
    const bool image_there = fs::exists(image), mask_there = holds(mask, sample.mask);
    make_folder(image.parent_path());
    make_folder(mask.parent_path());
    if (!mask_there) write_image(mask, sample.mask);
    if (!image_there) write_image(image, sample.image, options_.jpeg_quality);
    return {sample.id,         !image_there || !mask_there, several_lists_ ? content(sample) : "",
            sample.attributes, highest_class(sample.mask),  sample.mirrored_classes};
  }

  const fs::path folder_;
  const ConvertOptions options_;
  const bool several_lists_;
  Conversion result_;
  std::map<std::string, std::string> contents_;  ///< by id
  std::map<std::string, Attributes> attributes_;
};

}  // namespace

bool is_file_id(const std::string& id) {
  const fs::path path(id);
  const bool inside = !id.empty() && path.is_relative() && path.has_filename() &&
                      path.lexically_normal() == path && *path.begin() != "..";
  return inside && id.find_first_of("\r\n") == std::string::npos && id.find_first_of(" \t") != 0;
}

ListOrigin origin_of(const DatasetList& list) {
  return {text_list_name(list), list.dataset->list, list.dataset->list_sha256};
}

void prepare_folder(const std::vector<ListOrigin>& lists, const fs::path& folder,
                    const ConvertOptions& options) {
  refuse_shared_names(lists);
  const fs::path manifest_path = folder / kManifest;
  std::error_code error;
  const std::string found = fs::exists(manifest_path, error) ? read_file(manifest_path) : "";
  const bool ours = found == manifest(lists, options, false) || found == manifest(lists, options, true);
  if (!ours && fs::exists(folder, error) &&
      !(fs::is_directory(folder, error) && fs::is_empty(folder, error))) {
    throw DataError(folder,
                    "holds something else than these lists converted in this way; choose another folder");
  }
  make_folder(folder);
}

Conversion convert(const std::vector<DatasetList>& lists, const fs::path& folder,
                   const ConvertOptions& options) {
  if (options.jpeg_quality < 0 || options.jpeg_quality > 100)
    throw UserError("the JPEG quality must be 1..100, got " + std::to_string(options.jpeg_quality));
  std::vector<ListOrigin> origins;
  for (const auto& list : lists) origins.push_back(origin_of(list));
  prepare_folder(origins, folder, options);
  write_file(folder / kManifest, manifest(origins, options, false));
  Converter converter(folder, options, lists.size() > 1);
  for (const auto& list : lists) converter.convert(list);
  Conversion result = converter.finish();
  write_file(folder / kManifest, manifest(origins, options, true));
  return result;
}

}  // namespace portraitseg
