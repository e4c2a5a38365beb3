#include "portraitseg/data/eg1800.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"
#include "mat_file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

struct Layout {
  const char* images;
  const char* masks;
  const char* mask_prefix;
  const char* mask_suffix;
};

constexpr std::array<Layout, 4> kLayouts = {{{"Images", "Labels", "", ".png"},
                                             {"images_data_crop", "GT_png", "", "_mask.png"},
                                             {"images_data_crop", "images_mask", "", "_mask.mat"},
                                             {"image", "ground_truth", "EG1800_", ".png"}}};

struct FoundLayout {
  fs::path folder;
  Layout layout;
};

FoundLayout find_layout(const fs::path& root) {
  for (const auto& folder : {root, root / "EG1800", root / "Portrait"}) {
    for (const auto& layout : kLayouts) {
      if (fs::is_directory(folder / layout.images) && fs::is_directory(folder / layout.masks))
        return {folder, layout};
    }
  }
  throw DataError(
      root,
      "no EG1800 here; expected Images/ and Labels/, images_data_crop/ and GT_png/ or images_mask/, "
      "or image/ and ground_truth/ (also below EG1800/ or Portrait/)");
}

std::string padded(std::string stem) {
  const bool number = std::all_of(stem.begin(), stem.end(), [](unsigned char c) { return std::isdigit(c); });
  if (number && stem.size() < 5) stem.insert(0, 5 - stem.size(), '0');
  return stem;
}

std::vector<std::string> read_stems(const fs::path& list) {
  std::vector<std::string> stems;
  if (list.extension() == ".mat") {
    for (const auto number : read_mat_integers(list, list.stem().string())) {
      stems.push_back(padded(std::to_string(number)));
    }
  } else {
    for (const auto& line : read_lines(list)) stems.push_back(padded(fs::path(line).stem().string()));
  }
  return stems;
}

cv::Mat read_mat_mask(const fs::path& path, cv::Size) {
  ValueMeanings meanings{};
  meanings.fill(kMeaningless);
  meanings[0] = 0;
  meanings[1] = 1;
  return decode_values(read_mat_bytes(path, "mask"), meanings, "0/1", path);
}

}  // namespace

void Eg1800Options::fields(Fields& f) {
  f("root", root, "the data set's folder");
}

std::unique_ptr<Dataset> Eg1800Options::open(const std::string& list, OnError on_error) const {
  const auto [folder, layout] = find_layout(data_root(root, "EG1800"));
  fs::path list_path = list;
  std::vector<std::string> stems;
  if (list == "all") {
    for (const auto& file : images_below(folder / layout.images)) stems.push_back(file.stem().string());
  } else {
    list_path = find_list(list, fs::exists(folder / list) ? folder : fs::path(root));
    stems = read_stems(list_path);
  }
  std::vector<ImagePair> pairs;
  for (const auto& stem : stems) {
    pairs.push_back({stem, image_with_stem(folder / layout.images, stem),
                     folder / layout.masks / (layout.mask_prefix + stem + layout.mask_suffix)});
  }
  const bool mat = std::string_view(layout.mask_suffix) == "_mask.mat";
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error,
                                         mat ? read_mat_mask : ReadMask());
}

}  // namespace portraitseg
