#include "portraitseg/report/error_map.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/sample.h"
#include "portraitseg/metrics/boundary_distance.h"

namespace portraitseg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// 0 and 255 as 0..1, brought to the common square.
cv::Mat in_square(const cv::Mat& mask) {
  cv::Mat shares, square;
  mask.convertTo(shares, CV_32F, 1.0 / 255);
  cv::resize(shares, square, {ErrorMap::kSide, ErrorMap::kSide}, 0, 0, cv::INTER_AREA);
  square.convertTo(shares, CV_64F);
  return shares;
}

cv::Mat mean_of(const cv::Mat& sum, std::size_t images) {
  return images == 0 ? sum.clone() : cv::Mat(sum / static_cast<double>(images));
}

}  // namespace

void ErrorMap::add(const cv::Mat& label, const cv::Mat& prediction, bool classes) {
  if (label.size() != prediction.size()) throw std::invalid_argument("label and prediction differ in size");
  const cv::Mat labelled = label != kIgnore;
  const int pixels = cv::countNonZero(labelled);
  if (pixels == 0) return;
  const cv::Mat portrait = label == 1;
  const cv::Mat wrong =
      (classes ? cv::Mat(label != prediction) : cv::Mat(portrait != (prediction == 1))) & labelled;
  const double weight = 1.0 / pixels;
  ++images_;
  wrong_ += weight * cv::countNonZero(wrong);
  missed_ += weight * cv::countNonZero(wrong & portrait);
  wrong_sum_ += in_square(wrong);
  portrait_sum_ += in_square(portrait);
  if (!classes) add_distances(label, wrong, weight);
}

void ErrorMap::add_distances(const cv::Mat& label, const cv::Mat& wrong, double weight) {
  const cv::Mat distances = squared_distance(boundary_of_both_sides(label));
  if (distances.empty()) return;  // nothing but portrait, or none
  const double diagonal = std::hypot(label.rows, label.cols);
  for (int y = 0; y < label.rows; ++y) {
    for (int x = 0; x < label.cols; ++x) {
      const int value = label.at<std::uint8_t>(y, x);
      if (value == kIgnore) continue;
      const bool is_wrong = wrong.at<std::uint8_t>(y, x) != 0;
      with_distance_ += is_wrong ? weight : 0;
      const double distance = (std::sqrt(distances.at<int>(y, x)) + 0.5) * 100 / diagonal;
      const double bin = std::floor(((value == 1 ? -distance : distance) + kReach) / width());
      if (bin < 0 || bin >= static_cast<double>(kBins)) continue;
      Bin& taken = bins_[static_cast<std::size_t>(bin)];
      taken.pixels += weight;
      taken.wrong += is_wrong ? weight : 0;
    }
  }
}

double ErrorMap::wrong() const {
  return images_ == 0 ? kNone : 100 * wrong_ / static_cast<double>(images_);
}

double ErrorMap::missed() const {
  return images_ == 0 ? kNone : 100 * missed_ / static_cast<double>(images_);
}

double ErrorMap::share_within(double distance) const {
  if (with_distance_ == 0) return kNone;
  double sum = 0;
  for (std::size_t i = 0; i < kBins; ++i) sum += std::abs(center(i)) < distance ? bins_[i].wrong : 0;
  return 100 * sum / with_distance_;
}

double ErrorMap::rate(std::size_t bin) const {
  const Bin& taken = bins_.at(bin);
  return taken.pixels == 0 ? kNone : 100 * taken.wrong / taken.pixels;
}

cv::Mat ErrorMap::wrong_there() const {
  return mean_of(wrong_sum_, images_);
}

cv::Mat ErrorMap::portrait_there() const {
  return mean_of(portrait_sum_, images_);
}

}  // namespace portraitseg
