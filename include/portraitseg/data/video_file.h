#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <opencv2/core/mat.hpp>

namespace cv {
class VideoCapture;
class VideoWriter;
}  // namespace cv

namespace portraitseg {

/// The frames of a video file, by FFmpeg, or of an .avi of JPEGs without it. Both are told to keep silent: OpenCV's log is off
/// from then on, in the whole program.
class VideoReader {
 public:
  /// @throws DataError if the file is missing, or no video that can be decoded.
  explicit VideoReader(const std::filesystem::path& path);
  ~VideoReader();

  /// H x W, CV_8UC3, BGR, upright; nothing after the last.
  /// @throws DataError where a frame cannot be decoded, or has another size than the first.
  std::optional<cv::Mat> next();

  /// Behind the last frame: "ended after frame 30 of about 60 announced" where 5 % or more are missing, else "". It is no
  /// error: an announcement may be an estimate (duration times rate), or count frames that are cut away.
  std::string shortfall() const;

  cv::Size size() const { return first_.size(); }
  double fps() const { return fps_; }                    ///< frames a second; 25 if the file does not say
  std::int64_t announced() const { return announced_; }  ///< about as many frames; 0: unknown

 private:
  const std::filesystem::path path_;
  std::unique_ptr<cv::VideoCapture> capture_;
  cv::Mat first_;
  double fps_ = 25;
  std::int64_t announced_ = 0;
  std::int64_t read_ = 0;
};

/// How a video made from `source` is called: ".avi" (JPEGs) for an .avi, else ".mp4" (H.264, or MPEG-4 where there is no
/// encoder for it).
std::string video_extension(const std::filesystem::path& source);

/// Where a VideoWriter writes first: "name.tmp.ext" beside it.
std::filesystem::path temporary_video(const std::filesystem::path& path);

/// Bytes that an .avi of JPEGs may have: its sizes are of 32 bits, and OpenCV ends the program above. A frame and the index
/// have room up to there.
inline constexpr std::uintmax_t kLargestAvi = (std::uintmax_t{1} << 32) - (std::uintmax_t{1} << 27);

/// Writes a video as a whole or not at all: into temporary_video(), which finish() renames. A link is followed. Without sound.
/// The encoders are told to keep silent, and so is OpenCV's log, also for what comes after.
class VideoWriter {
 public:
  /// @param path ends with a video_extension()  @param size an odd last row or column is left out, but of an .avi of a whole number of frames a second
  /// @throws DataError if it cannot be opened, or no encoder is to be had.
  VideoWriter(const std::filesystem::path& path, cv::Size size, double fps,
              std::uintmax_t largest_avi = kLargestAvi);
  ~VideoWriter();

  /// @param frame CV_8UC3, BGR, of the size given
  /// @throws DataError if it cannot be encoded, or an .avi would be too large
  void write(const cv::Mat& frame);

  /// Closes the file, and looks whether all of it is there: encoders keep silent about a full disk.
  /// @throws DataError
  void finish();

 private:
  const std::filesystem::path path_, temporary_;
  const cv::Size size_;
  const std::uintmax_t largest_;
  std::unique_ptr<cv::VideoWriter> writer_;
  std::int64_t written_ = 0;
};

}  // namespace portraitseg
