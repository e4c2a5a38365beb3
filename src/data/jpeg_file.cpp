#include "jpeg_file.h"

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs FILE
#include <string>

#include <jerror.h>
#include <jpeglib.h>

#include "portraitseg/core/error.h"

#include "exif.h"
#include "image_size.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

/// Warnings that leave the pixels right.
bool is_harmless(int warning) {
  return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_ADOBE_XFORM || warning == JWRN_NOT_SEQUENTIAL;
}

/// One decompression. libjpeg leaves by longjmp, so what has a destructor lives here and not in a step.
class JpegReader {
 public:
  explicit JpegReader(const fs::path& path) : path_(path) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) { self(jpeg).leave(); };
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      if (level < 0 && !is_harmless(jpeg->err->msg_code)) self(jpeg).leave();
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  void read_header(std::string_view bytes) {
    guarded([&] {
      jpeg_create_decompress(&jpeg_);
      jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_save_markers(&jpeg_, kExifMarker, 0xffff);
      jpeg_read_header(&jpeg_, TRUE);
    });
    check_image_size(jpeg_.image_height, jpeg_.image_width, path_);
  }

  /// Asked before pixels(), whose end frees the markers.
  int orientation() const {
    constexpr std::string_view kStart("Exif\0\0", 6);
    for (auto* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.substr(0, kStart.size()) == kStart) return exif_orientation(data.substr(kStart.size()));
    }
    return 1;
  }

  cv::Mat pixels() {
    const int components = jpeg_.num_components;
    if (components != 1 && components != 3 && components != 4)
      throw DataError(path_, "JPEG of " + std::to_string(components) + " components; expected 1, 3 or 4");
    jpeg_.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_EXT_BGR : JCS_CMYK;
    cv::Mat image(static_cast<int>(jpeg_.image_height), static_cast<int>(jpeg_.image_width),
                  CV_8UC(components));
    guarded([&] {
      jpeg_start_decompress(&jpeg_);
      while (jpeg_.output_scanline < jpeg_.output_height) {
        JSAMPROW row = image.ptr(static_cast<int>(jpeg_.output_scanline));
        jpeg_read_scanlines(&jpeg_, &row, 1);
      }
      jpeg_finish_decompress(&jpeg_);
    });
    return image;
  }

 private:
  static constexpr int kExifMarker = JPEG_APP0 + 1;

  static JpegReader& self(j_common_ptr jpeg) { return *static_cast<JpegReader*>(jpeg->client_data); }
  [[noreturn]] void leave() { std::longjmp(jump_, 1); }

  template <class Step>
  void guarded(const Step& step) {
    if (setjmp(jump_) != 0) fail();
    step();
  }

  [[noreturn]] void fail() {
    if (errors_.msg_code == JWRN_JPEG_EOF)
      throw DataError(path_, "truncated JPEG: it ends before the end-of-image marker");
    std::array<char, JMSG_LENGTH_MAX> text{};
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), text.data());
    throw DataError(path_, "damaged JPEG: " + std::string(text.data()));
  }

  const fs::path& path_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf jump_;
};

cv::Mat cmyk_to_bgr(const cv::Mat& cmyk) {
  cv::Mat bgr(cmyk.size(), CV_8UC3);
  const auto product = [](int ink, int black) {
    return static_cast<std::uint8_t>((ink * black + 127) / 255);
  };
  for (int y = 0; y < cmyk.rows; ++y) {
    for (int x = 0; x < cmyk.cols; ++x) {
      const auto& inks = cmyk.at<cv::Vec4b>(y, x);
      bgr.at<cv::Vec3b>(y, x) = {product(inks[2], inks[3]), product(inks[1], inks[3]),
                                 product(inks[0], inks[3])};
    }
  }
  return bgr;
}

}  // namespace

JpegImage read_jpeg(std::string_view bytes, const fs::path& path) {
  JpegReader reader(path);
  reader.read_header(bytes);
  const int orientation = reader.orientation();
  const cv::Mat pixels = reader.pixels();
  return {pixels.channels() == 4 ? cmyk_to_bgr(pixels) : pixels, orientation};
}

}  // namespace portraitseg
