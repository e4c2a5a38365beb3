#include "portraitseg/metrics/class_counts.h"

#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/pixel_counts.h"

namespace portraitseg {
namespace {

using Histogram = std::array<std::int64_t, 256>;

/// Not a number if there is nothing to divide by.
double ratio(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

void refuse_others(const Histogram& histogram, std::int64_t classes, const std::string& what) {
  for (std::size_t value = static_cast<std::size_t>(classes); value < kIgnore; ++value) {
    if (histogram[value] > 0)
      throw std::invalid_argument(what + " " + std::to_string(value) + " is none of " +
                                  std::to_string(classes) + " classes");
  }
}

}  // namespace

ClassCounts ClassCounts::of(const cv::Mat& prediction, const cv::Mat& label, std::int64_t classes) {
  check_masks(prediction, label);
  if (classes < 1 || classes > kIgnore)
    throw std::invalid_argument("there cannot be " + std::to_string(classes) + " classes");
  Histogram labelled = {}, predicted = {}, both = {};
  for (int y = 0; y < label.rows; ++y) {
    const auto* p = prediction.ptr<std::uint8_t>(y);
    const auto* l = label.ptr<std::uint8_t>(y);
    for (int x = 0; x < label.cols; ++x) {
      if (l[x] == kIgnore) continue;
      ++labelled[l[x]];
      ++predicted[p[x]];
      both[l[x]] += l[x] == p[x];
    }
  }
  refuse_others(labelled, classes, "label");
  refuse_others(predicted, classes, "prediction");
  if (predicted[kIgnore] > 0) throw std::invalid_argument("a prediction cannot be ignored");

  ClassCounts counts;
  for (std::size_t c = 0; c < static_cast<std::size_t>(classes); ++c) {
    counts.tp.push_back(both[c]);
    counts.fp.push_back(predicted[c] - both[c]);
    counts.fn.push_back(labelled[c] - both[c]);
  }
  return counts;
}

std::vector<double> ClassCounts::columns() const {
  std::vector<double> columns;
  for (std::size_t c = 0; c < tp.size(); ++c) {
    for (const auto count : {tp[c], fp[c], fn[c]}) columns.push_back(static_cast<double>(count));
  }
  return columns;
}

ClassCounts ClassCounts::from(const std::vector<double>& columns) {
  ClassCounts counts;
  for (std::size_t i = 0; i + 2 < columns.size(); i += 3) {
    counts.tp.push_back(static_cast<std::int64_t>(columns[i]));
    counts.fp.push_back(static_cast<std::int64_t>(columns[i + 1]));
    counts.fn.push_back(static_cast<std::int64_t>(columns[i + 2]));
  }
  return counts;
}

std::vector<double> ClassCounts::iou() const {
  std::vector<double> iou;
  for (std::size_t c = 0; c < tp.size(); ++c) iou.push_back(ratio(tp[c], tp[c] + fp[c] + fn[c]));
  return iou;
}

double ClassCounts::miou() const {
  double total = 0;
  int present = 0;
  for (const double value : iou()) {
    if (std::isnan(value)) continue;
    total += value;
    ++present;
  }
  return total / present;
}

double ClassCounts::accuracy() const {
  return ratio(sum(tp), sum(tp) + sum(fn));
}

ClassCounts& ClassCounts::operator+=(const ClassCounts& other) {
  if (tp.empty()) return *this = other;
  if (classes() != other.classes()) {
    throw std::invalid_argument("counts of " + std::to_string(classes()) + " and of " +
                                std::to_string(other.classes()) + " classes do not add up");
  }
  for (std::size_t c = 0; c < tp.size(); ++c) {
    tp[c] += other.tp[c];
    fp[c] += other.fp[c];
    fn[c] += other.fn[c];
  }
  return *this;
}

Metric class_counts_metric(std::int64_t classes) {
  using Columns = std::vector<double>;
  Metric metric;
  metric.measure = [classes](const MeasuredImage& image) {
    return ClassCounts::of(image.prediction, image.label, classes).columns();
  };
  metric.figures = {
      {"miou", "mIoU, " + std::to_string(classes) + " classes, whole list", Reduction::kWholeSet,
       [](const Columns& columns) { return 100 * ClassCounts::from(columns).miou(); }},
      {"pixel_accuracy", "pixel accuracy, whole list", Reduction::kWholeSet,
       [](const Columns& columns) { return 100 * ClassCounts::from(columns).accuracy(); }}};
  const std::size_t digits = std::to_string(classes - 1).size();  // names in the order of the classes
  for (std::int64_t c = 0; c < classes; ++c) {
    const std::string number = std::to_string(c);
    for (const char* count : {"tp", "fp", "fn"}) metric.columns.push_back("class" + number + "_" + count);
    metric.figures.push_back({"class_iou_" + std::string(digits - number.size(), '0') + number,
                              "IoU of class " + number + ", whole list", Reduction::kWholeSet,
                              [c](const Columns& columns) {
                                return 100 * ClassCounts::from(columns).iou()[static_cast<std::size_t>(c)];
                              }});
  }
  return metric;
}

}  // namespace portraitseg
