#include "portraitseg/report/evaluation_pictures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/core/error.h"
#include "portraitseg/data/ordered_map.h"
#include "portraitseg/report/class_overlay.h"
#include "portraitseg/report/overlay.h"

namespace portraitseg {
namespace {

constexpr int kLongest = 280;  // px of a thumbnail
constexpr int kQuality = 82;   // of its JPEG

cv::Size within(cv::Size size, int longest) {
  const double scale = std::min(1.0, static_cast<double>(longest) / std::max(size.width, size.height));
  return {std::max(1, static_cast<int>(std::lround(size.width * scale))),
          std::max(1, static_cast<int>(std::lround(size.height * scale)))};
}

cv::Mat resized(const cv::Mat& picture, cv::Size size, int interpolation) {
  cv::Mat result;
  cv::resize(picture, result, size, 0, 0, interpolation);
  return result;
}

/// White between two dark lines, so that it is seen on any ground.
void draw_outline(cv::Mat& picture, const cv::Mat& label) {
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(label == 1, contours, cv::RETR_LIST, cv::CHAIN_APPROX_NONE);
  cv::drawContours(picture, contours, -1, {0, 0, 0}, 2);
  cv::drawContours(picture, contours, -1, {255, 255, 255}, 1);
}

Thumbnail thumbnail(const cv::Mat& picture) {
  std::vector<unsigned char> bytes;
  if (!cv::imencode(".jpg", picture, bytes, {cv::IMWRITE_JPEG_QUALITY, kQuality}))
    throw std::logic_error("cannot encode a picture");
  return {{bytes.begin(), bytes.end()}, picture.rows, picture.cols};
}

/// Image, label and prediction at a thumbnail's size; what is not labelled counts as agreed.
EvaluatedView small(const EvaluatedView& view, int longest) {
  const cv::Size size = within(view.image.size(), longest);
  EvaluatedView result{resized(view.image, size, cv::INTER_AREA),
                       resized(view.label, size, cv::INTER_NEAREST),
                       resized(view.prediction, size, cv::INTER_NEAREST)};
  result.prediction.setTo(0, result.label == kIgnore);
  return result;
}

cv::Mat prediction_picture(const EvaluatedView& view, bool classes) {
  if (classes) return class_overlay(view.image, view.prediction);
  const int width = view.image.cols;
  cv::Mat picture = overlay(view.image, view.label, view.prediction).colRange(width, 2 * width).clone();
  draw_outline(picture, view.label);
  return picture;
}

}  // namespace

PictureRow picture_row(std::size_t image, const std::vector<EvaluatedView>& views, bool classes,
                       int longest) {
  PictureRow row;
  row.image = image;
  for (const EvaluatedView& view : views) {
    const EvaluatedView shown = small(view, longest);
    if (row.predictions.empty()) {
      cv::Mat labelled = classes ? class_overlay(shown.image, shown.label) : shown.image.clone();
      if (!classes) draw_outline(labelled, shown.label);
      row.labelled = thumbnail(labelled);
    }
    row.predictions.push_back(thumbnail(prediction_picture(shown, classes)));
  }
  return row;
}

EvaluationPictures evaluation_pictures(
    const std::vector<EvaluationResult>& results, const ChosenImages& chosen, std::int64_t workers,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  EvaluationPictures pictures;
  try {
    const EvaluatedImages images(results);
    pictures.classes = images.counts_classes();
    pictures.errors.resize(results.size());
    std::map<std::size_t, PictureRow> rows;  // an image may be of several choices
    for (const auto* choice : {&chosen.worst, &chosen.differing, &chosen.best}) {
      for (const std::size_t image : *choice) rows[image];
    }
    const auto count = static_cast<std::int64_t>(images.size());
    OrderedMap<std::vector<EvaluatedView>> views(
        count, workers, 2 * workers, [&](std::int64_t i) { return images.get(static_cast<std::size_t>(i)); });
    for (std::size_t image = 0; auto of_image = views.next(); ++image) {
      for (std::size_t r = 0; r < results.size(); ++r)
        pictures.errors[r].add((*of_image)[r].label, (*of_image)[r].prediction, pictures.classes);
      if (rows.count(image) > 0) rows[image] = picture_row(image, *of_image, pictures.classes, kLongest);
      if (progress) progress(static_cast<std::int64_t>(image) + 1, count);
    }
    for (const std::size_t image : chosen.worst) pictures.worst.push_back(rows.at(image));
    for (const std::size_t image : chosen.differing) pictures.differing.push_back(rows.at(image));
    for (const std::size_t image : chosen.best) pictures.best.push_back(rows.at(image));
  } catch (const UserError& error) {
    pictures = {};
    pictures.missing = error.what();
  }
  return pictures;
}

}  // namespace portraitseg
