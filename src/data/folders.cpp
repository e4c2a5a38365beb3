#include "portraitseg/data/folders.h"

#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"

namespace portraitseg {

namespace fs = std::filesystem;

void FoldersOptions::fields(Fields& f) {
  f("root", root, "the data set's folder");
  f("images", images, "folder of the images, below root");
  f("masks", masks, "folder of the masks, below root: PNG files with the images' stems");
}

std::unique_ptr<Dataset> FoldersOptions::open(const std::string& list, OnError on_error) const {
  fs::path list_path = list;
  std::vector<fs::path> files;
  if (is_pattern(list)) {
    files = images_matching(data_root(root, "images and masks") / images, list);
  } else {
    list_path = find_list(list, root);
    for (const auto& line : read_lines(list_path)) files.emplace_back(line);
  }
  std::vector<ImagePair> pairs;
  for (const auto& file : files) {
    const std::string stem = fs::path(file)
                                 .replace_extension()
                                 .string();  // with its subfolder: a/1.jpg and b/1.jpg are two images
    pairs.push_back({stem, fs::path(root) / images / file, fs::path(root) / masks / (stem + ".png")});
  }
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error);
}

}  // namespace portraitseg
