#include "png_file.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <png.h>

#include "portraitseg/core/error.h"

#include "exif.h"
#include "image_size.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// The palette's levels if its colours are grey and more than one, else nothing.
cv::Mat grey_levels(const png_color* colors, int count) {
  cv::Mat levels = cv::Mat::zeros(1, 256, CV_8U);
  bool several = false;
  for (int i = 0; i < count; ++i) {
    if (colors[i].red != colors[i].green || colors[i].red != colors[i].blue) return {};
    levels.at<png_byte>(i) = colors[i].red;
    several = several || colors[i].red != colors[0].red;
  }
  return several ? levels : cv::Mat();
}

/// One decompression. libpng leaves by longjmp, so what has a destructor lives here and not in a step.
class PngReader {
 public:
  PngReader(std::string_view bytes, const fs::path& path) : path_(path), rest_(bytes) {
    const auto error = [](png_structp png, png_const_charp text) {
      auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
      std::strncpy(self.error_.data(), text, self.error_.size() - 1);
      std::longjmp(self.jump_, 1);
    };
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, error, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  void read_header() {
    if (info_ == nullptr) throw std::bad_alloc();
    guarded([&] {
      png_set_read_fn(png_, this, [](png_structp png, png_bytep to, std::size_t count) {
        auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
        self.truncated_ = count > self.rest_.size();
        if (self.truncated_) png_error(png, "");
        std::copy_n(self.rest_.begin(), count, to);
        self.rest_.remove_prefix(count);
      });
      png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_image_size() says it better
      png_read_info(png_, info_);
    });
    check_image_size(png_get_image_height(png_, info_), png_get_image_width(png_, info_), path_);
  }

  cv::Mat pixels(PngPixels wanted) {
    guarded([&] { transform(wanted); });
    const int depth = png_get_bit_depth(png_, info_) == 16 ? CV_16U : CV_8U;
    cv::Mat image(static_cast<int>(png_get_image_height(png_, info_)),
                  static_cast<int>(png_get_image_width(png_, info_)),
                  CV_MAKETYPE(depth, png_get_channels(png_, info_)));
    std::vector<png_bytep> rows;
    for (int y = 0; y < image.rows; ++y) rows.push_back(image.ptr(y));
    guarded([&] {
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
    png_colorp colors = nullptr;
    int count = 0;
    if (wanted != PngPixels::kIndices || png_get_PLTE(png_, info_, &colors, &count) == 0) return image;
    if (png_get_palette_max(png_, info_) >= count)
      throw DataError(path_, "damaged PNG: an index of " + std::to_string(png_get_palette_max(png_, info_)) +
                                 " into a palette of " + std::to_string(count) + " colours");
    const cv::Mat levels = image.channels() == 1 ? grey_levels(colors, count) : cv::Mat();
    if (!levels.empty()) cv::LUT(image, levels, image);
    return image;
  }

  /// Of the pixels that were read: EXIF may come behind them.
  int orientation() {
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif) == 0) return 1;
    return exif_orientation({reinterpret_cast<const char*>(exif), size});
  }

 private:
  template <class Step>
  void guarded(const Step& step) {
    if (setjmp(jump_) != 0) fail();
    step();
  }

  [[noreturn]] void fail() const {
    if (truncated_) throw DataError(path_, "truncated PNG: it ends before its last chunk");
    throw DataError(path_, "damaged PNG: " + std::string(error_.data()));
  }

  void transform(PngPixels wanted) {
    const int type = png_get_color_type(png_, info_);
    const bool indices = type == PNG_COLOR_TYPE_PALETTE && wanted == PngPixels::kIndices;
    const bool transparent = png_get_valid(png_, info_, PNG_INFO_tRNS) != 0 && !indices;
    if (indices) {
      png_set_packing(png_);
    } else if (type == PNG_COLOR_TYPE_PALETTE) {
      png_set_palette_to_rgb(png_);
    } else {
      png_set_expand_gray_1_2_4_to_8(png_);
    }
    if (wanted == PngPixels::kImage) {
      png_set_strip_16(png_);
      png_set_strip_alpha(png_);
    } else {
      png_set_swap(png_);  // 16-bit values are big-endian
      if (transparent) png_set_tRNS_to_alpha(png_);
      const bool alpha = transparent || (type & PNG_COLOR_MASK_ALPHA) != 0;
      if (alpha && (type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
    }
    png_set_bgr(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  const fs::path& path_;
  std::string_view rest_;  ///< not read yet
  bool truncated_ = false;
  std::array<char, 128> error_{};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_;
};

}  // namespace

PngImage read_png(std::string_view bytes, PngPixels wanted, const fs::path& path) {
  PngReader reader(bytes, path);
  reader.read_header();
  cv::Mat pixels = reader.pixels(wanted);
  return {pixels, reader.orientation()};
}

}  // namespace portraitseg
