#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace portraitseg {

/// An image or a video somebody wants to have worked on.
struct MediaFile {
  std::filesystem::path path;
  std::string
      name;  ///< of what is made of it: the path below the folder, or the file's name, without extension
  bool video = false;  ///< by its extension: .avi .m4v .mkv .mov .mp4 .mpeg .mpg .webm .wmv, in any case
};

/// Files as they are given, and of folders all images and videos in them and below, in the byte order of their names; hidden
/// ones are left out.
/// @throws DataError for an input that is not there, and for a folder without image and video.
std::vector<MediaFile> media_files(const std::vector<std::string>& inputs);

/// Is `path` in the folder or below it? Neither needs to be there; links are followed.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace portraitseg
