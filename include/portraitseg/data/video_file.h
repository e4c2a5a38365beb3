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

/// The frames of a video file, by FFmpeg, or of an .avi of JPEGs without it.
class VideoReader {
 public:
  /// @throws DataError if the file is missing, or no video that can be decoded.
  explicit VideoReader(const std::filesystem::path& path);
  ~VideoReader();

  /// H x W, CV_8UC3, BGR, upright; nothing after the last.
  /// @throws DataError where the video breaks off: 5 % or more of the frames it announces are missing. Fewer are not told from
  ///         an announcement that was an estimate.
  std::optional<cv::Mat> next();

  cv::Size size() const { return first_.size(); }
  double fps() const { return fps_; }                    ///< frames a second; 25 if the file does not say
  std::int64_t announced() const { return announced_; }  ///< frames; 0: unknown

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

/// Writes a video as a whole or not at all: into "name.tmp.ext" beside it, which finish() renames. Without sound.
class VideoWriter {
 public:
  /// @param path ends with a video_extension()  @param size an odd last row or column is left out, but of an .avi of a whole number of frames a second
  /// @throws DataError if it cannot be opened, or no encoder is to be had.
  VideoWriter(const std::filesystem::path& path, cv::Size size, double fps);
  ~VideoWriter();

  void write(const cv::Mat& frame);  ///< CV_8UC3, BGR

  /// Closes the file, and looks whether all of it is there: encoders keep silent about a full disk.
  /// @throws DataError
  void finish();

 private:
  const std::filesystem::path path_, temporary_;
  std::unique_ptr<cv::VideoWriter> writer_;
  std::int64_t written_ = 0;
};

}  // namespace portraitseg
