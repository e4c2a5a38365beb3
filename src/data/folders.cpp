#include "portraitseg/data/folders.h"

#include "portraitseg/core/file.h"
#include "portraitseg/data/paired_dataset.h"

namespace portraitseg {

namespace fs = std::filesystem;

void FoldersOptions::fields(Fields& f) {
  f("root", root, "the data set's folder");
  f("images", images, "folder of the images, below root");
  f("masks", masks, "folder of the masks, below root: PNG files with the images' stems");
}

std::unique_ptr<Dataset> FoldersOptions::open(const std::string& list, OnError on_error) const {
  const fs::path list_path = find_list(list, root);
  std::vector<ImagePair> pairs;
  for (const auto& line : read_lines(list_path)) {
    const fs::path stem =
        fs::path(line).replace_extension();  // with its subfolder: a/1.jpg and b/1.jpg are two images
    pairs.push_back(
        {stem.string(), fs::path(root) / images / line, fs::path(root) / masks / (stem.string() + ".png")});
  }
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error);
}

}  // namespace portraitseg
