#include "output_place.h"

#include <cerrno>
#include <cstring>

#include <unistd.h>

#include "portraitseg/core/error.h"
#include "portraitseg/data/media_files.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// @param target what has to be writable, so that `path` can be written
void check_writable(const fs::path& target, const fs::path& path) {
  if (::access(target.c_str(), W_OK) != 0)
    throw DataError(path, std::string("cannot be written: ") + std::strerror(errno));
}

void check_json_place(const fs::path& file) {
  if (file.empty() || file == "-") return;
  std::error_code error;
  const fs::path real = fs::weakly_canonical(fs::absolute(file), error);
  if (fs::is_directory(real, error)) throw DataError(file, "is a folder; --json needs a file");
  const bool stream = fs::exists(real, error) && !fs::is_regular_file(real, error);
  check_writable(stream ? real : real.parent_path() / "", file);  // the slash: a folder, not a file
}

}  // namespace

void add_json_option(CLI::App& command, std::string& file, const std::string& what) {
  command
      .add_option("--json", file, "file for " + what + " as JSON; -: standard output, and nothing else there")
      ->each([](const std::string& place) { check_json_place(place); });
}

void check_output_place(const fs::path& folder) {
  if (folder.empty()) return;
  std::error_code error;
  fs::path made = fs::weakly_canonical(fs::absolute(folder), error);
  while (!fs::exists(made, error) && made.has_relative_path()) made = made.parent_path();
  if (fs::exists(made, error) && !fs::is_directory(made, error))
    throw DataError(folder, "cannot be made a folder: " + made.string() + " is a file");
  check_writable(made / "", folder);
}

void refuse_among_photos(const fs::path& photos, const fs::path& output) {
  std::error_code error;
  if (fs::is_directory(photos, error) && lies_in(output, photos)) {
    throw DataError(output, "lies in the folder of photos " + photos.string() +
                                ", where it would be taken for photos; choose another folder");
  }
}

}  // namespace portraitseg
