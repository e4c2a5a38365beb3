#include "portraitseg/report/sample_pictures.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/engine/predictor.h"
#include "portraitseg/report/class_overlay.h"
#include "portraitseg/report/overlay.h"

namespace portraitseg {
namespace {

constexpr int kLongest =
    192;  // px; three side by side fit a narrow page, and a training's events stay below 10 MB

std::string png(const cv::Mat& picture) {
  std::vector<unsigned char> bytes;
  if (!cv::imencode(".png", picture, bytes)) throw std::logic_error("cannot encode a picture");
  return {bytes.begin(), bytes.end()};
}

cv::Mat portrait_picture(const cv::Mat& label) {
  cv::Mat picture = cv::Mat::zeros(label.size(), CV_8UC3);
  picture.setTo(cv::Scalar::all(255), label == 1);
  picture.setTo(cv::Scalar::all(128), label == kIgnore);
  return picture;
}

}  // namespace

cv::Mat sample_picture(const cv::Mat& image, const cv::Mat& label, const cv::Mat& prediction,
                       Protocol::Counting counting, int longest) {
  const bool classes = counting == Protocol::Counting::kClasses;
  const cv::Mat shown_label = classes ? class_overlay(image, label) : portrait_picture(label);
  const cv::Mat shown_prediction =
      classes ? class_overlay(image, prediction)
              : overlay(image, label, prediction).colRange(image.cols, 2 * image.cols);

  const double scale = std::min(1.0, static_cast<double>(longest) / std::max(image.rows, image.cols));
  const cv::Size size(std::max(1, static_cast<int>(std::lround(image.cols * scale))),
                      std::max(1, static_cast<int>(std::lround(image.rows * scale))));
  std::vector<cv::Mat> panels(3);
  const cv::Mat* const shown[] = {&image, &shown_label, &shown_prediction};
  for (std::size_t i = 0; i < panels.size(); ++i)
    cv::resize(*shown[i], panels[i], size, 0, 0, cv::INTER_AREA);
  cv::Mat picture;
  cv::hconcat(panels, picture);
  return picture;
}

SamplePictures::SamplePictures(const Dataset& dataset, std::int64_t count) {
  const std::int64_t size = dataset.size();
  count = std::min(count, size);
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      samples_.push_back(dataset.get(i * size / count));
    } catch (const DataError&) {
      continue;  // the validation reports it
    }
  }
}

std::vector<SamplePicture> SamplePictures::draw(SegmentationModel& model, const Preprocessing& preprocessing,
                                                const Protocol& protocol, const Device& device) const {
  Predictor predictor(model, protocol.adapt(preprocessing), device);
  std::vector<SamplePicture> pictures;
  for (const Sample& sample : samples_) {
    const cv::Mat prediction = predictor.predict(sample.image).mask;
    const cv::Mat picture =
        sample_picture(sample.image, sample.mask, prediction, protocol.counting, kLongest);
    pictures.push_back({sample.id, picture.rows, picture.cols, png(picture)});
  }
  return pictures;
}

}  // namespace portraitseg
