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

}  // namespace portraitseg
