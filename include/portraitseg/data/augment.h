#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core/mat.hpp>

#include "portraitseg/core/config.h"
#include "portraitseg/core/random.h"
#include "portraitseg/data/distortion.h"
#include "portraitseg/data/prior.h"
#include "portraitseg/data/sample.h"

namespace portraitseg {

/// What the label is where the image does not reach.
enum class Outside { kBackground, kIgnored };

/// Rotation, scale and shift about the centre, applied to every image.
struct AffineOptions {
  bool enabled = true;  ///< false: the image is resized to the output size, aspect ratio ignored
  double rotation_deg = 45;
  std::vector<double> scale = {0.5, 1.5};  ///< relative to the size that fills the output on average
  double shift = 0.25;
  std::int64_t border = 128;
  Outside outside = Outside::kBackground;
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

enum class Blur { kGaussian, kMedian, kBox };

/// The random numbers of one image.
struct AugmentDraws {
  double x = 0.5, y = 0.5, angle = 0.5, scale = 0.5;  ///< in [0, 1), see affine_matrix()
  bool flip = false;
  bool colored = false;
  double color = 1, brightness = 1, contrast = 1, sharpness = 1;
  bool blurred = false;
  Blur blur = Blur::kGaussian;
  int kernel = 3;  ///< px
  bool noisy = false;
  double sigma = 0;  ///< grey levels
  std::uint64_t noise_seed = 0;
  PriorDraws prior;
  DistortionDraws distortion;
};

/// Always 77 draws, whatever is enabled or applied, so that no option shifts another's random numbers:
/// affine x, y, angle, scale; flip; colour applied, color, brightness, contrast, sharpness; blur applied, kind, kernel;
/// noise applied, sigma, seed; then 52 of draw_prior() and 9 of draw_distortion().
/// A step is applied if its draw is at least 1 - probability.
AugmentDraws draw_augment(const AugmentOptions& options, cv::Size output, Random& random);

struct Augmented {
  cv::Mat image;     ///< output size, CV_32FC3, BGR, 0..255, not rounded
  cv::Mat deformed;  ///< before colour, blur and noise: the teacher's input in PortraitNet's consistency loss
  cv::Mat
      mask;  ///< output size, CV_8UC1, class index or kIgnore; where the image did not reach as AffineOptions::outside says
  cv::Mat prior;  ///< output size, CV_32FC1, 0..1; empty: there is none

  /// Image and mask were warped once more while the prior stayed, see add_prior(): such labels are not smoothed.
  bool moved = false;
};

/// Affine, flip, prior, distortion, colour, blur, noise, in this order. A flip exchanges Sample::mirrored_classes.
///
/// Source  Zhang et al. 2019, "PortraitNet", Sec. 4.2; the figures are those of the code, dong-x16/PortraitNet
///         data/data_aug.py, which clovaai/ext_portrait_segmentation data/CVTransforms.py shares.
///         The paper gives each step probability 0.5 and noise a sigma of 10; the code always deforms and
///         draws sigma from 0..10. Distortion is EasyPortrait's; none of the references has both it and colour.
/// @param output width and height of the results.
/// @throws UserError naming the sample if there is to be a prior for a mask of other classes than 0 and 1.
Augmented augment(const Sample& sample, cv::Size output, const AugmentOptions& options,
                  const AugmentDraws& draws);
Augmented augment(const Sample& sample, cv::Size output, const AugmentOptions& options, Random& random);

/// The deformation of an image of size `image` into one of size `output`, from draws in [0, 1).
/// The image's centre moves to the output's, then the image is rotated and scaled about a point that lies up
/// to `shift` output heights (horizontally too) from there.
cv::Matx23d affine_matrix(cv::Size image, cv::Size output, double u_x, double u_y, double u_angle,
                          double u_scale, const AffineOptions& options);

/// @param kernel width in pixels, odd.
cv::Mat blur_image(const cv::Mat& image, Blur kind, int kernel);

}  // namespace portraitseg
