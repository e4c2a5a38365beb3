#include "portraitseg/data/media_files.h"

#include "portraitseg/core/error.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

bool is_video(const fs::path& path) {
  return has_extension(path, {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"});
}

MediaFile media_file(const fs::path& path, fs::path name) {
  return {path, name.replace_extension().string(), is_video(path)};
}

}  // namespace

std::vector<MediaFile> media_files(const std::vector<std::string>& inputs) {
  std::vector<MediaFile> files;
  for (const auto& input : inputs) {
    std::error_code unknown;
    if (!fs::is_directory(input, unknown)) {
      if (!fs::exists(input, unknown)) throw DataError(input, "no such file or folder");
      files.push_back(media_file(input, fs::path(input).filename()));
      continue;
    }
    const std::size_t before = files.size();
    for (const auto& file : files_below(input)) {
      if (is_image(file) || is_video(file)) files.push_back(media_file(fs::path(input) / file, file));
    }
    if (files.size() == before) throw DataError(input, "no image and no video in it or below it");
  }
  return files;
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  const fs::path below =
      fs::weakly_canonical(fs::absolute(path)).lexically_relative(fs::weakly_canonical(fs::absolute(folder)));
  return !below.empty() && *below.begin() != "..";
}

}  // namespace portraitseg
