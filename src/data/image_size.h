#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace portraitseg {

/// The largest image that is decoded, in pixels: 134 million, a photo of 12000x9000 passes. A header of a few bytes can
/// announce gigabytes.
constexpr std::uint64_t kLargestImage = std::uint64_t{1} << 27;

/// @throws DataError for an image without pixels or with more than kLargestImage.
void check_image_size(std::uint64_t height, std::uint64_t width, const std::filesystem::path& path);

/// Looks at the header of a BMP, WebP or TIFF: is it one of these, how large is the image, is the file all there?
/// @throws DataError for any other file, as check_image_size(), and for a BMP or WebP that is truncated.
void check_header(std::string_view bytes, const std::filesystem::path& path);

}  // namespace portraitseg
