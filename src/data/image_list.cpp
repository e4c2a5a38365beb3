#include "portraitseg/data/image_list.h"

#include <utility>

#include "portraitseg/core/file.h"
#include "portraitseg/data/paired_dataset.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// @throws DataError if the line is not an image and a mask.
std::pair<std::string, std::string> split_line(const std::string& line, const fs::path& list) {
  const char separator = line.find('\t') != std::string::npos  ? '\t'
                         : line.find(',') != std::string::npos ? ','
                                                               : ' ';
  const auto at = line.find(separator);
  if (at != std::string::npos) {
    std::pair<std::string, std::string> paths = {trimmed(line.substr(0, at)), trimmed(line.substr(at + 1))};
    if (!paths.first.empty() && !paths.second.empty() && paths.second.find(separator) == std::string::npos)
      return paths;
  }
  throw DataError(list,
                  "'" + line +
                      "' is not an image and a mask; expected two paths separated by a tab, a comma or, if "
                      "no name has one, a blank");
}

}  // namespace

void ImageListOptions::fields(Fields& f) {
  f("root", root, "the folder below which the lists' paths lie");
}

std::unique_ptr<Dataset> ImageListOptions::open(const std::string& list, OnError on_error) const {
  const fs::path folder = data_root(root, "the lists' images and masks");
  const fs::path list_path = find_list(list, folder);
  std::vector<ImagePair> pairs;
  for (const auto& line : read_lines(list_path)) {
    const auto [image, mask] = split_line(line, list_path);
    pairs.push_back({without_image_extension(image), folder / image, folder / mask});
  }
  return std::make_unique<PairedDataset>(std::move(pairs), list_path, on_error);
}

}  // namespace portraitseg
