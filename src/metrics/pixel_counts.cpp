#include "portraitseg/metrics/pixel_counts.h"

#include <stdexcept>
#include <string>

#include <opencv2/core.hpp>

#include "portraitseg/data/sample.h"

namespace portraitseg {
namespace {

double ratio_or_one(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string size_text(const cv::Mat& mask) {
  return std::to_string(mask.rows) + "x" + std::to_string(mask.cols);
}

}  // namespace

PixelCounts PixelCounts::from(const std::vector<double>& columns, std::size_t first) {
  const auto whole = [&](std::size_t i) { return static_cast<std::int64_t>(columns.at(first + i)); };
  return {whole(0), whole(1), whole(2), whole(3)};
}

std::vector<double> PixelCounts::columns() const {
  return {static_cast<double>(tp), static_cast<double>(fp), static_cast<double>(fn), static_cast<double>(tn)};
}

PixelCounts PixelCounts::of(const cv::Mat& prediction, const cv::Mat& label) {
  check_masks(prediction, label);
  PixelCounts counts;
  for (int y = 0; y < label.rows; ++y) {
    const auto* p = prediction.ptr<std::uint8_t>(y);
    const auto* l = label.ptr<std::uint8_t>(y);
    int both = 0, predicted = 0, labelled = 0, valid = 0;  // of one row, so that the compiler can vectorise
    for (int x = 0; x < label.cols; ++x) {
      const int in_label = l[x] == 1, in_prediction = p[x] == 1, is_counted = l[x] != kIgnore;
      both += in_label & in_prediction;
      labelled += in_label;
      predicted += in_prediction & is_counted;
      valid += is_counted;
    }
    counts += {both, predicted - both, labelled - both, valid - predicted - labelled + both};
  }
  return counts;
}

double PixelCounts::iou_foreground() const {
  return ratio_or_one(tp, tp + fp + fn);
}

double PixelCounts::iou_background() const {
  return ratio_or_one(tn, tn + fp + fn);
}

double PixelCounts::miou() const {
  return (iou_foreground() + iou_background()) / 2;
}

double PixelCounts::f1() const {
  const double precision = ratio_or_one(tp, tp + fp);
  const double recall = ratio_or_one(tp, tp + fn);
  return precision + recall == 0 ? 0.0 : 2 * precision * recall / (precision + recall);
}

double PixelCounts::dice() const {
  return ratio_or_one(2 * tp, 2 * tp + fp + fn);
}

double PixelCounts::accuracy() const {
  return static_cast<double>(tp + tn) / static_cast<double>(tp + fp + fn + tn);
}

PixelCounts& PixelCounts::operator+=(const PixelCounts& other) {
  tp += other.tp;
  fp += other.fp;
  fn += other.fn;
  tn += other.tn;
  return *this;
}

Metric pixel_counts_metric(double empty_union) {
  const auto foreground = [empty_union](const std::vector<double>& columns) {
    const PixelCounts counts = PixelCounts::from(columns);
    return 100 * (counts.tp + counts.fp + counts.fn == 0 ? empty_union : counts.iou_foreground());
  };
  const auto background = [empty_union](const std::vector<double>& columns) {
    const PixelCounts counts = PixelCounts::from(columns);
    return 100 * (counts.tn + counts.fp + counts.fn == 0 ? empty_union : counts.iou_background());
  };
  const auto both = [=](const std::vector<double>& columns) {
    return (foreground(columns) + background(columns)) / 2;
  };
  const auto dice = [empty_union](const std::vector<double>& columns) {
    const PixelCounts counts = PixelCounts::from(columns);
    return 100 * (counts.tp + counts.fp + counts.fn == 0 ? empty_union : counts.dice());
  };
  const auto accuracy = [](const std::vector<double>& columns) {
    return 100 * PixelCounts::from(columns).accuracy();
  };
  Metric metric;
  metric.columns = {"tp", "fp", "fn", "tn"};
  metric.measure = [](const MeasuredImage& image) {
    return PixelCounts::of(image.prediction, image.label).columns();
  };
  metric.figures = {
      {"iou_foreground", "foreground IoU, mean over images", Reduction::kMeanOverImages, foreground},
      {"iou_background", "background IoU, mean over images", Reduction::kMeanOverImages, background},
      {"miou", "mIoU, 2 classes, whole list", Reduction::kWholeSet, both},
      {"miou_per_image", "mIoU, 2 classes, mean over images", Reduction::kMeanOverImages, both},
      {"iou_foreground_set", "foreground IoU, whole list", Reduction::kWholeSet, foreground},
      {"iou_background_set", "background IoU, whole list", Reduction::kWholeSet, background},
      {"dice", "Dice of the foreground, mean over images", Reduction::kMeanOverImages, dice},
      {"pixel_accuracy", "pixel accuracy, whole list", Reduction::kWholeSet, accuracy}};
  return metric;
}

void check_masks(const cv::Mat& prediction, const cv::Mat& label) {
  if (prediction.type() != CV_8UC1 || label.type() != CV_8UC1) {
    throw std::invalid_argument("masks must be CV_8UC1; prediction is " +
                                cv::typeToString(prediction.type()) + ", label is " +
                                cv::typeToString(label.type()));
  }
  if (prediction.size() != label.size() || label.empty()) {
    throw std::invalid_argument("masks must have the same size, at least 1x1; prediction is " +
                                size_text(prediction) + ", label is " + size_text(label) +
                                " (height x width)");
  }
}

}  // namespace portraitseg
