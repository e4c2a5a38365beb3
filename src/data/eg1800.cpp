#include "portraitseg/data/eg1800.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "portraitseg/core/file.h"
#include "portraitseg/data/paired_dataset.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct Layout {
  const char* images;
  const char* masks;
  const char* mask_suffix;
};

constexpr std::array<Layout, 2> kLayouts = {
    {{"Images", "Labels", ".png"}, {"images_data_crop", "GT_png", "_mask.png"}}};

struct FoundLayout {
  fs::path folder;
  Layout layout;
};

FoundLayout find_layout(const fs::path& root) {
  if (root.empty()) throw UserError("data.root is not set; it is the folder of EG1800");
  if (!fs::is_directory(root)) throw DataError(root, "no such folder; data.root is the folder of EG1800");
  for (const auto& folder : {root, root / "EG1800", root / "Portrait"}) {
    for (const auto& layout : kLayouts) {
      if (fs::is_directory(folder / layout.images) && fs::is_directory(folder / layout.masks))
        return {folder, layout};
    }
  }
  throw DataError(root,
                  "no EG1800 here; expected Images/ and Labels/, or images_data_crop/ and GT_png/ "
                  "(also below EG1800/ or Portrait/)");
}

std::string padded_stem(const std::string& line) {
  std::string stem = fs::path(line).stem().string();
  const bool number = std::all_of(stem.begin(), stem.end(), [](unsigned char c) { return std::isdigit(c); });
  if (number && stem.size() < 5) stem.insert(0, 5 - stem.size(), '0');
  return stem;
}

fs::path image_path(const fs::path& folder, const std::string& stem) {
  for (const char* extension : {".png", ".jpeg"}) {
    if (fs::exists(folder / (stem + extension))) return folder / (stem + extension);
  }
  return folder / (stem + ".jpg");
}

}  // namespace

void Eg1800Options::fields(Fields& f) {
  f("root", root, "the data set's folder");
}

std::unique_ptr<Dataset> Eg1800Options::open(const std::string& list, OnError on_error) const {
  const auto [folder, layout] = find_layout(root);
  const fs::path list_path = find_list(list, fs::exists(folder / list) ? folder : fs::path(root));
  std::vector<ImagePair> pairs;
  for (const auto& line : read_lines(list_path)) {
    const std::string stem = padded_stem(line);
    pairs.push_back({stem, image_path(folder / layout.images, stem),
                     folder / layout.masks / (stem + layout.mask_suffix)});
  }
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error);
}

}  // namespace portraitseg
