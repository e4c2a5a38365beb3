#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// The building blocks of edge_iou() and weighted_iou(). Masks are CV_8UC1; the foreground is class 1, and
/// kIgnore bounds it like background. Boundaries are CV_8UC1, 255 on the boundary.

/// Pixels of either side with a 4-neighbour on the other side; the border of the image is no boundary.
cv::Mat boundary_of_both_sides(const cv::Mat& label);

/// Foreground pixels with a 4-neighbour that is background or lies outside the image.
cv::Mat boundary_of_foreground(const cv::Mat& label);

/// Squared Euclidean distance, in pixels^2, from each pixel to the nearest boundary pixel: CV_32SC1, exact, 0 on the
/// boundary. An empty matrix if there is no boundary pixel.
cv::Mat squared_distance(const cv::Mat& boundary);

/// Squared Euclidean distance, in pixels^2, from each pixel of `from` to the nearest pixel of `to`: exact, in row order. Takes
/// time by the pixels of `from` and their distance, less than the whole map of squared_distance() for boundaries.
/// @param from, to CV_8UC1 of the same size; what is not 0 counts
/// @return empty if either has no pixel
std::vector<std::int64_t> squared_distances(const cv::Mat& from, const cv::Mat& to);

/// How many pixels of intersection and union of two foregrounds lie at each squared distance from the
/// boundary. Independent of the weights, so that it is counted once for any number of sigmas.
struct OverlapByDistance {
  std::vector<std::uint32_t> both;    ///< in the intersection; index: squared distance in pixels^2
  std::vector<std::uint32_t> either;  ///< in the union; same size

  /// Pixels labelled kIgnore are not counted. All three matrices have the same size.
  static OverlapByDistance of(const cv::Mat& prediction, const cv::Mat& label,
                              const cv::Mat& squared_distance);

  /// sum(w over both) / sum(w over either), w = exp(-d^2 / (2 sigma^2)), sigma in pixels; 1 if the union is
  /// empty.
  /// @throws std::invalid_argument unless sigma > 0.
  double weighted_iou(double sigma) const;
};

}  // namespace portraitseg
