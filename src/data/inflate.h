#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace portraitseg {

/// The content of a zlib stream (RFC 1950), its checksum included in the check.
/// @param what names the stream in messages. @param path the file that holds it.
/// @param largest bytes; more is refused, so that a few bytes cannot fill the memory.
/// @throws DataError for a damaged, truncated or too large stream.
std::string inflate(std::string_view bytes, const std::string& what, const std::filesystem::path& path,
                    std::size_t largest = std::size_t{1} << 28);

}  // namespace portraitseg
