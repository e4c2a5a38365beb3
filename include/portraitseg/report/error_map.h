#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <opencv2/core/mat.hpp>

namespace portraitseg {

/// Where the wrong pixels of many images lie. Every image counts the same, whatever its size; pixels labelled kIgnore do not
/// count, and class 1 is the portrait.
class ErrorMap {
 public:
  static constexpr int kSide = 96;          ///< px of the square that every image is brought to
  static constexpr std::size_t kBins = 40;  ///< of the distance, half of them inside
  static constexpr double kReach = 10;      ///< of the bins, percent of the image's diagonal

  /// Both CV_8UC1 of one size, class indices.
  /// @param classes true: a pixel is wrong where the classes differ, and there is no distance; false: portrait against all else
  void add(const cv::Mat& label, const cv::Mat& prediction, bool classes = false);

  std::size_t images() const { return images_; }

  /// Percent of the pixels, mean over images: all wrong ones, portrait that was missed, and background taken for portrait.
  double wrong() const;
  double missed() const;
  double taken() const { return wrong() - missed(); }

  /// Percent of the wrong pixels that lie at most so far from the label's boundary, inside or outside; percent of the diagonal,
  /// rounded up to whole bins. Not a number if none is wrong.
  double share_within(double distance) const;

  /// Percent of the pixels in the bin that are wrong; not a number if none lies there. Bin i holds the signed distances from
  /// -kReach + i * width() up to the next bin's: negative inside the portrait. Beside the boundary the distance is half a pixel.
  double rate(std::size_t bin) const;
  static double width() { return 2 * kReach / kBins; }
  static double center(std::size_t bin) { return -kReach + (static_cast<double>(bin) + 0.5) * width(); }

  /// kSide x kSide, CV_64FC1, 0..1: how often a pixel there is wrong, and how often it is portrait.
  cv::Mat wrong_there() const;
  cv::Mat portrait_there() const;

 private:
  struct Bin {
    double pixels = 0, wrong = 0;
  };
  void add_distances(const cv::Mat& label, const cv::Mat& wrong, double weight);

  std::size_t images_ = 0;
  double wrong_ = 0, missed_ = 0, with_distance_ = 0;  ///< sums of the images' shares
  std::array<Bin, kBins> bins_;
  cv::Mat wrong_sum_ = cv::Mat::zeros(kSide, kSide, CV_64FC1);
  cv::Mat portrait_sum_ = cv::Mat::zeros(kSide, kSide, CV_64FC1);
};

}  // namespace portraitseg
