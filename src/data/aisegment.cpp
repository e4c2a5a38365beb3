#include "portraitseg/data/aisegment.h"

#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"
#include "matte.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// DATE/clip_0000000N/NAME.jpg -> DATE/matting_0000000N/NAME.png
fs::path matte_of(const fs::path& image) {
  const std::string clip = "clip_", folder = image.parent_path().filename().string();
  const std::string number = folder.rfind(clip, 0) == 0 ? folder.substr(clip.size()) : folder;
  return image.parent_path().parent_path() / ("matting_" + number) / (image.stem().string() + ".png");
}

}  // namespace

void AiSegmentOptions::fields(Fields& f) {
  f("root", root, "the folder that holds clip_img/ and matting/");
  matte_fields(f, alpha_threshold);
}

std::unique_ptr<Dataset> AiSegmentOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "AISegment");
  for (const char* needed : {"clip_img", "matting"}) {
    if (!fs::is_directory(folder / needed))
      throw DataError(folder / needed, "no such folder; AISegment has clip_img/ and matting/");
  }
  fs::path list_path = list;
  std::vector<fs::path> images;
  if (list == "all") {
    images = images_below(folder / "clip_img");
  } else {
    list_path = find_list(list, folder);
    for (const auto& line : read_lines(list_path)) images.emplace_back(strip_folder(line, "clip_img"));
  }
  std::vector<ImagePair> pairs;
  for (const auto& image : images) {
    pairs.push_back({fs::path(image).replace_extension().string(),
                     folder / "clip_img" / image,
                     folder / "matting" / matte_of(image),
                     {{"group", image.parent_path().string()}}});
  }
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error,
                                         [threshold = alpha_threshold](const fs::path& path, cv::Size) {
                                           return cut_matte(read_alpha(path), threshold);
                                         });
}

}  // namespace portraitseg
