#pragma once

#include <optional>
#include <string>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// What is done to a network's answer for one image, at the size at which it is decided. Both are off unless they are named.
///
/// guided_filter:R:EPS  the probabilities are filtered with the image as guide, see guided_filter(), then decided
/// largest_component    of the decided mask, see largest_component()
struct PostProcessing {
  struct GuidedFilter {
    int radius;  ///< px
    double eps;
  };
  std::optional<GuidedFilter> guided_filter;
  bool largest_component = false;

  /// @param text "none", or the words above with commas between, in any order
  /// @throws UserError, one line, as parse_steps() says it.
  static PostProcessing parse(const std::string& text);

  bool empty() const { return !guided_filter && !largest_component; }
  std::string name() const;  ///< "guided_filter:8:0.01+largest_component"; empty: none
};

/// The mask without the pixels that do not belong to the portrait's largest part: what is not background (0) and hangs together
/// by one of a pixel's 8 neighbours. Of parts of the same size, the one that comes first in the order of rows.
/// @param mask CV_8UC1, class index; it is left as it is
cv::Mat largest_component(const cv::Mat& mask);

/// The other parts with their surroundings, in which a network is in doubt as well: 255 where a pixel of theirs is nearer than
/// one of the largest part, else 0.
/// @param mask as largest_component()'s
cv::Mat other_components(const cv::Mat& mask);

/// The guided filter with a grey guide I: around each pixel the probability p is fitted as a * I + b by least squares, with
/// eps * a^2 as penalty, and the fits of all windows that a pixel is in are averaged.
///
///     a = cov(I, p) / (var(I) + eps),   b = mean(p) - a * mean(I),   q = mean(a) * I + mean(b)
///
/// Units   windows of (2 radius + 1)^2 pixels; those beyond the border are not counted. eps is a variance of grey levels in 0..1:
///         edges much weaker than its root are smoothed.
/// Source  He, Sun, Tang 2010, "Guided Image Filtering", Eq. 5, 6 and 8.
///
/// @param probability CV_32FC1  @param guide grey_guide() of the image, of the same size; its 0..255 count as 0..1
/// @return CV_32FC1; it may exceed 0..1
cv::Mat guided_filter(const cv::Mat& probability, const cv::Mat& guide, int radius, double eps);

/// ITU-R 601 grey, CV_8UC1. @param image CV_8UC3 or CV_32FC3, BGR, 0..255
cv::Mat grey_guide(const cv::Mat& image);

}  // namespace portraitseg
