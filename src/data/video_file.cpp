#include "portraitseg/data/video_file.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

#include "file_search.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr double kLargestRate = 1000;       // frames a second; more is no rate but a missing one
constexpr double kSmallestComplete = 0.95;  // share of the announced frames; less is worth a word
constexpr int kJpegQuality = 95;

/// What FFmpeg and OpenCV would print is said by our own messages.
void silence() {
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", /*replace=*/0);  // read when the first video is opened
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

/// FFmpeg takes "12:30.mp4" for a protocol named 12; what begins with a slash is a file.
std::string file_name(const fs::path& path) {
  return fs::absolute(path).string();
}

std::string text_of(cv::Size size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

/// What OpenCV throws is about this file.
template <class Call>
auto about(const fs::path& path, Call call) {
  try {
    return call();
  } catch (const cv::Exception& error) {
    throw DataError(path, error.err);
  }
}

bool open(cv::VideoCapture& capture, const fs::path& path) {
  silence();
  for (const int backend : {cv::CAP_FFMPEG, cv::CAP_OPENCV_MJPEG}) {
    try {
      if (capture.open(file_name(path), backend)) return true;
    } catch (const cv::Exception&) {  // a header that makes no sense
    }
  }
  return false;
}

/// Whether OpenCV's own writer makes it, which knows no other rates.
bool written_by_opencv(const fs::path& path, double fps) {
  return path.extension() == ".avi" && fps == std::round(fps);
}

bool open(cv::VideoWriter& writer, const fs::path& path, cv::Size size, double fps) {
  silence();
  const std::string name = file_name(path);
  const int jpeg = cv::VideoWriter::fourcc('M', 'J', 'P', 'G');
  if (written_by_opencv(path, fps))
    return writer.open(name, cv::CAP_OPENCV_MJPEG, jpeg, fps, size) &&
           writer.set(cv::VIDEOWRITER_PROP_QUALITY, kJpegQuality);
  if (path.extension() == ".avi") return writer.open(name, cv::CAP_FFMPEG, jpeg, fps, size);
  const int h264 = cv::VideoWriter::fourcc('a', 'v', 'c', '1');
  const int mpeg4 = cv::VideoWriter::fourcc('m', 'p', '4', 'v');
  return writer.open(name, cv::CAP_FFMPEG, h264, fps, size) ||
         writer.open(name, cv::CAP_FFMPEG, mpeg4, fps, size);
}

std::int64_t announced_frames(const cv::VideoCapture& capture) {
  const double frames = capture.get(cv::CAP_PROP_FRAME_COUNT);
  return frames > 0 && frames < 1e12 ? static_cast<std::int64_t>(frames) : 0;
}

}  // namespace

VideoReader::VideoReader(const fs::path& path) : path_(path), capture_(std::make_unique<cv::VideoCapture>()) {
  if (!open(*capture_, path)) throw DataError(path, "cannot be opened as a video");
  if (!about(path, [&] { return capture_->read(first_); }) || first_.type() != CV_8UC3)
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
    about(path_, [&] { return capture_->read(frame); });
  }
  if (frame.empty()) return std::nullopt;
  ++read_;
  if (frame.size() != first_.size() || frame.type() != first_.type())
    throw DataError(path_, "frame " + std::to_string(read_) + " has " + text_of(frame.size()) +
                               " pixels, the first " + text_of(first_.size()));
  return frame;
}

std::string VideoReader::shortfall() const {
  if (static_cast<double>(read_) > kSmallestComplete * static_cast<double>(announced_)) return "";
  return "ended after frame " + std::to_string(read_) + " of about " + std::to_string(announced_) +
         " announced";
}

std::string video_extension(const fs::path& source) {
  return has_extension(source, {".avi"}) ? ".avi" : ".mp4";
}

fs::path temporary_video(const fs::path& path) {
  fs::path name = path;
  return name.replace_extension(".tmp" + path.extension().string());
}

VideoWriter::VideoWriter(const fs::path& path, cv::Size size, double fps, std::uintmax_t largest_avi)
    : path_(behind_link(path)),
      temporary_(temporary_video(path_)),
      size_(size),
      largest_(written_by_opencv(path_, fps) ? largest_avi : std::numeric_limits<std::uintmax_t>::max()),
      writer_(std::make_unique<cv::VideoWriter>()) {
  write_file(temporary_, "");  // says why a place cannot be written, which an encoder does not
  try {
    if (about(path, [&] { return open(*writer_, temporary_, size, fps); })) return;
    throw DataError(path, "no encoder for a video of " + text_of(size));
  } catch (...) {
    fs::remove(temporary_);
    throw;
  }
}

VideoWriter::~VideoWriter() {
  writer_.reset();
  std::error_code gone;  // it was renamed
  fs::remove(temporary_, gone);
}

void VideoWriter::write(const cv::Mat& frame) {
  if (frame.size() != size_)  // encoders would leave it out without a word
    throw DataError(path_, "a frame of " + text_of(frame.size()) + " pixels in a video of " + text_of(size_));
  if (fs::file_size(temporary_) > largest_)
    throw DataError(path_, "would have more than " + std::to_string(largest_) + " bytes after frame " +
                               std::to_string(written_) + ", too many for an .avi; give it as .mp4");
  about(path_, [&] { writer_->write(frame); });
  ++written_;
}

void VideoWriter::finish() {
  about(path_, [&] { writer_->release(); });
  cv::VideoCapture whole;
  if (!open(whole, temporary_) || announced_frames(whole) != written_)
    throw DataError(path_, "cannot be written as a whole; is the disk full?");
  whole.release();
  replace_file(temporary_, path_);
}

}  // namespace portraitseg
