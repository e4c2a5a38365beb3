#pragma once

#include <filesystem>
#include <string>

#include <CLI/App.hpp>

namespace portraitseg {

/// Adds --json, a file or "-" for standard output. A place where no file can be written is refused (DataError) when the
/// command line is read, before minutes are spent on what it is to hold.
/// @param what it holds: "the figures"
void add_json_option(CLI::App& command, std::string& file, const std::string& what);

/// The same refusal of a folder that is to be written and may have to be made; an empty path is none. @throws DataError
void check_output_place(const std::filesystem::path& folder);

/// @throws DataError if the output lies in this folder of photos (a file or pattern is none): it would be taken for photos
///         next time.
void refuse_among_photos(const std::filesystem::path& photos, const std::filesystem::path& output);

}  // namespace portraitseg
