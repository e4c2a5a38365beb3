#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// What a loss can be told to compare an output with; each is made from the label, at the label's size:
///   label      the label itself
///   edge_band  the label near the border of the portrait, kIgnore elsewhere, see edge_band() (clova)
///   contour    1 on the drawn outline of the portrait, 0 elsewhere, see contour() (PortraitNet)
const std::vector<std::string>& target_names();

/// A target at the size of a network's output.
struct Target {
  std::string name = "label";
  std::int64_t stride = 1;       ///< it is made at 1/stride of the image, from label_at_stride()
  std::int64_t edge_kernel = 0;  ///< of an edge_band, in its own pixels; 0: what LoaderOptions says
};
bool operator<(const Target& a, const Target& b);

/// The label where a network answers at 1/stride of its input, as encoder stages do: nearest neighbour, the upper left pixel of
/// each square, as clova's data/DataSet.py. (Pillow, with which c3_sinet does the same, takes the one at its middle.)
cv::Mat label_at_stride(const cv::Mat& label, int stride);

/// @param label CV_8UC1 of the image's size, class index or kIgnore
/// @param edge_kernel px, of an edge_band that has none of its own
/// @return CV_8UC1 of 1/stride of the label's size
/// @throws std::logic_error for another name.
cv::Mat make_target(const Target& target, const cv::Mat& label, std::int64_t edge_kernel);

}  // namespace portraitseg
