#include "portraitseg/data/easyportrait.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/paired_dataset.h"

#include "csv_table.h"
#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Task = EasyPortraitOptions::Task;
using Attributes = std::map<std::string, std::string>;

const Names<Task> kTasks = {
    {"all", Task::kAll}, {"portrait", Task::kPortrait}, {"face_parsing", Task::kFaceParsing}};

/// The classes of the labels 0..8 in each task.
constexpr std::array<std::uint8_t, 9> kAll = {0, 1, 2, 3, 4, 5, 6, 7, 8};
constexpr std::array<std::uint8_t, 9> kPortrait = {0, 1, 1, 1, 1, 1, 1, 1, 1};
constexpr std::array<std::uint8_t, 9> kFaceParsing = {0, 0, 1, 2, 3, 4, 5, 6, 7};

ValueMeanings meanings_of(Task task) {
  const auto& classes = task == Task::kAll ? kAll : task == Task::kPortrait ? kPortrait : kFaceParsing;
  ValueMeanings meanings{};
  meanings.fill(kMeaningless);
  std::copy(classes.begin(), classes.end(), meanings.begin());
  return meanings;
}

/// The brows and the eyes.
MirroredClasses mirrored_classes_of(Task task) {
  switch (task) {
    case Task::kAll:
      return {{3, 4}, {5, 6}};
    case Task::kFaceParsing:
      return {{2, 3}, {4, 5}};
    case Task::kPortrait:
      break;
  }
  return {};
}

/// Each image's attributes, by its name without extension.
std::map<std::string, Attributes> read_metadata(const fs::path& path) {
  const CsvTable table(path);
  const auto& header = table.header();
  auto name = std::find(header.begin(), header.end(), "image_name");
  if (name == header.end()) name = std::find(header.begin(), header.end(), "attachment_id");
  if (name == header.end()) {
    std::string found;
    for (const auto& column : header) found += (found.empty() ? "" : ", ") + column;
    throw DataError(path, "no column image_name or attachment_id; it has: " + found);
  }
  const auto key = static_cast<std::size_t>(name - header.begin());
  std::map<std::string, Attributes> images;
  for (const auto& row : table.rows()) {
    Attributes attributes;
    for (std::size_t i = 0; i < header.size(); ++i) {
      if (i != key && !header[i].empty()) attributes[header[i]] = row[i];  // pandas' index has no name
    }
    images[without_image_extension(row[key])] = std::move(attributes);
  }
  return images;
}

}  // namespace

void EasyPortraitOptions::fields(Fields& f) {
  f("root", root, "the folder that holds images/ and annotations/");
  f.choice("task", task, kTasks, "which classes the labels become");
  f("metadata", metadata, "csv with the images' attributes, a path or a file name below root; empty: none");
}

void EasyPortraitOptions::make_absolute() {
  DatasetOptions::make_absolute();
  if (!metadata.empty()) metadata = find_list(metadata, root).string();
}

std::unique_ptr<Dataset> EasyPortraitOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "EasyPortrait");
  fs::path list_path = list;
  std::vector<std::string> entries;
  if (!list.empty() && fs::is_directory(folder / "images" / list)) {
    for (const auto& image : images_below(folder / "images" / list)) entries.push_back(list / image);
  } else {
    list_path = find_list(list, folder);
    entries = read_lines(list_path);
  }
  const auto attributes =
      metadata.empty() ? std::map<std::string, Attributes>() : read_metadata(find_list(metadata, folder));
  std::vector<ImagePair> pairs;
  for (const auto& entry : entries) {
    const std::string id = without_image_extension(entry);
    const fs::path image = id == entry ? image_with_stem(folder / "images", id) : folder / "images" / entry;
    const auto own = attributes.find(fs::path(id).filename().string());
    pairs.push_back({id, image, folder / "annotations" / (id + ".png"),
                     own == attributes.end() ? Attributes() : own->second});
  }
  const ReadMask read_mask = [meanings = meanings_of(task)](const fs::path& path, cv::Size) {
    return decode_values(read_mask_values(path), meanings, "0..8", path);
  };
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error, read_mask,
                                         mirrored_classes_of(task));
}

}  // namespace portraitseg
