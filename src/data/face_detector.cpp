#include "portraitseg/data/face_detector.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/core/file.h"

namespace portraitseg {
namespace {

namespace fs = std::filesystem;

constexpr double kScaleStep = 1.1;
constexpr int kNeighbours = 3;

/// The cascade's window is 20 px. Images are shrunk until the smallest face wanted has this size: each halving makes
/// the search four times as fast.
constexpr int kSmallestSearched = 40;

class HaarFaceDetector {
 public:
  HaarFaceDetector(const fs::path& cascade, int smallest_face) : smallest_face_(std::max(smallest_face, 1)) {
    const std::string xml = read_file(cascade);  // says what is wrong with the file, which OpenCV does not
    try {
      const cv::FileStorage storage(xml, cv::FileStorage::READ | cv::FileStorage::MEMORY);
      if (cascade_.read(storage.getFirstTopLevelNode())) return;
    } catch (const cv::Exception&) {  // no XML
    }
    throw DataError(cascade, "is no cascade that OpenCV can read");
  }

  std::vector<cv::Rect> find(const cv::Mat& image) {
    if (std::min(image.cols, image.rows) < smallest_face_) return {};  // shrunk, it could have no pixel
    const double scale = std::min(1.0, static_cast<double>(kSmallestSearched) / smallest_face_);
    cv::Mat grey;
    cv::cvtColor(image, grey, cv::COLOR_BGR2GRAY);
    if (scale < 1) cv::resize(grey, grey, {}, scale, scale, cv::INTER_AREA);
    cv::equalizeHist(grey, grey);
    const int smallest = static_cast<int>(std::lround(smallest_face_ * scale));
    std::vector<cv::Rect> faces;
    {
      const std::lock_guard<std::mutex> lock(mutex_);  // a search takes all cores by itself
      cascade_.detectMultiScale(grey, faces, kScaleStep, kNeighbours, 0, {smallest, smallest});
    }
    for (auto& face : faces) {
      face = cv::Rect(cv::Point(cv::Point2d(face.tl()) / scale), cv::Point(cv::Point2d(face.br()) / scale)) &
             cv::Rect({}, image.size());
    }
    return faces;
  }

 private:
  const int smallest_face_;
  std::mutex mutex_;
  cv::CascadeClassifier cascade_;
};

}  // namespace

fs::path installed_face_cascade() {
  const std::string file = "haarcascades/haarcascade_frontalface_alt2.xml";
  for (const char* folder : {"/usr/share/opencv4", "/usr/local/share/opencv4", "/usr/share/opencv",
                             "/usr/local/share/opencv", "/opt/homebrew/share/opencv4"}) {
    if (fs::is_regular_file(fs::path(folder) / file)) return fs::path(folder) / file;
  }
  return {};
}

FindFaces haar_face_detector(const fs::path& cascade, int smallest_face) {
  const auto detector = std::make_shared<HaarFaceDetector>(cascade, smallest_face);
  return [detector](const cv::Mat& image) { return detector->find(image); };
}

}  // namespace portraitseg
