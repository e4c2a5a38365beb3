#include "image_size.h"

#include <cstdlib>
#include <string>

#include "portraitseg/core/error.h"

#include "bytes.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// A header's numbers.
class Header {
 public:
  Header(std::string_view bytes, bool little_endian, const fs::path& path)
      : bytes_(bytes), little_endian_(little_endian), path_(path) {}

  /// @throws DataError if the file ends before.
  std::uint32_t number(std::uint64_t at, std::uint64_t count) const {
    if (at + count > bytes_.size()) truncated();
    return read_number(bytes_.substr(at, count), little_endian_);
  }
  void expect_size(std::uint64_t size) const {
    if (bytes_.size() < size) truncated();
  }
  [[noreturn]] void truncated() const { throw DataError(path_, "truncated image file"); }

 private:
  std::string_view bytes_;
  bool little_endian_;
  const fs::path& path_;
};

/// BITMAPFILEHEADER of 14 bytes, then BITMAPINFOHEADER (Windows) or, of 12 bytes, BITMAPCOREHEADER (OS/2).
void check_bmp(std::string_view bytes, const fs::path& path) {
  const Header header(bytes, true, path);
  const bool core = header.number(14, 4) == 12;
  const std::uint64_t width = header.number(18, core ? 2 : 4);
  const auto stored = static_cast<std::int32_t>(header.number(core ? 20 : 22, core ? 2 : 4));
  const auto height =
      static_cast<std::uint64_t>(std::abs(std::int64_t{stored}));  // below 0: from top to bottom
  check_image_size(height, width, path);
  const std::uint64_t bits = header.number(core ? 24 : 28, 2);
  const std::uint32_t compression = core ? 0 : header.number(30, 4);
  if (header.number(core ? 22 : 26, 2) != 1 || bits == 0 || bits > 32 || compression > 3)
    throw DataError(path, "a damaged BMP, or one of a kind that cannot be decoded");
  const bool packed = compression == 1 || compression == 2;  // run lengths
  header.expect_size(header.number(10, 4) + (packed ? 1 : height * ((width * bits + 31) / 32 * 4)));
}

/// RFC 9649: RIFF, its size, WEBP, then a chunk VP8X, VP8L or "VP8 ".
void check_webp(std::string_view bytes, const fs::path& path) {
  const Header header(bytes, true, path);
  header.expect_size(std::uint64_t{header.number(4, 4)} + 8);
  const std::string_view chunk = bytes.substr(12, 4);
  if (chunk == "VP8X") return check_image_size(header.number(27, 3) + 1, header.number(24, 3) + 1, path);
  if (chunk == "VP8L") {
    const std::uint32_t sizes = header.number(21, 4);
    return check_image_size((sizes >> 14 & 0x3fff) + 1, (sizes & 0x3fff) + 1, path);
  }
  check_image_size(header.number(28, 2) & 0x3fff, header.number(26, 2) & 0x3fff, path);
}

/// TIFF 6.0: the first directory's ImageWidth (256) and ImageLength (257), each a short (3) or a long (4), and
/// PhotometricInterpretation (262), without which no decoder knows what the values mean.
void check_tiff(std::string_view bytes, const fs::path& path) {
  const Header header(bytes, bytes.front() == 'I', path);
  const std::uint64_t directory = header.number(4, 4);
  std::uint64_t width = 0, height = 0;
  bool interpreted = false;
  for (std::uint64_t i = 0; i < header.number(directory, 2); ++i) {
    const std::uint64_t entry = directory + 2 + 12 * i;
    const std::uint32_t tag = header.number(entry, 2);
    const std::uint32_t value = header.number(entry + 8, header.number(entry + 2, 2) == 3 ? 2 : 4);
    if (tag == 256) width = value;
    if (tag == 257) height = value;
    if (tag == 262) interpreted = true;
  }
  if (!interpreted) throw DataError(path, "a damaged TIFF: it does not say what its values mean (tag 262)");
  check_image_size(height, width, path);
}

}  // namespace

void check_image_size(std::uint64_t height, std::uint64_t width, const fs::path& path) {
  const std::string size = std::to_string(height) + "x" + std::to_string(width) + " pixels (height x width)";
  if (height == 0 || width == 0) throw DataError(path, "its header says " + size);
  if (height > kLargestImage / width) {
    throw DataError(path, "its header says " + size + "; more than " + std::to_string(kLargestImage) +
                              " pixels are not decoded");
  }
}

void check_header(std::string_view bytes, const fs::path& path) {
  using std::string_view_literals::operator""sv;
  if (starts_with(bytes, "BM")) return check_bmp(bytes, path);
  if (starts_with(bytes, "RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP")
    return check_webp(bytes, path);
  if (starts_with(bytes, "II*\0"sv) || starts_with(bytes, "MM\0*"sv)) return check_tiff(bytes, path);
  throw DataError(path, "not an image; expected JPEG, PNG, BMP, WebP or TIFF");
}

}  // namespace portraitseg
