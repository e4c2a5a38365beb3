#include "portraitseg/data/composite.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <opencv2/imgproc.hpp>

namespace portraitseg {
namespace {

/// Colours around a pixel are smooth, so they are computed on a small image: px of its longer side.
constexpr int kSmallSide = 320;
constexpr double kBlurShare = 1.0 / 40;     // of the longer side: a background out of focus
constexpr double kSurroundings = 1.0 / 50;  // of the longer side: the rim that a network is unsure of
constexpr double kSurelyBackground = 0.2, kSurelyPortrait = 0.8;  // probabilities
constexpr float kNoWeight = 1e-4F;

cv::Size small_size(cv::Size size) {
  const double scale = std::min(1.0, static_cast<double>(kSmallSide) / std::max(size.width, size.height));
  return {std::max(1, static_cast<int>(std::lround(size.width * scale))),
          std::max(1, static_cast<int>(std::lround(size.height * scale)))};
}

void blur(cv::Mat& image, double sigma) {
  const int kernel = 2 * static_cast<int>(std::ceil(3 * sigma)) + 1;
  cv::GaussianBlur(image, image, {kernel, kernel}, sigma, sigma, cv::BORDER_REPLICATE);
}

/// The mean of the colours around each pixel, by weight; where nothing around has any, the mean of all.
/// @param image CV_32FC3  @param weight CV_32FC1
cv::Mat weighted_mean(const cv::Mat& image, const cv::Mat& weight, double sigma) {
  cv::Mat weights, sums, mean(image.size(), CV_32FC3);
  cv::merge(std::vector<cv::Mat>(3, weight), weights);
  cv::multiply(image, weights, sums);
  cv::Mat blurred = weight.clone();
  const cv::Scalar all = cv::sum(sums) / std::max(cv::sum(weight)[0], 1e-6);
  blur(sums, sigma);
  blur(blurred, sigma);
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      const float total = blurred.at<float>(y, x) + kNoWeight;
      for (int c = 0; c < 3; ++c)
        mean.at<cv::Vec3f>(y, x)[c] =
            (sums.at<cv::Vec3f>(y, x)[c] + kNoWeight * static_cast<float>(all[c])) / total;
    }
  }
  return mean;
}

/// Image and alpha, shrunk.
struct Small {
  cv::Mat image;  ///< CV_32FC3
  cv::Mat alpha;
  double longer;  ///< side, px

  Small(const cv::Mat& full, const cv::Mat& full_alpha) {
    const cv::Size size = small_size(full.size());
    cv::resize(full, image, size, 0, 0, cv::INTER_AREA);
    image.convertTo(image, CV_32F);
    cv::resize(full_alpha, alpha, size, 0, 0, cv::INTER_AREA);
    longer = std::max(size.width, size.height);
  }

  /// Weights; squared, so that pixels of both count little.
  cv::Mat front() const { return alpha.mul(alpha); }
  cv::Mat back() const { return (1 - alpha).mul(1 - alpha); }
};

/// As large as the image it was made from, CV_8UC3.
cv::Mat enlarged(const cv::Mat& small, cv::Size size) {
  cv::Mat bytes, large;
  small.convertTo(bytes, CV_8U);
  cv::resize(bytes, large, size, 0, 0, cv::INTER_LINEAR);
  return large;
}

}  // namespace

cv::Mat alpha_of(const cv::Mat& probability) {
  cv::Mat alpha = (probability - kSurelyBackground) / (kSurelyPortrait - kSurelyBackground);
  return cv::min(cv::max(alpha, 0), 1);
}

cv::Mat blend(const cv::Mat& front, const cv::Mat& back, const cv::Mat& alpha) {
  cv::Mat blended(front.size(), CV_8UC3);
  for (int y = 0; y < front.rows; ++y) {
    const auto* const a = alpha.ptr<float>(y);
    const auto *const fronts = front.ptr<cv::Vec3b>(y), *const backs = back.ptr<cv::Vec3b>(y);
    auto* const row = blended.ptr<cv::Vec3b>(y);
    for (int x = 0; x < front.cols; ++x) {
      for (int c = 0; c < 3; ++c) {
        const auto from = static_cast<float>(backs[x][c]), to = static_cast<float>(fronts[x][c]);
        row[x][c] = cv::saturate_cast<std::uint8_t>(from + a[x] * (to - from));
      }
    }
  }
  return blended;
}

cv::Mat portrait_colors(const cv::Mat& image, const cv::Mat& alpha) {
  const Small small(image, alpha);
  const double sigma = kSurroundings * small.longer;
  const cv::Mat fronts = enlarged(weighted_mean(small.image, small.front(), sigma), image.size());
  const cv::Mat backs = enlarged(weighted_mean(small.image, small.back(), sigma), image.size());
  cv::Mat colors = image.clone();
  for (int y = 0; y < image.rows; ++y) {
    const auto* const alphas = alpha.ptr<float>(y);
    const auto *const front = fronts.ptr<cv::Vec3b>(y), *const back = backs.ptr<cv::Vec3b>(y);
    auto* const row = colors.ptr<cv::Vec3b>(y);
    for (int x = 0; x < image.cols; ++x) {
      const float a = alphas[x];
      if (a <= 0 || a >= 1) continue;
      for (int c = 0; c < 3; ++c) {
        const auto f = static_cast<float>(front[x][c]), b = static_cast<float>(back[x][c]);
        const float left_over = static_cast<float>(row[x][c]) - (a * f + (1 - a) * b);
        row[x][c] = cv::saturate_cast<std::uint8_t>(f + a * left_over);
      }
    }
  }
  return colors;
}

cv::Mat cut_out(const cv::Mat& image, const cv::Mat& alpha) {
  const cv::Mat colors = portrait_colors(image, alpha);
  cv::Mat cut(image.size(), CV_8UC4);
  for (int y = 0; y < image.rows; ++y) {
    const auto* const a = alpha.ptr<float>(y);
    const auto* const color = colors.ptr<cv::Vec3b>(y);
    auto* const row = cut.ptr<cv::Vec4b>(y);
    for (int x = 0; x < image.cols; ++x) {
      const auto opaque = cv::saturate_cast<std::uint8_t>(255 * a[x]);
      row[x] = opaque == 0 ? cv::Vec4b() : cv::Vec4b(color[x][0], color[x][1], color[x][2], opaque);
    }
  }
  return cut;
}

cv::Mat blurred_background(const cv::Mat& image, const cv::Mat& alpha) {
  const Small small(image, alpha);
  return enlarged(weighted_mean(small.image, small.back(), kBlurShare * small.longer), image.size());
}

cv::Size covering_part(cv::Size picture, cv::Size size) {
  const double scale = std::max(static_cast<double>(size.width) / picture.width,
                                static_cast<double>(size.height) / picture.height);
  return {std::clamp(static_cast<int>(std::lround(size.width / scale)), 1, picture.width),
          std::clamp(static_cast<int>(std::lround(size.height / scale)), 1, picture.height)};
}

cv::Mat resize_part(const cv::Mat& picture, const cv::Rect& part, cv::Size size) {
  cv::Mat resized;
  const bool shrinks = size.width < part.width || size.height < part.height;
  cv::resize(picture(part), resized, size, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return resized;
}

cv::Mat cover(const cv::Mat& picture, cv::Size size) {
  const cv::Size part = covering_part(picture.size(), size);
  const cv::Point corner((picture.cols - part.width) / 2, (picture.rows - part.height) / 2);
  return resize_part(picture, {corner, part}, size);
}

}  // namespace portraitseg
