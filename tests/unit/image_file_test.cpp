#include "portraitseg/data/image_file.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <unistd.h>

#include "portraitseg/core/error.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;
using Bytes = std::string;

Bytes big_endian(std::uint32_t value, int bytes = 4) {
  Bytes text;
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}

Bytes png_chunk(const Bytes& type, const Bytes& data) {
  std::uint32_t crc = 0xffffffffU;
  for (const char byte : type + data) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) * 0xedb88320U);
  }
  return big_endian(static_cast<std::uint32_t>(data.size())) + type + data + big_endian(~crc);
}

/// A PNG with the given colour type from rows without their filter bytes; its zlib block is stored
/// uncompressed.
Bytes png(int width, int bit_depth, int color_type, const std::vector<Bytes>& rows,
          const Bytes& extra_chunks) {
  Bytes data;
  for (const Bytes& row : rows) data += Bytes(1, '\0') + row;
  std::uint32_t a = 1, b = 0;
  for (const char byte : data) {
    a = (a + static_cast<unsigned char>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  const auto swapped = [](std::size_t n) {
    return Bytes{static_cast<char>(n & 0xff), static_cast<char>(n >> 8)};
  };
  const Bytes stored =
      "\x78\x01\x01" + swapped(data.size()) + swapped(data.size() ^ 0xffff) + data + big_endian(b << 16 | a);
  const Bytes header = big_endian(static_cast<std::uint32_t>(width)) +
                       big_endian(static_cast<std::uint32_t>(rows.size())) +
                       Bytes{static_cast<char>(bit_depth), static_cast<char>(color_type), 0, 0, 0};
  return Bytes("\x89PNG\r\n\x1a\n") + png_chunk("IHDR", header) + extra_chunks + png_chunk("IDAT", stored) +
         png_chunk("IEND", "");
}

class ImageFile : public ::testing::Test {
 protected:
  ImageFile()
      : folder_(fs::temp_directory_path() / ("portraitseg_image_file." + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    cv::RNG(7).fill(noise_, cv::RNG::UNIFORM, 0, 256);
  }
  ~ImageFile() override { fs::remove_all(folder_); }

  fs::path write(const Bytes& bytes, const std::string& name = "image") const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  static Bytes encoded(const std::string& extension, const cv::Mat& image,
                       const std::vector<int>& parameters = {}) {
    std::vector<unsigned char> bytes;
    cv::imencode(extension, image, bytes, parameters);
    return Bytes(bytes.begin(), bytes.end());
  }

  template <class Read>
  static std::string error(Read read, const fs::path& path) {
    ::testing::internal::CaptureStderr();
    std::string message = "no error";
    try {
      read(path);
    } catch (const DataError& e) {
      message = e.what();
    }
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");  // the libraries' own words would come twice
    const std::string start = path.string() + ": ";
    return message.rfind(start, 0) == 0 ? message.substr(start.size()) : message;
  }

  static bool same(const cv::Mat& a, const cv::Mat& b) {
    return a.type() == b.type() && a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
  }

  fs::path folder_;
  cv::Mat noise_ = cv::Mat(37, 53, CV_8UC3);
};

TEST_F(ImageFile, ReadsWhatOpenCvReads) {
  for (const std::string extension : {".png", ".jpg", ".bmp", ".tif"}) {
    const fs::path path = write(encoded(extension, noise_), "noise" + extension);
    EXPECT_TRUE(same(read_image(path), cv::imread(path.string(), cv::IMREAD_COLOR))) << extension;
  }
}

TEST_F(ImageFile, GreyImageIsExpanded) {
  cv::Mat grey, expanded;
  cv::cvtColor(noise_, grey, cv::COLOR_BGR2GRAY);
  cv::cvtColor(grey, expanded, cv::COLOR_GRAY2BGR);
  EXPECT_TRUE(same(read_image(write(encoded(".png", grey))), expanded));
  EXPECT_EQ(read_image(write(encoded(".jpg", grey))).type(), CV_8UC3);
}

TEST_F(ImageFile, ExifRotationIsApplied) {
  Bytes jpeg = encoded(".jpg", noise_);
  // APP1 with a little-endian TIFF header and one entry: orientation (0x0112), short, 6 = rotate by 90
  // degrees.
  const Bytes exif = Bytes("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 32);
  jpeg.insert(2, "\xff\xe1" + big_endian(static_cast<std::uint32_t>(exif.size()) + 2, 2) + exif);
  const fs::path path = write(jpeg, "rotated.jpg");
  EXPECT_EQ(read_image(path).size(), cv::Size(noise_.rows, noise_.cols));
  EXPECT_TRUE(same(read_image(path), cv::imread(path.string(), cv::IMREAD_COLOR)));
}

TEST_F(ImageFile, MissingEmptyAndForeignFilesAreErrors) {
  EXPECT_EQ(error(read_image, folder_ / "absent.png"), "cannot open: No such file or directory");
  EXPECT_EQ(error(read_image, write("")), "the file is empty");
  EXPECT_NE(error(read_image, write("these are words, no pixels")).find("not an image"), std::string::npos);
  EXPECT_EQ(error(read_image, folder_), "cannot read: Is a directory");
}

TEST_F(ImageFile, EveryTruncationOfJpegIsAnError) {
  for (const int progressive : {0, 1}) {
    const Bytes jpeg = encoded(".jpg", noise_,
                               {cv::IMWRITE_JPEG_PROGRESSIVE, progressive, cv::IMWRITE_JPEG_RST_INTERVAL, 2});
    ASSERT_TRUE(same(read_image(write(jpeg)),
                     cv::imdecode(std::vector<char>(jpeg.begin(), jpeg.end()), cv::IMREAD_COLOR)));
    for (std::size_t size = 3; size < jpeg.size(); size += 7) {
      const std::string message = error(read_image, write(jpeg.substr(0, size)));
      ASSERT_NE(message.find("truncated JPEG"), std::string::npos) << size << ": " << message;
    }
    EXPECT_NE(error(read_image, write(jpeg.substr(0, jpeg.size() - 1))).find("truncated"), std::string::npos);
  }
}

TEST_F(ImageFile, ThumbnailDoesNotHideTruncation) {
  Bytes jpeg = encoded(".jpg", noise_);
  const Bytes thumbnail = encoded(".jpg", cv::Mat(8, 8, CV_8UC3, cv::Scalar::all(9)));
  jpeg.insert(2, "\xff\xe2" + big_endian(static_cast<std::uint32_t>(thumbnail.size()) + 2, 2) + thumbnail);
  EXPECT_EQ(read_image(write(jpeg)).size(), noise_.size());
  EXPECT_NE(error(read_image, write(jpeg.substr(0, jpeg.size() - 50))).find("truncated"), std::string::npos);
}

TEST_F(ImageFile, BytesBehindTheEndAreNoError) {
  EXPECT_EQ(read_image(write(encoded(".jpg", noise_) + "trailing")).size(), noise_.size());
  EXPECT_EQ(read_image(write(encoded(".png", noise_) + "trailing")).size(), noise_.size());
}

TEST_F(ImageFile, EveryTruncationOfPngIsAnError) {
  const Bytes bytes = encoded(".png", noise_);
  for (std::size_t size = 8; size < bytes.size(); size += size + 60 < bytes.size() ? 37 : 1) {
    const std::string message = error(read_image, write(bytes.substr(0, size)));
    ASSERT_NE(message.find("truncated PNG"), std::string::npos) << size << ": " << message;
  }
}

TEST_F(ImageFile, ChangedByteInPngIsAnError) {
  Bytes bytes = encoded(".png", noise_);
  bytes[bytes.size() / 2] ^= 1;
  EXPECT_NE(error(read_image, write(bytes)).find("damaged PNG"), std::string::npos);
}

TEST_F(ImageFile, BadColorProfileIsPassedOverInSilence) {
  const Bytes profile = png_chunk("iCCP", Bytes("broken\0\0nonsense", 16));
  const fs::path path = write(png(2, 8, 0, {"\x10\x20"}, profile));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(read_image(path).at<cv::Vec3b>(0, 1), cv::Vec3b(32, 32, 32));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(ImageFile, MaskValuesAreUnchanged) {
  cv::Mat mask(16, 16, CV_8U), wide;
  for (int i = 0; i < 256; ++i) mask.at<std::uint8_t>(i / 16, i % 16) = static_cast<std::uint8_t>(i);
  mask.convertTo(wide, CV_16U);
  EXPECT_TRUE(same(read_mask_values(write(encoded(".png", mask))), mask));
  EXPECT_TRUE(same(read_mask_values(write(encoded(".png", wide))), mask));
}

TEST_F(ImageFile, MaskValueAbove255IsAnError) {
  EXPECT_EQ(error(read_mask_values, write(encoded(".png", cv::Mat(4, 4, CV_16U, cv::Scalar(300))))),
            "mask value 300 is above 255");
}

TEST_F(ImageFile, MaskInColorBecomesGreyAndAlphaIsDropped) {
  cv::Mat mask(16, 16, CV_8U), color, wide;
  cv::RNG(3).fill(mask, cv::RNG::UNIFORM, 0, 256);
  cv::cvtColor(mask, color, cv::COLOR_GRAY2BGRA);
  std::vector<cv::Mat> channels;
  cv::split(color, channels);
  cv::bitwise_not(mask, channels[3]);
  cv::merge(channels, color);
  EXPECT_TRUE(same(read_mask_values(write(encoded(".png", color))), mask));
  color.convertTo(wide, CV_16U);
  EXPECT_TRUE(same(read_mask_values(write(encoded(".png", wide))), mask));
  cv::cvtColor(mask, color, cv::COLOR_GRAY2BGR);
  EXPECT_TRUE(same(read_mask_values(write(encoded(".png", color))), mask));
}

TEST_F(ImageFile, GreyPaletteOfMaskGivesItsLevels) {
  const Bytes palette = png_chunk("PLTE", Bytes("\0\0\0\xc8\xc8\xc8", 6));
  const cv::Mat mask = read_mask_values(write(png(4, 8, 3, {Bytes("\0\1\1\0", 4)}, palette)));
  EXPECT_TRUE(same(mask, (cv::Mat_<std::uint8_t>(1, 4) << 0, 200, 200, 0)));
}

TEST_F(ImageFile, ColorPaletteOfMaskGivesItsIndices) {
  Bytes colors(256 * 3, '\xe0');
  colors.replace(0, 6, Bytes("\0\0\0\x80\0\0", 6));  // black, dark red, as PASCAL VOC
  const Bytes palette = png_chunk("PLTE", colors) + png_chunk("tRNS", Bytes(1, '\0'));
  const cv::Mat mask = read_mask_values(write(png(4, 8, 3, {Bytes("\0\1\xff\0", 4)}, palette)));
  EXPECT_TRUE(same(mask, (cv::Mat_<std::uint8_t>(1, 4) << 0, 1, 255, 0)));

  const Bytes two = png_chunk("PLTE", Bytes("\0\0\0\x80\0\0", 6));
  const cv::Mat bits = read_mask_values(write(png(4, 1, 3, {Bytes(1, '\x50')}, two)));
  EXPECT_TRUE(same(bits, (cv::Mat_<std::uint8_t>(1, 4) << 0, 1, 0, 1)));
}

TEST_F(ImageFile, OneBitMaskGives255) {
  const cv::Mat mask = read_mask_values(write(png(4, 1, 0, {Bytes(1, '\x50')}, "")));
  EXPECT_TRUE(same(mask, (cv::Mat_<std::uint8_t>(1, 4) << 0, 255, 0, 255)));
}

TEST_F(ImageFile, FloatingPointMaskIsAnError) {
  EXPECT_EQ(error(read_mask_values, write(encoded(".tiff", cv::Mat(4, 4, CV_32F, cv::Scalar(0.5))))),
            "a mask has 8 or 16 bits a pixel");
}

}  // namespace
}  // namespace portraitseg
