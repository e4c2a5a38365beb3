#include "portraitseg/data/p3m.h"

#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"
#include "matte.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& root, const std::string& split) {
  return split == "train" ? root / split : root / "validation" / split;
}

fs::path images_of(const fs::path& split_folder) {
  for (const char* name : {"blurred_image", "original_image"}) {
    if (fs::is_directory(split_folder / name)) return split_folder / name;
  }
  throw DataError(split_folder,
                  "no such split of P3M-10k; expected a folder with blurred_image/ or original_image/");
}

}  // namespace

void P3mOptions::fields(Fields& f) {
  f("root", root, "the folder that holds train/ and validation/");
  matte_fields(f, alpha_threshold);
}

std::unique_ptr<Dataset> P3mOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "P3M-10k");
  fs::path list_path = list;
  std::vector<std::string> entries;
  if (list == "train" || (!list.empty() && fs::is_directory(folder_of(folder, list)))) {
    for (const auto& image : images_below(images_of(folder_of(folder, list))))
      entries.push_back(list / image);
  } else {
    list_path = find_list(list, folder);
    entries = read_lines(list_path);
  }
  std::vector<ImagePair> pairs;
  for (const auto& entry : entries) {
    const std::string id = without_image_extension(entry), name = fs::path(entry).filename().string();
    const fs::path split = folder_of(folder, fs::path(entry).parent_path().string());
    const std::string stem = fs::path(id).filename().string();
    const fs::path images = images_of(split);
    pairs.push_back(
        {id, id == entry ? image_with_stem(images, stem) : images / name, split / "mask" / (stem + ".png")});
  }
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error,
                                         [threshold = alpha_threshold](const fs::path& path, cv::Size) {
                                           return cut_matte(read_mask_values(path), threshold);
                                         });
}

}  // namespace portraitseg
