#include "file_search.h"

#include <algorithm>
#include <cctype>

#include <fnmatch.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) {
  return path.filename().string().front() == '.';
}

fs::path real_path(const fs::path& path) {
  std::error_code unknown;
  const fs::path real = fs::weakly_canonical(path, unknown);
  return unknown ? path : real;
}

}  // namespace

bool has_extension(const fs::path& path, std::initializer_list<const char*> extensions) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

bool is_image(const fs::path& path) {
  return has_extension(path, {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"});
}

fs::path data_root(const std::string& root, const std::string& what) {
  if (root.empty()) throw UserError("data.root is not set; it is the folder of " + what);
  std::error_code unknown;
  if (!fs::is_directory(root, unknown))
    throw DataError(root, "no such folder; data.root is the folder of " + what);
  return root;
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  std::vector<fs::path> above = {real_path(folder)};  // of each folder from there down
  for (fs::recursive_directory_iterator at(folder, fs::directory_options::follow_directory_symlink, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const bool hidden = is_hidden(at->path());
    std::error_code broken_link;
    if (at->is_directory(broken_link)) {
      above.resize(static_cast<std::size_t>(at.depth()) + 1);
      const fs::path real = real_path(at->path());
      const bool leads_back = std::find(above.begin(), above.end(), real) != above.end();
      above.push_back(real);
      if (hidden || leads_back) at.disable_recursion_pending();
    } else if (!hidden && at->is_regular_file(broken_link)) {
      files.push_back(at->path().lexically_relative(folder));
    }
  }
  if (error) throw DataError(folder, "cannot be listed: " + error.message());
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return files;
}

std::vector<fs::path> images_below(const fs::path& folder) {
  std::vector<fs::path> files = files_below(folder);
  files.erase(std::remove_if(files.begin(), files.end(), [](const fs::path& f) { return !is_image(f); }),
              files.end());
  return files;
}

bool is_pattern(const std::string& list) {
  return list.find_first_of("*?[") != std::string::npos;
}

std::vector<fs::path> images_matching(const fs::path& folder, const std::string& pattern) {
  std::vector<fs::path> files = images_below(folder);
  const auto differs = [&](const fs::path& file) {
    return ::fnmatch(pattern.c_str(), file.c_str(), FNM_PATHNAME | FNM_PERIOD) != 0;
  };
  files.erase(std::remove_if(files.begin(), files.end(), differs), files.end());
  if (files.empty()) throw DataError(folder, "no image below it fits '" + pattern + "'");
  return files;
}

fs::path image_with_stem(const fs::path& folder, const std::string& stem) {
  std::error_code unknown;  // a name that is too long is no file, either
  for (const char* extension : {".png", ".jpeg", ".jpg", ".PNG", ".JPEG", ".JPG"}) {
    if (fs::exists(folder / (stem + extension), unknown)) return folder / (stem + extension);
  }
  return folder / (stem + ".jpg");
}

std::string without_image_extension(const std::string& path) {
  return is_image(path) ? fs::path(path).replace_extension().string() : path;
}

std::string strip_folder(const std::string& path, const std::string& folder) {
  const std::string start = folder + "/";
  return path.rfind(start, 0) == 0 ? path.substr(start.size()) : path;
}

}  // namespace portraitseg
