#include "portraitseg/data/backgrounds.h"

#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"

namespace portraitseg {

namespace fs = std::filesystem;

void BackgroundsOptions::fields(Fields& f) {
  f("root", root, "the folder of the images");
}

std::unique_ptr<Dataset> BackgroundsOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "images without people");
  fs::path list_path = list;
  std::vector<fs::path> files;
  if (list == "all") {
    files = images_below(folder);
  } else if (is_pattern(list)) {
    files = images_matching(folder, list);
  } else {
    list_path = find_list(list, folder);
    for (const auto& line : read_lines(list_path)) files.emplace_back(line);
  }
  std::vector<ImagePair> pairs;
  for (const auto& file : files) pairs.push_back({without_image_extension(file.string()), folder / file, ""});
  return std::make_unique<PairedDataset>(
      std::move(pairs), list_path, on_error,
      [](const fs::path&, cv::Size size) { return cv::Mat(cv::Mat::zeros(size, CV_8U)); });
}

}  // namespace portraitseg
