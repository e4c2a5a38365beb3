#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace portraitseg {

/// The whole file as bytes. @throws DataError if it cannot be read, or is a device or larger than `limit` (found before).
std::string read_file(const std::filesystem::path& path, std::size_t limit = std::size_t{1} << 40);

/// The file's lines without line ends (LF, CRLF or CR), surrounding blanks, empty lines and a byte-order mark.
/// @throws DataError if it cannot be read, holds a byte of value 0 or a line of more than 64 KiB.
std::vector<std::string> read_lines(const std::filesystem::path& path);

/// Replaces the file by `bytes`, or leaves it untouched: temporary file in the same folder, fsync, rename.
/// A link is followed; a device or pipe is written to.
/// @throws DataError naming path and reason (disk full, no permission ...).
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// Where write_file() writes first: "NAME.tmp" beside it.
std::filesystem::path temporary_name(const std::filesystem::path& path);

/// The path itself, or where its link leads: what is to be replaced.
std::filesystem::path behind_link(const std::filesystem::path& path);

/// Gives a file that is written a name that may be taken: fsync, rename. Both are in the same folder.
/// @throws DataError naming `path` and the reason.
void replace_file(const std::filesystem::path& temporary, const std::filesystem::path& path);

/// Adds `bytes` to the end of the file, which is made where there is none; a program that has it open reads on.
/// What a killed program wrote of them stays; a write that fails leaves the file as it was.
/// @throws DataError naming path and reason.
void append_file(const std::filesystem::path& path, std::string_view bytes);

/// Makes the folder and those above it. @throws DataError if it cannot be made.
void make_folder(const std::filesystem::path& path);

/// The first by name of what a folder holds besides these names; "" if that is nothing.
std::string entry_besides(const std::filesystem::path& folder, const std::set<std::string>& names);

/// SHA-256 (FIPS 180-4) in lower-case hexadecimal.
std::string sha256(std::string_view bytes);

}  // namespace portraitseg
