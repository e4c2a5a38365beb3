#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

namespace portraitseg {

/// Does the file's name end with one of these, in any case? They are written small, with the dot.
bool has_extension(const std::filesystem::path& path, std::initializer_list<const char*> extensions);

/// By its extension.
bool is_image(const std::filesystem::path& path);

/// data.root. @param what names the data set in messages.
/// @throws UserError if it is not set. @throws DataError if there is no such folder.
std::filesystem::path data_root(const std::string& root, const std::string& what);

/// Files below the folder, relative to it, in the byte order of their names. Hidden files are left out, and with them the
/// "._name" files that macOS puts into archives.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder);

/// Those of them that are images.
std::vector<std::filesystem::path> images_below(const std::filesystem::path& folder);

/// `list` is a pattern rather than a name: it has *, ? or [.
bool is_pattern(const std::string& list);

/// Images below the folder whose relative path fits the shell pattern; * and ? do not reach over a slash.
/// @throws DataError if none does.
std::vector<std::filesystem::path> images_matching(const std::filesystem::path& folder,
                                                   const std::string& pattern);

/// folder/stem with the extension under which it exists: .png, .jpeg, .jpg or one of them in capitals; .jpg if there is
/// none.
std::filesystem::path image_with_stem(const std::filesystem::path& folder, const std::string& stem);

/// The path without the extension of an image file; "a.b" stays as it is.
std::string without_image_extension(const std::string& path);

/// `path` below `folder`: "img/a.jpg" and "a.jpg" are both "a.jpg" below "img".
std::string strip_folder(const std::string& path, const std::string& folder);

}  // namespace portraitseg
