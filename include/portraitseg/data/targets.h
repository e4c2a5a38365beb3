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

/// The label where a network answers at 1/stride of its input, as encoder stages do: nearest neighbour.
cv::Mat label_at_stride(const cv::Mat& label, int stride);

/// @param label CV_8UC1, class index or kIgnore
/// @param edge_kernel px, of edge_band
/// @return CV_8UC1 of the label's size
/// @throws std::logic_error for another name.
cv::Mat make_target(const std::string& name, const cv::Mat& label, std::int64_t edge_kernel);

}  // namespace portraitseg
