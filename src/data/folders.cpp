#include "portraitseg/data/folders.h"

#include <array>
#include <numeric>
#include <set>
#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// Masks whose values are the classes.
ReadMask class_masks(std::int64_t classes) {
  ValueMeanings meanings{};
  meanings.fill(kMeaningless);
  std::iota(meanings.begin(), meanings.begin() + classes, std::uint8_t{0});
  meanings[kIgnore] = kIgnore;
  return [meanings, encoding = "0.." + std::to_string(classes - 1)](const fs::path& path, cv::Size) {
    return decode_values(read_mask_values(path), meanings, encoding, path);
  };
}

/// Every item is a pair of two classes, and no class is in two pairs.
bool pairs_of_classes(const std::vector<std::vector<std::int64_t>>& mirrored, std::int64_t classes) {
  std::set<std::int64_t> seen;
  for (const auto& pair : mirrored) {
    if (pair.size() != 2) return false;
    for (const auto index : pair) {
      if (index >= classes || !seen.insert(index).second) return false;
    }
  }
  return true;
}

}  // namespace

void FoldersOptions::fields(Fields& f) {
  f("root", root, "the data set's folder");
  f("images", images, "folder of the images, below root");
  f("masks", masks, "folder of the masks, below root: PNG files with the images' stems");
  f("classes", classes,
    "0: binary masks, whose encoding is recognised; N: their values are 0..N-1, 255 ignored", {0, 254});
  f.check(classes != 1, "classes", "expected 0 or at least 2");
  f("mirrored", mirrored, "pairs of classes that change places in a mirrored image: [[3, 4], [5, 6]]",
    {0, 253});
  f.check(pairs_of_classes(mirrored, classes), "mirrored",
          "expected pairs of classes below `classes`, each class once");
}

std::unique_ptr<Dataset> FoldersOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "images and masks");
  fs::path list_path = list;
  std::vector<fs::path> files;
  if (is_pattern(list)) {
    files = images_matching(folder / images, list);
  } else {
    list_path = find_list(list, folder);
    for (const auto& line : read_lines(list_path)) files.emplace_back(line);
  }
  std::vector<ImagePair> pairs;
  for (const auto& file : files) {
    const std::string stem = fs::path(file)
                                 .replace_extension()
                                 .string();  // with its subfolder: a/1.jpg and b/1.jpg are two images
    pairs.push_back({stem, folder / images / file, folder / masks / (stem + ".png")});
  }
  MirroredClasses mirrored_classes;
  for (const auto& pair : mirrored)
    mirrored_classes.emplace_back(static_cast<std::uint8_t>(pair.at(0)),
                                  static_cast<std::uint8_t>(pair.at(1)));
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error,
                                         classes == 0 ? ReadMask() : class_masks(classes),
                                         std::move(mirrored_classes));
}

}  // namespace portraitseg
