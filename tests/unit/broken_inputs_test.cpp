// Inputs that are broken, odd or hostile: each is read rightly or refused by a DataError of one line that names the
// file, and no library prints a word of its own. Every test counts its inputs.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <jpeglib.h>
#include <matio.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"
#include "portraitseg/data/easyportrait.h"
#include "portraitseg/data/eg1800.h"
#include "portraitseg/data/folders.h"
#include "portraitseg/data/image_file.h"
#include "portraitseg/data/supervisely.h"
#include "portraitseg/data/verify.h"

#include "support/temporary_folder.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Bytes = std::string;
using Reader = std::function<cv::Mat(const fs::path&)>;
using std::string_literals::operator""s;

Bytes big_endian(std::size_t value, int bytes = 4) {
  Bytes text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return text;
}

Bytes little_endian(std::size_t value, int bytes = 4) {
  const Bytes text = big_endian(value, bytes);
  return {text.rbegin(), text.rend()};
}

Bytes encoded(const std::string& extension, const cv::Mat& image, const std::vector<int>& parameters = {}) {
  std::vector<unsigned char> bytes;
  cv::imencode(extension, image, bytes, parameters);
  return {bytes.begin(), bytes.end()};
}

/// A gradient that no turn and no mirror leaves as it is.
cv::Mat gradient(int height, int width) {
  cv::Mat image(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x)
      image.at<cv::Vec3b>(y, x) = {static_cast<std::uint8_t>(10 * y), static_cast<std::uint8_t>(10 * x),
                                   static_cast<std::uint8_t>(5 * x + 2 * y)};
  }
  return image;
}

cv::Mat grey(const std::vector<std::vector<int>>& rows) {
  cv::Mat image(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()), CV_8UC1);
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x)
      image.at<std::uint8_t>(y, x) =
          static_cast<std::uint8_t>(rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)]);
  }
  return image;
}

cv::Mat bgr(const std::vector<std::vector<int>>& rows) {
  cv::Mat image;
  cv::cvtColor(grey(rows), image, cv::COLOR_GRAY2BGR);
  return image;
}

Bytes deflated(const Bytes& data) {
  uLongf size = ::compressBound(data.size());
  Bytes out(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()),
             data.size());
  return out.substr(0, size);
}

Bytes png_chunk(const Bytes& type, const Bytes& data) {
  const Bytes body = type + data;
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(data.size()) + body + big_endian(crc);
}

struct Png {
  std::size_t width = 2, height = 2;
  int bits = 8, type = 0, interlace = 0;
  Bytes rows = "\0\x0a\x14\0\x1e\x28"s;  ///< with their filter bytes: 10 20 / 30 40
  Bytes extra = "";                      ///< chunks before the pixels
  std::optional<Bytes> idat = {};        ///< in place of the packed rows; "": none

  Bytes bytes() const {
    const Bytes header = big_endian(width) + big_endian(height) + static_cast<char>(bits) +
                         static_cast<char>(type) + "\0\0"s + static_cast<char>(interlace);
    const Bytes data = idat ? *idat : deflated(rows);
    return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + extra +
           (data.empty() ? "" : png_chunk("IDAT", data)) + png_chunk("IEND", "");
  }
};

Bytes exif(int orientation, bool little = true) {
  if (little)
    return "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + static_cast<char>(orientation) + Bytes(7, '\0');
  return "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s + static_cast<char>(orientation) + Bytes(6, '\0');
}

Bytes jpeg_segment(int code, const Bytes& data) {
  return "\xff"s + static_cast<char>(code) + big_endian(data.size() + 2, 2) + data;
}

Bytes with_exif(Bytes jpeg, const Bytes& tiff) {
  return jpeg.insert(2, jpeg_segment(0xe1, "Exif\0\0"s + tiff));
}

/// What the camera stores if the image is to be seen upright under this orientation (Exif 2.32, 4.6.4).
cv::Mat stored_for(const cv::Mat& upright, int orientation) {
  cv::Mat stored = upright.clone();
  const auto turn = [&](int code) { cv::rotate(stored.clone(), stored, code); };
  const auto mirror = [&] { cv::flip(stored.clone(), stored, 1); };
  if (orientation == 2) mirror();
  if (orientation == 3) turn(cv::ROTATE_180);
  if (orientation == 4) turn(cv::ROTATE_180), mirror();
  if (orientation == 5) turn(cv::ROTATE_90_COUNTERCLOCKWISE), cv::flip(stored.clone(), stored, 0);
  if (orientation == 6) turn(cv::ROTATE_90_COUNTERCLOCKWISE);
  if (orientation == 7) turn(cv::ROTATE_90_CLOCKWISE), cv::flip(stored.clone(), stored, 0);
  if (orientation == 8) turn(cv::ROTATE_90_CLOCKWISE);
  return stored;
}

/// 16x16 pixels of one colour in four inks.
Bytes four_inks(const std::array<unsigned char, 4>& inks, J_COLOR_SPACE space, bool adobe) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &data, &size);
  jpeg.image_width = jpeg.image_height = 16;
  jpeg.input_components = 4;
  jpeg.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_colorspace(&jpeg, space);
  jpeg_set_quality(&jpeg, 100, TRUE);
  jpeg.write_Adobe_marker = adobe ? TRUE : FALSE;
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<unsigned char> row;
  for (int i = 0; i < 16; ++i) row.insert(row.end(), inks.begin(), inks.end());
  for (JSAMPROW at = row.data(); jpeg.next_scanline < jpeg.image_height;) jpeg_write_scanlines(&jpeg, &at, 1);
  jpeg_finish_compress(&jpeg);
  Bytes bytes(reinterpret_cast<char*>(data), size);
  jpeg_destroy_compress(&jpeg);
  std::free(data);
  return bytes;
}

/// Where the segment of this code starts.
std::size_t segment(const Bytes& jpeg, int code) {
  return jpeg.find("\xff"s + static_cast<char>(code));
}

class BrokenInputs : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const Bytes& bytes) const {
    fs::create_directories((root() / name).parent_path());
    std::ofstream(root() / name, std::ios::binary) << bytes;
    return root() / name;
  }
  const fs::path& root() const { return folder_.path(); }
  int inputs() const { return inputs_; }

  /// The input is used and gives these pixels.
  void reads(const std::string& name, const Bytes& bytes, const Reader& read, const cv::Mat& expected,
             double tolerance = 0) {
    SCOPED_TRACE(name);
    const fs::path path = write(name, bytes);
    accepted([&] {
      const cv::Mat pixels = read(path);
      ASSERT_EQ(pixels.type(), expected.type());
      ASSERT_EQ(pixels.size(), expected.size());
      EXPECT_LE(cv::norm(pixels, expected, cv::NORM_INF), tolerance);
    });
  }
  void accepted(const std::function<void()>& use) {
    ++inputs_;
    listen([&] { EXPECT_NO_THROW(use()); });
  }

  void refused(const std::string& name, const Bytes& bytes, const Reader& read, const std::string& words) {
    SCOPED_TRACE(name);
    const fs::path path = write(name, bytes);
    refused(
        path.filename().string(), [&] { read(path); }, words);
  }
  /// Refused by a line with the file's name and these words.
  void refused(const std::string& file, const std::function<void()>& use, const std::string& words) {
    SCOPED_TRACE(file + ": " + words);
    ++inputs_;
    std::string message;
    listen([&] {
      try {
        use();
        ADD_FAILURE() << "no error";
      } catch (const DataError& error) {
        message = error.what();
      } catch (const std::exception& error) {
        ADD_FAILURE() << "not a DataError: " << error.what();
      }
    });
    EXPECT_NE(message.find(file), std::string::npos) << message;
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 1000u);
  }

  /// Read or refused: what a damaged file holds cannot always be known, but nothing crashes or talks.
  void survives(const std::string& name, const Bytes& bytes, const Reader& read) {
    SCOPED_TRACE(name);
    const fs::path path = write(name, bytes);
    ++inputs_;
    listen([&] {
      try {
        read(path);
      } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find(path.filename().string()), std::string::npos);
      }
    });
  }

 private:
  static void listen(const std::function<void()>& use) {
    ::testing::internal::CaptureStderr();
    use();
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  }

  testing::TemporaryFolder folder_;
  int inputs_ = 0;
};

TEST_F(BrokenInputs, Jpeg) {
  const cv::Mat image = gradient(20, 24);
  const Bytes jpeg = encoded(".jpg", image, {cv::IMWRITE_JPEG_QUALITY, 98});
  const Bytes progressive = encoded(".jpg", image, {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  const Bytes restarts = encoded(".jpg", image, {cv::IMWRITE_JPEG_RST_INTERVAL, 1});
  const auto opencv = [](const Bytes& bytes) {
    return cv::imdecode(std::vector<char>(bytes.begin(), bytes.end()), cv::IMREAD_COLOR);
  };
  const std::size_t tables = segment(jpeg, 0xc4), frame = segment(jpeg, 0xc0), scan = segment(jpeg, 0xda);
  ASSERT_LT(scan, jpeg.size());
  const auto cut = [&](std::size_t size) { return jpeg.substr(0, size); };

  reads("plain.jpg", jpeg, read_image, opencv(jpeg));
  reads("progressive.jpg", progressive, read_image, opencv(progressive));
  reads("restart markers.jpg", restarts, read_image, opencv(restarts));
  reads("named.png", jpeg, read_image, opencv(jpeg));
  reads("CAPITALS.JPG", jpeg, read_image, opencv(jpeg));
  reads("no_extension", jpeg, read_image, opencv(jpeg));
  reads("bytes behind the end.jpg", jpeg + "behind", read_image, opencv(jpeg));
  reads("two images.jpg", jpeg + progressive, read_image, opencv(jpeg));
  reads("comment.jpg", Bytes(jpeg).insert(2, jpeg_segment(0xfe, "\xff\xd9\xff\xda")), read_image,
        opencv(jpeg));
  const Bytes one_channel = encoded(".jpg", grey({{0, 90}, {180, 255}}));
  reads("grey.jpg", one_channel, read_image, opencv(one_channel));
  reads("1x1.jpg", encoded(".jpg", cv::Mat(1, 1, CV_8UC3, cv::Scalar(9, 9, 9))), read_image,
        cv::Mat(1, 1, CV_8UC3, cv::Scalar(9, 9, 9)), 1);
  // Inks are stored inverted: red = cyan * black / 255 ... The same numbers as PIL's within rounding.
  const cv::Mat inks(16, 16, CV_8UC3, cv::Scalar(35, 71, 141));
  const std::array<unsigned char, 4> cmyk = {200, 100, 50, 180};
  reads("cmyk adobe.jpg", four_inks(cmyk, JCS_CMYK, true), read_image, inks, 3);
  reads("ycck adobe.jpg", four_inks(cmyk, JCS_YCCK, true), read_image, inks, 3);
  reads("cmyk.jpg", four_inks(cmyk, JCS_CMYK, false), read_image, inks, 3);

  refused("empty.jpg", "", read_image, "empty");
  for (const std::size_t size : {std::size_t{2}, std::size_t{3}, std::size_t{4}, std::size_t{11}, tables + 2,
                                 tables + 9, frame + 1, frame + 6, scan, scan + 1, scan + 5,
                                 (scan + jpeg.size()) / 2, jpeg.size() - 3, jpeg.size() - 2, jpeg.size() - 1})
    refused("cut at " + std::to_string(size) + ".jpg", cut(size), read_image, "truncated JPEG");
  refused("progressive cut.jpg", progressive.substr(0, progressive.size() * 2 / 3), read_image,
          "truncated JPEG");
  refused("cut but closed.jpg", cut((scan + jpeg.size()) / 2) + "\xff\xd9", read_image, "damaged JPEG");
  refused("no image data.jpg", jpeg.substr(0, 2) + "\xff\xd9", read_image, "damaged JPEG");
  // As in MJPEG; the tables of ITU-T T.81, annex K, hold then.
  reads("no tables.jpg", jpeg.substr(0, tables) + jpeg.substr(scan), read_image, opencv(jpeg));
  Bytes changed = jpeg;
  changed.replace(frame + 5, 2, "\0\0"s);  // its number of lines would follow in a DNL segment
  refused("0 lines.jpg", changed, read_image, "damaged JPEG");
  changed = jpeg;
  changed.replace(frame + 5, 4, "\x4e\x20\x4e\x20");
  refused("20000x20000.jpg", changed, read_image, "20000x20000 pixels");
  changed = jpeg;
  changed[frame + 4] = 12;
  refused("12 bits.jpg", changed, read_image, "damaged JPEG");
  changed = restarts;
  changed[segment(changed, 0xd1) + 1] = '\xd5';
  refused("wrong restart.jpg", changed, read_image, "damaged JPEG");
  for (std::size_t at = scan + 14; at + 2 < jpeg.size(); at += 23) {
    changed = jpeg;
    changed[at] ^= 0x10;
    survives("bit flipped at " + std::to_string(at) + ".jpg", changed, read_image);
  }
  EXPECT_GE(inputs(), 45);
}

TEST_F(BrokenInputs, ExifOrientation) {
  const cv::Mat upright = gradient(16, 24);
  cv::Mat square = cv::Mat::zeros(16, 16, CV_8UC1);
  square.rowRange(0, 4).setTo(255);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string number = std::to_string(orientation);
    const Bytes jpeg = encoded(".jpg", stored_for(upright, orientation), {cv::IMWRITE_JPEG_QUALITY, 100});
    reads("little endian " + number + ".jpg", with_exif(jpeg, exif(orientation)), read_image, upright, 40);
    const Bytes turned = with_exif(jpeg, exif(orientation, false));
    reads("big endian " + number + ".jpg", turned, read_image,
          cv::imdecode(std::vector<char>(turned.begin(), turned.end()), cv::IMREAD_COLOR));
    EXPECT_EQ(read_stored_image(root() / ("big endian " + number + ".jpg")).orientation, orientation);
    Bytes png = encoded(".png", stored_for(square, orientation));
    png.insert(33, png_chunk("eXIf", exif(orientation)));
    reads("square mask " + number + ".png", png, read_mask_values, square);
    const Bytes mask = encoded(".jpg", stored_for(square, orientation), {cv::IMWRITE_JPEG_QUALITY, 100});
    reads("jpeg mask " + number + ".jpg", with_exif(mask, exif(orientation)), read_mask_values, square, 2);
  }
  const Bytes jpeg = encoded(".jpg", upright, {cv::IMWRITE_JPEG_QUALITY, 100});
  for (const Bytes& tiff : {""s, "II*\0"s, "XX*\0\x08\0\0\0"s, exif(9), exif(0), exif(6).substr(0, 15),
                            "II*\0\xff\xff\xff\xff"s, "II*\0\x08\0\0\0\xff\xff"s})
    reads("nonsense in exif.jpg", with_exif(jpeg, tiff), read_image, upright, 40);
  EXPECT_EQ(inputs(), 40);
}

TEST_F(BrokenInputs, Png) {
  const cv::Mat pixels = bgr({{10, 20}, {30, 40}});
  const Png plain;
  const Bytes png = plain.bytes();
  const auto with = [](const std::function<void(Png&)>& change) {
    Png changed;
    change(changed);
    return changed.bytes();
  };
  reads("grey.png", png, read_image, pixels);
  reads("named.jpg", png, read_image, pixels);
  reads("bytes behind the end.png", png + "behind", read_image, pixels);
  reads("1x1.png", with([](Png& p) { p.width = p.height = 1, p.rows = "\0\x07"s; }), read_image, bgr({{7}}));
  reads("1 bit.png", with([](Png& p) { p.bits = 1, p.rows = "\0\x40\0\x80"s; }), read_image,
        bgr({{0, 255}, {255, 0}}));
  reads("2 bits.png", with([](Png& p) { p.bits = 2, p.rows = "\0\x10\0\xe0"s; }), read_image,
        bgr({{0, 85}, {255, 170}}));
  reads("4 bits.png", with([](Png& p) { p.bits = 4, p.rows = "\0\x01\0\xfe"s; }), read_image,
        bgr({{0, 17}, {255, 238}}));
  const Bytes wide = with([](Png& p) { p.bits = 16, p.rows = "\0\x0a\x80\x14\0\0\x1e\xff\x28\x01"s; });
  reads("16 bits.png", wide, read_image, pixels);
  const Bytes colors = png_chunk("PLTE", "\0\0\0\x80\x10\x20"s);
  const auto palette = [&](Png& p) { p.bits = 1, p.type = 3, p.rows = "\0\x40\0\x80"s, p.extra = colors; };
  cv::Mat red(2, 2, CV_8UC3, cv::Scalar(0, 0, 0));
  red.at<cv::Vec3b>(0, 1) = red.at<cv::Vec3b>(1, 0) = {0x20, 0x10, 0x80};
  reads("palette.png", with(palette), read_image, red);
  reads("palette of a mask.png", with(palette), read_mask_values, grey({{0, 1}, {1, 0}}));
  const auto clear = [&](Png& p) { palette(p), p.extra += png_chunk("tRNS", "\0"s); };
  reads("transparent palette.png", with(clear), read_image, red);
  reads("transparent palette of a mask.png", with(clear), read_mask_values, grey({{0, 1}, {1, 0}}));
  const auto levels = [&](Png& p) { palette(p), p.extra = png_chunk("PLTE", "\0\0\0\xc8\xc8\xc8"s); };
  reads("grey palette.png", with(levels), read_mask_values, grey({{0, 200}, {200, 0}}));
  const auto black = [&](Png& p) { palette(p), p.extra = png_chunk("PLTE", "\0\0\0\0\0\0"s); };
  const auto beyond = [&](Png& p) { palette(p), p.extra = png_chunk("PLTE", "\0\0\0"s); };
  refused("index beyond the palette.png", with(beyond), read_mask_values,
          "an index of 1 into a palette of 1 colours");
  reads("black palette.png", with(black), read_mask_values, grey({{0, 1}, {1, 0}}));
  reads("transparent grey.png", with([](Png& p) { p.extra = png_chunk("tRNS", "\0\x0a"s); }), read_image,
        pixels);
  reads("grey and alpha.png",
        with([](Png& p) { p.type = 4, p.rows = "\0\x0a\x01\x14\x02\0\x1e\x03\x28\xff"s; }), read_image,
        pixels);
  cv::Mat rgba;
  cv::cvtColor(pixels, rgba, cv::COLOR_BGR2BGRA);
  reads("rgba.png", encoded(".png", rgba), read_image, pixels);
  // Adam7 of 2x2: passes 1 (0, 0), 6 (0, 1) and 7 (row 1).
  reads("interlaced.png", with([](Png& p) { p.interlace = 1, p.rows = "\0\x0a\0\x14\0\x1e\x28"s; }),
        read_image, pixels);
  reads("text.png",
        with([](Png& p) { p.extra = png_chunk("tEXt", "Comment\0words"s) + png_chunk("tEXt", "bad"); }),
        read_image, pixels);
  reads("bad profile.png", with([](Png& p) { p.extra = png_chunk("iCCP", "bad\0\0profile"s); }), read_image,
        pixels);
  reads("unknown chunk.png", with([](Png& p) { p.extra = png_chunk("prVt", "?"); }), read_image, pixels);
  reads("bad gamma and size.png", with([](Png& p) {
          p.extra = png_chunk("gAMA", "\0\0\0\0"s) + png_chunk("pHYs", "?") + png_chunk("sRGB", "\x09");
        }),
        read_image, pixels);
  reads("more rows than said.png", with([](Png& p) { p.rows += "\0\xff\xff"s; }), read_image, pixels);
  const Bytes packed = deflated(plain.rows);
  reads("bytes behind the pixels.png", with([&](Png& p) { p.idat = packed + "behind"; }), read_image, pixels);
  reads("split pixels.png", with([&](Png& p) {
          p.extra = png_chunk("IDAT", packed.substr(0, 5)) + png_chunk("IDAT", ""), p.idat = packed.substr(5);
        }),
        read_image, pixels);

  for (std::size_t size = 8; size < png.size(); size += 4)
    refused("cut at " + std::to_string(size) + ".png", png.substr(0, size), read_image, "truncated PNG");
  for (const std::size_t at : {std::size_t{20}, std::size_t{30}, std::size_t{45}, std::size_t{52}}) {
    Bytes changed = png;
    changed[at] ^= 1;
    refused("changed at " + std::to_string(at) + ".png", changed, read_image, "damaged PNG");
  }
  refused("signature alone.png", png.substr(0, 8), read_image, "truncated PNG");
  refused("20000x20000.png", with([](Png& p) { p.width = p.height = 20000; }), read_image,
          "20000x20000 pixels");
  refused("2147483647x2147483647.png", with([](Png& p) { p.width = p.height = 0x7fffffff; }), read_image,
          "2147483647x2147483647 pixels");
  refused("2147483647x1.png", with([](Png& p) { p.width = 1, p.height = 0x7fffffff; }), read_image,
          "2147483647x1 pixels");
  refused("size above 31 bits.png", with([](Png& p) { p.width = 0x80000000U; }), read_image, "damaged PNG");
  refused("0x0.png", with([](Png& p) { p.width = p.height = 0; }), read_image, "damaged PNG");
  refused("no pixels.png", with([](Png& p) { p.idat = ""; }), read_image, "damaged PNG");
  refused("fewer rows than said.png", with([](Png& p) { p.height = 3; }), read_image, "damaged PNG");
  refused("half a row missing.png", with([](Png& p) { p.rows.pop_back(); }), read_image, "damaged PNG");
  refused("fewer rows of a mask.png", with([](Png& p) { p.height = 3; }), read_mask_values, "damaged PNG");
  refused("no zlib.png", with([](Png& p) { p.idat = "these are no pixels"; }), read_image, "damaged PNG");
  refused("no checksum of pixels.png",
          with([&](Png& p) { p.height = 9, p.idat = packed.substr(0, packed.size() - 4); }), read_image,
          "damaged PNG");
  refused("wrong checksum of pixels.png",
          with([&](Png& p) { p.idat = packed.substr(0, packed.size() - 1) + "?"; }), read_image,
          "damaged PNG");
  refused("unknown filter.png", with([](Png& p) { p.rows[0] = '\x09'; }), read_image, "damaged PNG");
  refused("3 bits.png", with([](Png& p) { p.bits = 3; }), read_image, "damaged PNG");
  refused("colour type 5.png", with([](Png& p) { p.type = 5; }), read_image, "damaged PNG");
  refused("palette missing.png", with([](Png& p) { p.type = 3; }), read_image, "damaged PNG");
  refused("unknown critical chunk.png", with([](Png& p) { p.extra = png_chunk("CgBI", "abcd"); }), read_image,
          "damaged PNG");
  refused("endless chunk.png", png.substr(0, 33) + "\x7f\xff\xff\xff" + png.substr(37), read_image, "PNG");
  EXPECT_GE(inputs(), 60);
}

TEST_F(BrokenInputs, HeadersThatAnnounceGigabytesCostNothing) {
  const auto peak = [] {
    rusage usage = {};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;  // KiB
  };
  const auto before = peak();
  Png huge;
  huge.width = huge.height = 20000;
  refused("huge.png", huge.bytes(), read_image, "more than 134217728 pixels");
  refused("huge mask.png", huge.bytes(), read_mask_values, "more than 134217728 pixels");
  Bytes jpeg = encoded(".jpg", gradient(8, 8));
  jpeg.replace(segment(jpeg, 0xc0) + 5, 4, "\xff\xdc\xff\xdc");
  refused("huge.jpg", jpeg, read_image, "65500x65500");
  Bytes bmp = encoded(".bmp", gradient(8, 8));
  bmp.replace(18, 8, little_endian(20000) + little_endian(20000));
  refused("huge.bmp", bmp, read_image, "20000x20000");
  EXPECT_LT(peak() - before, 64 << 10);
  EXPECT_EQ(inputs(), 4);
}

TEST_F(BrokenInputs, OtherFormatsAndNoImages) {
  const cv::Mat image = gradient(12, 10);
  const Bytes bmp = encoded(".bmp", image), webp = encoded(".webp", image, {cv::IMWRITE_WEBP_QUALITY, 101}),
              tiff = encoded(".tiff", image, {cv::IMWRITE_TIFF_COMPRESSION, 1});
  reads("a.bmp", bmp, read_image, image);
  reads("a.webp", webp, read_image, image);
  reads("a.tiff", tiff, read_image, image);
  std::vector<unsigned char> pages;
  const fs::path several = root() / "pages.tiff";
  cv::imwritemulti(several.string(), std::vector<cv::Mat>{image, gradient(5, 5)});
  reads("pages.tiff", read_file(several), read_image, image);
  reads("grey.bmp", encoded(".bmp", grey({{1, 2}, {3, 4}})), read_image, bgr({{1, 2}, {3, 4}}));
  for (const auto& [name, bytes] : {std::pair{"a.bmp", bmp}, {"a.webp", webp}, {"a.tiff", tiff}}) {
    for (const std::size_t size : {std::size_t{14}, std::size_t{25}, bytes.size() / 2, bytes.size() - 1})
      refused(std::to_string(size) + " bytes of " + name, bytes.substr(0, size), read_image, "");
  }
  for (const Bytes& start : {bmp, webp, tiff, "RIFF\4\0\0\0WAVE"s}) {
    for (std::size_t size = 1; size < 13; ++size)
      refused(std::to_string(size) + " bytes", start.substr(0, size), read_image, "");
  }
  Bytes changed = bmp;
  changed.replace(30, 4, little_endian(9));
  refused("compression 9.bmp", changed, read_image, "a damaged BMP");
  changed = tiff;
  changed.replace(changed.find("\x06\x01\x03\0"s), 2, "\x07\x01");
  refused("uninterpreted.tiff", changed, read_image, "tag 262");
  changed = bmp;
  changed.replace(18, 8, little_endian(0) + little_endian(0));
  refused("0x0.bmp", changed, read_image, "0x0");
  changed = bmp;
  changed.replace(22, 4, little_endian(0x80000000U));
  refused("lowest height.bmp", changed, read_image, "2147483648x10");
  refused("a.gif", "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"s, read_image,
          "not an image");
  refused("text.jpg", "these are words", read_image, "not an image");
  refused("page not found.jpg", "<!DOCTYPE html>\n<html>404</html>\n", read_image, "not an image");
  refused("git-lfs.jpg", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", read_image,
          "not an image");
  const fs::path sparse = write("sparse.jpg", "");
  fs::resize_file(sparse, std::uintmax_t{1} << 36);  // takes no space
  refused(
      "sparse.jpg", [&] { read_image(sparse); }, "has 68719476736 bytes");
  fs::remove(sparse);
  refused("zeros.png", Bytes(1000, '\0'), read_image, "not an image");
  refused("a.ppm", "P6 1 1 255\nabc", read_image, "not an image");
  const fs::path control = write("control\x1b[31m.jpg", "");
  refused(
      "control?[31m.jpg", [&] { read_image(control); }, "empty");
  fs::create_directory(root() / "folder.jpg");
  refused(
      "folder.jpg", [&] { read_image(root() / "folder.jpg"); }, "Is a directory");
  refused(
      "absent.jpg", [&] { read_image(root() / "absent.jpg"); }, "No such file");
  fs::create_symlink("nowhere", root() / "link.jpg");
  refused(
      "link.jpg", [&] { read_image(root() / "link.jpg"); }, "No such file");
  fs::create_symlink("loop.jpg", root() / "loop.jpg");
  refused(
      "loop.jpg", [&] { read_image(root() / "loop.jpg"); }, "symbolic links");
  reads("Übung mit Leerzeichen.png", encoded(".png", image), read_image, image);
  reads("u\xcc\x88 decomposed.png", encoded(".png", image), read_image, image);
  if (::geteuid() != 0) {  // root reads everything
    const fs::path secret = write("secret.jpg", bmp);
    fs::permissions(secret, fs::perms::none);
    refused(
        "secret.jpg", [&] { read_image(secret); }, "Permission denied");
  }
  EXPECT_GE(inputs(), 32);
}

TEST_F(BrokenInputs, Masks) {
  const cv::Mat shape = grey({{0, 255}, {255, 0}});
  cv::Mat wide, color, alpha, floats;
  shape.convertTo(wide, CV_16U, 257);
  refused("0 and 65535.png", encoded(".png", wide), read_mask_values, "65535 is above 255");
  wide = cv::Mat(1, 3, CV_16U, cv::Scalar(0));
  wide.at<std::uint16_t>(1) = 255, wide.at<std::uint16_t>(2) = 257;
  refused("0, 255, 257.png", encoded(".png", wide), read_mask_values, "257 is above 255");
  shape.convertTo(wide, CV_16U);
  reads("16 bits.png", encoded(".png", wide), read_mask_values, shape);
  cv::cvtColor(shape, color, cv::COLOR_GRAY2BGR);
  reads("three equal channels.png", encoded(".png", color), read_mask_values, shape);
  reads("three equal channels.bmp", encoded(".bmp", color), read_mask_values, shape);
  reads("bmp.bmp", encoded(".bmp", shape), read_mask_values, shape);
  color.at<cv::Vec3b>(0, 1) = {0, 0, 255};
  refused("red on black.png", encoded(".png", color), read_mask_values, "in colours");
  color.setTo(cv::Scalar(255, 0, 0));
  refused("blue.jpg", encoded(".jpg", color), read_mask_values, "in colours");
  cv::cvtColor(shape, alpha, cv::COLOR_GRAY2BGRA);
  reads("with alpha.png", encoded(".png", alpha), read_mask_values, shape);
  alpha.setTo(cv::Scalar(0, 0, 0, 0));
  alpha.at<cv::Vec4b>(0, 1)[3] = 255;
  refused("alpha alone.png", encoded(".png", alpha), read_mask_values, "but for its alpha");
  shape.convertTo(floats, CV_32F);
  refused("floats.tiff", encoded(".tiff", floats), read_mask_values, "8 or 16 bits");
  refused("no alpha.png", encoded(".png", shape), read_alpha, "no alpha channel");
  EXPECT_EQ(inputs(), 12);
}

/// A data set of `Images` and `Labels` with one broken member.
class BrokenDataset : public BrokenInputs {
 protected:
  BrokenDataset() {
    for (int i = 0; i < 3; ++i) add(std::to_string(i), gradient(6, 8 + i), mask(6, 8 + i, 255));
  }
  static cv::Mat mask(int height, int width, int value) {
    cv::Mat result = cv::Mat::zeros(height, width, CV_8UC1);
    result.rowRange(0, height / 2).setTo(value);
    return result;
  }
  void add(const std::string& stem, const cv::Mat& image, const cv::Mat& labels) {
    write("Images/" + stem + ".png", encoded(".png", image));
    write("Labels/" + stem + ".png", encoded(".png", labels));
  }
  std::shared_ptr<const Dataset> open(OnError on_error = OnError::kFail) const {
    FoldersOptions options;
    options.root = root().string();
    return options.open("list.txt", on_error);
  }
  void lists(const std::string& name, const Bytes& text, const std::vector<std::string>& ids) {
    SCOPED_TRACE(name);
    write("list.txt", text);
    accepted([&] {
      const auto set = open();
      ASSERT_EQ(static_cast<std::size_t>(set->size()), ids.size());
      for (std::size_t i = 0; i < ids.size(); ++i)
        EXPECT_EQ(set->get(static_cast<std::int64_t>(i)).id, ids[i]);
    });
  }
  void refuses(const Bytes& text, const std::string& file, const std::string& words) {
    write("list.txt", text);
    refused(
        file, [&] { open(); }, words);
  }
  /// What verify says about the image "x" among sound ones.
  std::string verified() {
    write("list.txt", "0.png\n1.png\nx.png\n");
    std::string said;
    accepted([&] {
      for (const auto& finding : verify({{"list", open(OnError::kSkip)}}, {}).findings)
        said += problem_name(finding.problem) + " " + finding.id + "; ";
    });
    return said;
  }
};

TEST_F(BrokenDataset, Lists) {
  const std::vector<std::string> both = {"0", "1"};
  lists("plain", "0.png\n1.png\n", both);
  lists("no line end", "0.png\n1.png", both);
  lists("CRLF", "0.png\r\n1.png\r\n", both);
  lists("CR", "0.png\r1.png\r", both);
  lists("byte-order mark",
        "\xef\xbb\xbf"
        "0.png\n1.png\n",
        both);
  lists("byte-order mark and CRLF", "\xef\xbb\xbf\r\n0.png\r\n1.png", both);
  lists("blank lines", "\n\n0.png\n \t\n\n1.png\n\n\n", both);
  lists("blanks around", "  0.png  \n\t1.png\t\n", both);
  lists("dots", "./0.png\n././1.png\n", {"./0", "././1"});
  add("with blanks", gradient(6, 6), mask(6, 6, 255));
  add("Jürgen", gradient(6, 7), mask(6, 7, 255));
  add("Ju\xcc\x88rgen", gradient(6, 5), mask(6, 5, 255));
  add("日本", gradient(6, 4), mask(6, 4, 255));
  add("100%s", gradient(6, 3), mask(6, 3, 255));
  add("-rf \"quoted\"", gradient(6, 2), mask(6, 2, 255));
  lists("odd names",
        "with blanks.png\nJürgen.png\nJu\xcc\x88rgen.png\n日本.png\n100%s.png\n-rf \"quoted\".png\n",
        {"with blanks", "Jürgen", "Ju\xcc\x88rgen", "日本", "100%s", "-rf \"quoted\""});

  refuses("", "list.txt", "empty");
  refuses("\xef\xbb\xbf", "list.txt", "empty");
  refuses("\r\n \t\r\n", "list.txt", "empty");
  refuses("0.png\n0.png\n", "list.txt", "'0' twice");
  refuses("0.png\n0.jpg\n", "list.txt", "'0' twice");
  refuses("0.PNG\n", "0.PNG", "did you mean 0.png?");
  refuses("0.Png\n", "0.Png", "did you mean 0.png?");
  refuses("0.png\nabsent.png\n", "absent.png", "no such image");
  refuses("0.png\n0.png 1.png\n", "0.png 1.png", "no such image");
  refuses("0.png\0\n"s, "list.txt", "bytes of value 0");
  refuses(
      "\xff\xfe"
      "0\0.\0p\0n\0g\0\n\0"s,
      "list.txt", "UTF-16");
  refuses(Bytes(10 << 20, 'a') + "\n", "list.txt", "line 1 has 10485760 bytes");
  refuses("0.png\n" + Bytes(300, 'b') + ".png\n", Bytes(300, 'b'), "no such image");
  refuses("0.png\nb\x1b[31m.png\n", "b?[31m.png", "no such image");
  refuses("0.png\n\xff\xfe\xfd\n", "\xff\xfe\xfd", "no such image");
  refuses((root() / "Images/0.png").string() + "\n", "0.png", "image and mask at once");
  refuses("../Images/0.png\n", "0.png", "image and mask at once");
  refuses("/etc/passwd\n", "passwd", "without mask");
  refuses("..\n", "..", "no such image");
  fs::remove(root() / "Labels/1.png");
  refuses("0.png\n1.png\n", "1.png", "image without mask");
  fs::rename(root() / "Labels/2.png", root() / "Labels/2.PNG");
  refuses("0.png\n2.png\n", "2.png", "did you mean 2.PNG?");
  fs::remove(root() / "list.txt");
  refused(
      "list.txt", [&] { open(); }, "no such list");
  fs::create_directory(root() / "list.txt");
  refused(
      "list.txt", [&] { open(); }, "no such list");
  EXPECT_EQ(inputs(), 33);
}

TEST_F(BrokenDataset, VerifyNamesWhatIsWrongWithAMask) {
  add("x", gradient(6, 9), mask(6, 9, 0));
  EXPECT_EQ(verified(), "empty_mask x; duplicate x; ");
  add("x", gradient(5, 9), mask(5, 9, 255));
  EXPECT_EQ(verified(), "");
  add("x", gradient(5, 9), mask(9, 5, 255));
  EXPECT_EQ(verified(), "mask_size x; ");
  add("x", gradient(5, 9), mask(5, 9, 128));
  EXPECT_EQ(verified(), "");  // the whole set is now one of grey levels
  add("x", gradient(5, 9), mask(5, 9, 255));
  write("Labels/x.png", "");
  EXPECT_EQ(verified(), "unusable x; ");
  add("x", gradient(5, 9), mask(5, 9, 255));
  Bytes png = encoded(".png", stored_for(gradient(5, 5), 3));
  write("Images/x.png", png.insert(33, png_chunk("eXIf", exif(3))));
  write("Labels/x.png", encoded(".png", mask(5, 5, 255)));
  EXPECT_EQ(verified(), "turned x; ");
  png = encoded(".png", stored_for(gradient(5, 9), 6));
  write("Images/x.png", png.insert(33, png_chunk("eXIf", exif(6))));
  write("Labels/x.png", encoded(".png", mask(9, 5, 255)));
  EXPECT_EQ(verified(), "mask_size x; ");
  add("x", grey({{1, 2}, {3, 4}}), mask(2, 2, 255));
  EXPECT_EQ(verified(), "grey_file x; ");
  add("x", bgr({{1, 2}, {3, 4}}), mask(2, 2, 255));
  EXPECT_EQ(verified(), "grey x; ");
  for (const char* stem : {"0", "1", "x"})
    write("Labels/" + std::string(stem) + ".png", encoded(".png", mask(6, 8, 0)));
  write("list.txt", "0.png\n1.png\nx.png\n");
  refused(
      "0.png", [&] { open(); }, "all background");
  cv::Mat three = mask(6, 8, 1);
  three.row(5).setTo(2);
  write("Labels/0.png", encoded(".png", three));
  refused(
      "0.png", [&] { open(); },
      "has the value 2, and with the set's others the mask values 0, 1, 2 are none");
  add("1", gradient(6, 9), mask(6, 9, 1));
  add("x", gradient(6, 10), mask(6, 10, 1));
  EXPECT_EQ(verified(), "unusable 0; ");  // the others still make sense
  EXPECT_EQ(inputs(), 12);
}

TEST_F(BrokenInputs, SuperviselyAnnotations) {
  write("ds1/img/a.png", encoded(".png", gradient(10, 12)));
  const auto annotation = [](const Bytes& object) {
    return "{\"size\":{\"height\":10,\"width\":12},\"objects\":[{\"classTitle\":\"person_poly\"," + object +
           "}]}";
  };
  const auto polygon = [&](const Bytes& points) {
    return annotation("\"points\":{\"exterior\":" + points + ",\"interior\":[]}");
  };
  const auto bitmap = [&](const Bytes& data, const Bytes& origin = "[1,1]") {
    return annotation("\"bitmap\":{\"data\":\"" + data + "\",\"origin\":" + origin + "}");
  };
  const Reader read = [&](const fs::path&) {
    SuperviselyOptions options;
    options.root = root().string();
    return options.open("all", OnError::kFail)->get(0).mask;
  };
  const std::string name = "ds1/ann/a.png.json";
  cv::Mat box = cv::Mat::zeros(10, 12, CV_8UC1);
  box(cv::Rect(2, 2, 3, 3)).setTo(1);
  const Bytes good = polygon("[[2,2],[4,2],[4,4],[2,4]]");
  reads(name, good, read, box);
  reads(name, "\xef\xbb\xbf" + good, read, box);
  cv::Mat rows = cv::Mat::zeros(10, 12, CV_8UC1);
  rows.rowRange(5, 10).setTo(1);
  reads(name, polygon("[[-900000,5],[900000,5],[900000,800000],[-900000,800000]]"), read, rows);
  for (const std::size_t size : {std::size_t{1}, good.size() / 3, good.size() / 2, good.size() - 1})
    refused(name, good.substr(0, size), read, "not JSON");
  const std::vector<std::pair<Bytes, std::string>> broken = {
      {"", "not JSON"},
      {"null", "JSON object"},
      {"[]", "JSON object"},
      {"{}", "no list 'objects'"},
      {Bytes(200000, '['), "not JSON"},
      {Bytes(200000, '[') + Bytes(200000, ']'), "JSON object"},
      {"{\"objects\":{}}", "no list 'objects'"},
      {"{\"objects\":[]}", "no objects"},
      {"{\"objects\":[7]}", "not an annotation"},
      {"{\"objects\":[{}]}", "not an annotation"},
      {"{\"objects\":[{\"classTitle\":7}]}", "not an annotation"},
      {"{\"objects\":[{\"classTitle\":\"a\\nb\"}]}", "unknown class"},
      {"{\"objects\":[{\"classTitle\":\"\xff\"}]}", "not JSON"},
      {"{\"size\":7,\"objects\":[]}", "not an annotation"},
      {"{\"size\":{\"height\":12,\"width\":10},\"objects\":[]}", "annotates an image of 12x10"},
      {"{\"size\":{\"height\":\"10\",\"width\":12},\"objects\":[]}", "not an annotation"},
      {annotation("\"x\":1"), "neither a polygon nor a bitmap"},
      {annotation("\"points\":7"), "neither a polygon nor a bitmap"},
      {annotation("\"points\":{\"exterior\":[[1,1],[2,2],[3,1]],\"interior\":7}"), "three points"},
      {polygon("7"), "three points"},
      {polygon("[]"), "three points"},
      {polygon("[[1,1]]"), "three points"},
      {polygon("[[1,1],[2,2]]"), "three points"},
      {polygon("[[1,1],[2,2],[3]]"), "not [x, y]"},
      {polygon("[[1,1],[2,2],[3,\"3\"]]"), "not [x, y]"},
      {polygon("[[1,1],[2,2],[3,NaN]]"), "not JSON"},
      {polygon("[[1,1],[2,2],[3,1e999]]"), "not JSON"},
      {polygon("[[1,1],[2,2],[3,1e18]]"), "too far outside"},
      {polygon("[[50,50],[60,50],[60,60]]"), "cover no pixel"},
      {bitmap(""), "bitmap"},
      {bitmap("*!?"), "not base64"},
      {bitmap("AAAA"), "damaged or truncated"},
      {bitmap("eJwDAAAAAAE="), "empty"},               // zlib of nothing
      {bitmap("eJwrTy3KLi5JLQYADkIDHQ=="), "bitmap"},  // zlib of words
      {annotation("\"bitmap\":{\"data\":7,\"origin\":[0,0]}"), "needs data and origin"},
      {annotation("\"bitmap\":[]"), "needs data and origin"},
  };
  for (const auto& [text, words] : broken) refused(name, text, read, words);
  const auto base64 = [](const Bytes& bytes) {
    static const Bytes kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    Bytes text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
      std::size_t group = 0;
      for (std::size_t k = i; k < i + 3; ++k)
        group = group << 8 | (k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0U);
      for (std::size_t k = 0; k < 4; ++k)
        text += i + k <= bytes.size() ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
  };
  const Bytes png = encoded(".png", cv::Mat(3, 3, CV_8UC1, cv::Scalar(255)));
  reads(name, bitmap(base64(deflated(png)), "[2,2]"), read, box);
  refused(name, bitmap(base64(deflated(png)), "[2]"), read, "not [x, y]");
  refused(name, bitmap(base64(deflated(png)), "[500,500]"), read, "cover no pixel");
  refused(name, bitmap(base64(deflated(png.substr(0, 40))), "[2,2]"), read, "truncated PNG");
  refused(name, bitmap(base64(deflated(png).substr(0, 30)), "[2,2]"), read, "damaged or truncated");
  Png huge;
  huge.width = huge.height = 20000;
  refused(name, bitmap(base64(deflated(huge.bytes())), "[2,2]"), read, "20000x20000");
  EXPECT_GE(inputs(), 48);
}

TEST_F(BrokenInputs, MatFiles) {
  for (const char* folder : {"images_data_crop", "images_mask"}) fs::create_directory(root() / folder);
  write("images_data_crop/00001.jpg", encoded(".jpg", gradient(16, 8)));
  write("list.txt", "1\n");
  const std::string name = "images_mask/00001_mask.mat";
  const auto mat = [&](const char* variable, std::vector<std::size_t> dims, std::vector<double> values,
                       matio_compression compression) {
    const std::unique_ptr<mat_t, int (*)(mat_t*)> file(
        Mat_CreateVer((root() / name).c_str(), nullptr, MAT_FT_MAT5), &Mat_Close);
    const std::unique_ptr<matvar_t, void (*)(matvar_t*)> matrix(
        Mat_VarCreate(variable, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims.data(), values.data(), 0), &Mat_VarFree);
    Mat_VarWrite(file.get(), matrix.get(), compression);
  };
  const auto bytes_of = [&](const char* variable, std::size_t height, std::size_t width, double value,
                            matio_compression compression = MAT_COMPRESSION_NONE) {
    mat(variable, {height, width}, std::vector<double>(height * width, value), compression);
    return read_file(root() / name);
  };
  const Reader read = [&](const fs::path&) {
    Eg1800Options options;
    options.root = root().string();
    return options.open("list.txt", OnError::kFail)->get(0).mask;
  };
  const Bytes good = bytes_of("mask", 16, 8, 1), packed = bytes_of("mask", 16, 8, 1, MAT_COMPRESSION_ZLIB);
  reads(name, good, read, cv::Mat(16, 8, CV_8UC1, cv::Scalar(1)));
  reads(name, packed, read, cv::Mat(16, 8, CV_8UC1, cv::Scalar(1)));
  refused(name, "", read, "not a MAT file");
  refused(name, Bytes(500, '\0'), read, "not a MAT file");
  refused(name, "these are words", read, "not a MAT file");
  refused(name, good.substr(0, 128), read, "no variable 'mask'");
  for (const std::size_t size : {std::size_t{60}, std::size_t{130}, std::size_t{300}, good.size() - 1})
    refused(name, good.substr(0, size), read, "MAT file");
  for (const std::size_t size : {std::size_t{140}, packed.size() - 1})
    refused(name, packed.substr(0, size), read, "");
  Bytes changed = packed;
  changed[packed.size() - 6] ^= 4;
  refused(name, changed, read, "damaged");
  changed = good;
  changed[125] = 2;
  refused(name, changed, read, "version 7.3");
  refused(name, bytes_of("other", 16, 8, 1), read, "no variable 'mask'; it has: other");
  refused(name, bytes_of("mask", 8, 16, 1), read, "the mask is 8x16");
  refused(name, bytes_of("mask", 16, 8, 2), read, "mask value 2");
  refused(name, bytes_of("mask", 16, 8, 0.5), read, "not whole");
  refused(name, bytes_of("mask", 16, 8, -1), read, "not in 0..255");
  refused(name, bytes_of("mask", 16, 8, 0), read, "all background");
  cv::RNG random(5);
  for (int i = 0; i < 200; ++i) {
    changed = good;
    changed[static_cast<std::size_t>(random.uniform(128, 260))] = static_cast<char>(random.uniform(0, 256));
    survives(name, changed, read);
  }
  for (int i = 0; i < 20; ++i) {
    changed = good.substr(0, 128);
    for (int k = 0; k < 400; ++k) changed += static_cast<char>(random.uniform(0, 256));
    refused(name, changed, read, "");
  }
  EXPECT_GE(inputs(), 20 + 220);
}

TEST_F(BrokenInputs, EasyPortraitTables) {
  write("images/train/a.jpg", encoded(".jpg", gradient(16, 8)));
  write("annotations/train/a.png", encoded(".png", cv::Mat(16, 8, CV_8UC1, cv::Scalar(1))));
  const auto attribute = [&](const std::string& name) {
    EasyPortraitOptions options;
    options.root = root().string();
    options.metadata = "meta.csv";
    const auto attributes = options.open("train", OnError::kFail)->get(0).attributes;
    return attributes.count(name) == 0 ? "none" : attributes.at(name);
  };
  const auto reads_user = [&](const Bytes& text, const std::string& user) {
    write("meta.csv", text);
    accepted([&] { EXPECT_EQ(attribute("user_id"), user) << text; });
  };
  const auto refuses = [&](const Bytes& text, const std::string& words) {
    write("meta.csv", text);
    refused(
        "meta.csv", [&] { attribute("user_id"); }, words);
  };
  reads_user("image_name,user_id\na.jpg,7\n", "7");
  reads_user("\xef\xbb\xbfimage_name,user_id\r\na.jpg,7\r\n", "7");
  reads_user("image_name\tuser_id\na.jpg\t7", "7");
  reads_user("\"image_name\";\"user_id\"\n\"a.jpg\";\"7;\"\"\n8\"\n", "7;\"\n8");
  reads_user("image_name,user_id\n\n\nb.jpg,7\n\n", "none");
  refuses("", "the table is empty");
  refuses("user_id\n7\n", "no column image_name");
  refuses("image_name,user_id\na.jpg\n", "line 2 has 1 fields");
  refuses("image_name,user_id\na.jpg,7,8\n", "line 2 has 3 fields");
  refuses("image_name,user_id\na.jpg,\"7\n", "never closed");
  refuses(Bytes(3000, '\0'), "bytes of value 0");
  EXPECT_EQ(inputs(), 11);
}

}  // namespace
}  // namespace portraitseg
