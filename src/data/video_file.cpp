#include "portraitseg/data/video_file.h"

#include <cmath>
#include <cstdlib>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr double kLargestRate = 1000;       // frames a second; more is no rate but a missing one
constexpr double kSmallestComplete = 0.95;  // share of the announced frames
constexpr int kJpegQuality = 95;

/// What FFmpeg and OpenCV would print is said by our own messages.
void silence() {
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", /*replace=*/0);  // read when the first video is opened
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

bool open(cv::VideoCapture& capture, const fs::path& path) {
  silence();
  for (const int backend : {cv::CAP_FFMPEG, cv::CAP_OPENCV_MJPEG}) {
    try {
      if (capture.open(path.string(), backend)) return true;
    } catch (const cv::Exception&) {  // a header that makes no sense
    }
  }
  return false;
}

bool open(cv::VideoWriter& writer, const fs::path& path, cv::Size size, double fps) {
  silence();
  if (path.extension() == ".avi") {
    const int jpeg = cv::VideoWriter::fourcc('M', 'J', 'P', 'G');
    const bool whole = fps == std::round(fps);  // OpenCV's own writer knows no other rates
    if (!whole) return writer.open(path.string(), cv::CAP_FFMPEG, jpeg, fps, size);
    return writer.open(path.string(), cv::CAP_OPENCV_MJPEG, jpeg, fps, size) &&
           writer.set(cv::VIDEOWRITER_PROP_QUALITY, kJpegQuality);
  }
  const int h264 = cv::VideoWriter::fourcc('a', 'v', 'c', '1');
  const int mpeg4 = cv::VideoWriter::fourcc('m', 'p', '4', 'v');
  return writer.open(path.string(), cv::CAP_FFMPEG, h264, fps, size) ||
         writer.open(path.string(), cv::CAP_FFMPEG, mpeg4, fps, size);
}

fs::path temporary_name(const fs::path& path) {
  fs::path name = path;
  return name.replace_extension(".tmp" + path.extension().string());
}

std::int64_t announced_frames(const cv::VideoCapture& capture) {
  const double frames = capture.get(cv::CAP_PROP_FRAME_COUNT);
  return frames > 0 && frames < 1e12 ? static_cast<std::int64_t>(frames) : 0;
}

}  // namespace

VideoReader::VideoReader(const fs::path& path) : path_(path), capture_(std::make_unique<cv::VideoCapture>()) {
  if (!open(*capture_, path)) throw DataError(path, "cannot be opened as a video");
  if (!capture_->read(first_) || first_.type() != CV_8UC3)
    throw DataError(path, "a video without a frame that can be decoded");
  const double fps = capture_->get(cv::CAP_PROP_FPS);
  if (fps > 0 && fps <= kLargestRate) fps_ = fps;
  announced_ = announced_frames(*capture_);
}

VideoReader::~VideoReader() = default;

std::optional<cv::Mat> VideoReader::next() {
  cv::Mat frame = first_;
  if (read_ > 0) {
    frame = cv::Mat();
    capture_->read(frame);
  }
  if (!frame.empty()) {
    ++read_;
    return frame;
  }
  if (static_cast<double>(read_) <= kSmallestComplete * static_cast<double>(announced_))
    throw DataError(path_,
                    "breaks off after frame " + std::to_string(read_) + " of " + std::to_string(announced_));
  return std::nullopt;
}

std::string video_extension(const fs::path& source) {
  return has_extension(source, {".avi"}) ? ".avi" : ".mp4";
}

VideoWriter::VideoWriter(const fs::path& path, cv::Size size, double fps)
    : path_(path), temporary_(temporary_name(path)), writer_(std::make_unique<cv::VideoWriter>()) {
  write_file(temporary_, "");  // says why a place cannot be written, which an encoder does not
  if (open(*writer_, temporary_, size, fps)) return;
  fs::remove(temporary_);
  throw DataError(
      path, "no encoder for a video of " + std::to_string(size.width) + "x" + std::to_string(size.height));
}

VideoWriter::~VideoWriter() {
  writer_.reset();
  std::error_code gone;  // it was renamed
  fs::remove(temporary_, gone);
}

void VideoWriter::write(const cv::Mat& frame) {
  writer_->write(frame);
  ++written_;
}

void VideoWriter::finish() {
  writer_->release();
  cv::VideoCapture whole;
  if (!open(whole, temporary_) || announced_frames(whole) != written_)
    throw DataError(path_, "cannot be written as a whole; is the disk full?");
  whole.release();
  replace_file(temporary_, path_);
}

}  // namespace portraitseg
