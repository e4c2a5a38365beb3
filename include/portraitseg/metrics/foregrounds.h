#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// The two foregrounds of an image as the boundary metrics see them: CV_8UC1, 1 where the class is 1, else 0. Pixels labelled kIgnore
/// are background in both, as DAVIS's void pixels are, so that what is predicted there changes nothing.
struct Foregrounds {
  cv::Mat prediction;
  cv::Mat label;

  /// @throws std::invalid_argument as check_masks() does.
  static Foregrounds of(const cv::Mat& prediction, const cv::Mat& label);
};

/// Size of the intersection and of the union of two regions.
struct Overlap {
  std::int64_t both = 0;
  std::int64_t either = 0;

  /// In pixels, of two CV_8UC1 regions of the same size: what is not 0 belongs to them.
  static Overlap of(const cv::Mat& a, const cv::Mat& b);

  /// both / either, 0..1; 1 if the union is empty.
  double iou() const;

  std::vector<double> columns() const;  ///< of a metric: both, either
  static Overlap from(const std::vector<double>& columns);
};

/// How many pixels of each of two boundaries lie near the other one.
struct BoundaryMatch {
  std::int64_t predicted = 0;          ///< pixels of the prediction's boundary
  std::int64_t predicted_matched = 0;  ///< those near the label's
  std::int64_t labelled = 0;           ///< pixels of the label's boundary
  std::int64_t labelled_matched = 0;   ///< those near the prediction's

  /// 2PR / (P + R), 0..1, P = predicted_matched / predicted, R = labelled_matched / labelled; 0 if one boundary has no pixel.
  /// @param without what it is if neither has one
  double f1(double without) const;

  /// Of a metric: predicted, predicted_matched, labelled, labelled_matched.
  std::vector<double> columns() const;

  /// @param first where they begin
  static BoundaryMatch from(const std::vector<double>& columns, std::size_t first = 0);
};

}  // namespace portraitseg
