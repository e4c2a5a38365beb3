#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// One image as a metric sees it, at the size that the protocol prescribes.
struct MeasuredImage {
  cv::Mat prediction;  ///< CV_8UC1, class index
  cv::Mat label;       ///< CV_8UC1, class index or kIgnore; same size
  cv::Mat
      probability;  ///< CV_32FC1, 0..1, of every class but 0; same size. Empty unless Metric::uses_probability
};

/// How a figure over a list comes from the images'.
enum class Reduction {
  kMeanOverImages,  ///< the mean of the images' own figures; images without one are left out
  kWholeSet,        ///< the figure of the columns summed over the list
};

/// One figure that derives from a metric's columns.
struct Figure {
  std::string name;   ///< in JSON and CSV, with its width: "boundary_f1_15"
  std::string title;  ///< for a reader, with its unit if it is not percent: "boundary F1, band 15 px"
  Reduction reduction = Reduction::kMeanOverImages;

  /// In percent, or in the unit that the title names. Not a number where it is undefined.
  /// @param columns of one image, or summed over several
  std::function<double(const std::vector<double>& columns)> formula;
};

/// What is measured of an image, and the figures that derive from it. Whatever the figures are, they come from the columns
/// alone, so that per_image.csv is enough to compute each of them again.
struct Metric {
  std::vector<std::string>
      columns;  ///< of per_image.csv; integer counts wherever there are some: "tp", "fp" ...

  /// One value a column. @throws std::invalid_argument as check_masks() does.
  std::function<std::vector<double>(const MeasuredImage&)> measure;

  std::vector<Figure> figures;
  bool uses_probability = false;  ///< without it MeasuredImage::probability is empty
};

}  // namespace portraitseg
