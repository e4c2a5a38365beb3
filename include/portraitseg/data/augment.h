#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/config.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

/// Rotation, scale and shift about the centre, applied to every image.
struct AffineOptions {
  bool enabled = true;  ///< false: the image is resized to the output size, aspect ratio ignored
  double rotation_deg = 45;
  std::vector<double> scale = {0.5, 1.5};  ///< relative to the size that fills the output on average
  double shift = 0.25;
  std::int64_t border = 128;
  void fields(Fields& f);
};

/// Pillow's four enhancements as one group; the factors are drawn in tenths.
struct ColorOptions {
  double probability = 0.5;
  std::vector<double> color = {0.4, 1.6};
  std::vector<double> brightness = {0.4, 1.6};
  std::vector<double> contrast = {0.6, 1.4};
  std::vector<double> sharpness = {0.8, 1.2};
  void fields(Fields& f);
};

struct BlurOptions {
  double probability = 0.5;
  double gaussian = 0.3;
  double median = 0.3;  ///< what is left is box blur
  std::vector<std::int64_t> kernels = {3, 5};
  void fields(Fields& f);
};

struct NoiseOptions {
  double probability = 0.5;
  double sigma_max = 10;  ///< grey levels
  void fields(Fields& f);
};

/// mmsegmentation's PhotoMetricDistortion: brightness, contrast (before or after the others), saturation, hue, each
/// with probability 0.5. The defaults are EasyPortrait's.
struct DistortionOptions {
  bool enabled = false;
  double brightness = 16;  ///< largest change, grey levels
  std::vector<double> contrast = {0.5, 1};
  std::vector<double> saturation = {0.5, 1};
  std::int64_t hue = 9;  ///< largest change, OpenCV's half degrees
  void fields(Fields& f);
};

/// PortraitNet's prior channel for video: the mask of the frame before, made from the mask of this one.
struct PriorOptions {
  double probability = 0;  ///< that there is one; 0: no step of it is made. PortraitNet: 0.5
  double shift = 0.05;  ///< of the corners in its affine, perspective and thin-plate warps, in output heights
  void fields(Fields& f);
};

struct AugmentOptions {
  AffineOptions affine;
  double flip = 0.5;
  PriorOptions prior;
  ColorOptions color;
  BlurOptions blur;
  NoiseOptions noise;
  DistortionOptions distortion;
  void fields(Fields& f);
};

struct Augmented {
  cv::Mat image;     ///< output size, CV_32FC3, BGR, 0..255, not rounded
  cv::Mat deformed;  ///< before colour, blur and noise: the teacher's input in PortraitNet's consistency loss
  cv::Mat mask;      ///< output size, CV_8UC1, class index or kIgnore; 0 where the image did not reach
  cv::Mat prior;     ///< output size, CV_32FC1, 0..1; empty: there is none
  bool moved =
      false;  ///< the prior is the mask from before image and mask were warped once more: no smoothing then
};

/// Affine, flip, colour, blur, noise, in this order.
///
/// Source  Zhang et al. 2019, "PortraitNet", Sec. 4.2; the figures are those of the code, dong-x16/PortraitNet
///         data/data_aug.py, which clovaai/ext_portrait_segmentation data/CVTransforms.py shares.
///         The paper gives each step probability 0.5 and noise a sigma of 10; the code always deforms and
///         draws sigma from 0..10.
/// Draws   Always 16, whatever is enabled or applied, so that no option shifts another's random numbers:
///         affine x, y, angle, scale; flip; colour applied, color, brightness, contrast, sharpness;
///         blur applied, kind, kernel; noise applied, sigma, seed.
///         A step is applied if its draw is at least 1 - probability.
/// @param output width and height of the results.
Augmented augment(const Sample& sample, cv::Size output, const AugmentOptions& options, Random& random);

/// The deformation of an image of size `image` into one of size `output`, from draws in [0, 1).
/// The image's centre moves to the output's, then the image is rotated and scaled about a point that lies up
/// to `shift` output heights (horizontally too) from there.
cv::Matx23d affine_matrix(cv::Size image, cv::Size output, double u_x, double u_y, double u_angle,
                          double u_scale, const AffineOptions& options);

enum class Blur { kGaussian, kMedian, kBox };

/// @param kernel width in pixels, odd.
cv::Mat blur_image(const cv::Mat& image, Blur kind, int kernel);

}  // namespace portraitseg
