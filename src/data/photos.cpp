#include "portraitseg/data/photos.h"

#include <filesystem>

#include "portraitseg/core/error.h"
#include "portraitseg/data/backgrounds.h"

#include "file_search.h"

namespace portraitseg {

namespace fs = std::filesystem;

std::unique_ptr<Dataset> open_photos(const std::string& folder_or_pattern, OnError on_error) {
  fs::path folder, pattern;
  for (const auto& part : fs::path(folder_or_pattern)) {
    fs::path& end = pattern.empty() && !is_pattern(part.string()) ? folder : pattern;
    end /= part;
  }
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder)) throw DataError(folder, "no such folder of photos");
  if (pattern.empty() && images_below(folder).empty()) throw DataError(folder, "no image in it or below it");
  BackgroundsOptions photos;
  photos.root = folder.string();
  return photos.open(pattern.empty() ? "all" : pattern.string(), on_error);
}

}  // namespace portraitseg
