#include "portraitseg/data/augment.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "portraitseg/data/photometric.h"

namespace portraitseg {
namespace {

bool is_tenth(double value) {
  return std::abs(10 * value - std::round(10 * value)) < 1e-9;
}

void read_factors(Fields& f, const char* name, std::vector<double>& factors, const char* doc) {
  f(name, factors, doc, {0, 10});
  f.check(factors.size() == 2 && factors[0] <= factors[1] && is_tenth(factors[0]) && is_tenth(factors[1]),
          name, "expected [low, high] in tenths");
}

bool draw_applied(double probability, Random& random) {
  return random.uniform() >= 1 - probability;
}

double draw_factor(const std::vector<double>& range, Random& random) {
  return static_cast<double>(random.integer(std::lround(10 * range[0]), std::lround(10 * range[1]))) / 10;
}

const Names<Outside> kOutside = {{"background", Outside::kBackground}, {"ignore", Outside::kIgnored}};

Blur draw_blur(const BlurOptions& options, Random& random) {
  const double u = random.uniform();
  if (u < options.gaussian) return Blur::kGaussian;
  return u < options.gaussian + options.median ? Blur::kMedian : Blur::kBox;
}

cv::Mat deform(const cv::Mat& source, cv::Size output, const AugmentDraws& draws,
               const AffineOptions& options, int interpolation, double border) {
  cv::Mat result;
  if (options.enabled) {
    const cv::Matx23d matrix =
        affine_matrix(source.size(), output, draws.x, draws.y, draws.angle, draws.scale, options);
    cv::warpAffine(source, result, matrix, output, interpolation, cv::BORDER_CONSTANT,
                   cv::Scalar::all(border));
  } else {
    cv::resize(source, result, output, 0, 0, interpolation);
  }
  if (draws.flip) cv::flip(result, result, 1);
  return result;
}

void exchange_classes(cv::Mat& mask, const MirroredClasses& pairs) {
  if (pairs.empty()) return;
  cv::Mat table(1, 256, CV_8UC1);
  for (int value = 0; value < 256; ++value) table.at<std::uint8_t>(value) = static_cast<std::uint8_t>(value);
  for (const auto& [left, right] : pairs) {
    table.at<std::uint8_t>(left) = right;
    table.at<std::uint8_t>(right) = left;
  }
  cv::LUT(mask, table, mask);
}

/// image += noise, then clipped to 0..255; both CV_32FC3.
void add_clipped(const cv::Mat& noise, cv::Mat& image) {
  for (int y = 0; y < image.rows; ++y) {
    const auto* added = noise.ptr<float>(y);
    auto* values = image.ptr<float>(y);
    for (int x = 0; x < 3 * image.cols; ++x)
      values[x] = std::min(std::max(values[x] + added[x], 0.0F), 255.0F);
  }
}

/// @param image CV_8UC3; the result is CV_32FC3.
cv::Mat change_texture(cv::Mat image, const AugmentDraws& draws) {
  image = distort(image, draws.distortion);
  if (draws.colored) {
    image = enhance_color(image, draws.color);
    image = enhance_brightness(image, draws.brightness);
    image = enhance_contrast(image, draws.contrast);
    image = enhance_sharpness(image, draws.sharpness);
  }
  if (draws.blurred) image = blur_image(image, draws.blur, draws.kernel);
  cv::Mat result;
  image.convertTo(result, CV_32F);
  if (draws.noisy) {
    cv::Mat noise(result.size(), CV_32FC3);
    cv::RNG(draws.noise_seed).fill(noise, cv::RNG::NORMAL, 0, draws.sigma);
    add_clipped(noise, result);
  }
  return result;
}

}  // namespace

void AffineOptions::fields(Fields& f) {
  f("enabled", enabled, "false: resize without deformation");
  f("rotation_deg", rotation_deg, "largest rotation to either side, degrees", {0, 180});
  f("scale", scale, "smallest and largest scale", {0.01, 100});
  f.check(scale.size() == 2 && scale[0] <= scale[1], "scale", "expected [low, high]");
  f("shift", shift, "largest shift in each direction, in output heights", {0, 1});
  f("border", border, "grey level outside the image", {0, 255});
  f.choice("outside", outside, kOutside, "the label there: background (class 0), or ignore");
}

void ColorOptions::fields(Fields& f) {
  f("probability", probability, "of all four together", {0, 1});
  read_factors(f, "color", color, "saturation factors");
  read_factors(f, "brightness", brightness, "brightness factors");
  read_factors(f, "contrast", contrast, "contrast factors");
  read_factors(f, "sharpness", sharpness, "sharpness factors");
}

void BlurOptions::fields(Fields& f) {
  f("probability", probability, "of any blur", {0, 1});
  f("gaussian", gaussian, "share of Gaussian blur", {0, 1});
  f("median", median, "share of median blur; the rest is box blur", {0, 1});
  f.check(gaussian + median <= 1, "median", "the shares of gaussian and median exceed 1");
  f("kernels", kernels, "kernel widths to choose from, odd, pixels", {1, 31});
  f.check(!kernels.empty() && std::all_of(kernels.begin(), kernels.end(), [](auto k) { return k % 2 == 1; }),
          "kernels", "expected odd numbers");
}

void NoiseOptions::fields(Fields& f) {
  f("probability", probability, "of Gaussian noise", {0, 1});
  f("sigma_max", sigma_max, "sigma is drawn from 0 to this, grey levels", {0, 255});
}

void AugmentOptions::fields(Fields& f) {
  f.group("affine", affine, "rotation, scale, shift");
  f("flip", flip, "probability of a horizontal flip", {0, 1});
  f.group("prior", prior, "the mask of the frame before, for preprocessing.prior_channel");
  f.group("color", color, "colour, brightness, contrast, sharpness");
  f.group("blur", blur, "Gaussian, median or box blur");
  f.group("noise", noise, "Gaussian noise");
  f.group("distortion", distortion,
          "brightness, contrast, saturation, hue as mmsegmentation's PhotoMetricDistortion");
}

AugmentDraws draw_augment(const AugmentOptions& options, cv::Size output, Random& random) {
  const auto last_kernel = static_cast<std::int64_t>(options.blur.kernels.size()) - 1;
  AugmentDraws draws;
  draws.x = random.uniform();
  draws.y = random.uniform();
  draws.angle = random.uniform();
  draws.scale = random.uniform();
  draws.flip = draw_applied(options.flip, random);
  draws.colored = draw_applied(options.color.probability, random);
  draws.color = draw_factor(options.color.color, random);
  draws.brightness = draw_factor(options.color.brightness, random);
  draws.contrast = draw_factor(options.color.contrast, random);
  draws.sharpness = draw_factor(options.color.sharpness, random);
  draws.blurred = draw_applied(options.blur.probability, random);
  draws.blur = draw_blur(options.blur, random);
  draws.kernel =
      static_cast<int>(options.blur.kernels.at(static_cast<std::size_t>(random.integer(0, last_kernel))));
  draws.noisy = draw_applied(options.noise.probability, random);
  draws.sigma = random.uniform(0, options.noise.sigma_max);
  draws.noise_seed = random.next();
  draws.prior = draw_prior(options.prior, output, random);
  draws.distortion = draw_distortion(options.distortion, random);
  return draws;
}

Augmented augment(const Sample& sample, cv::Size output, const AugmentOptions& options,
                  const AugmentDraws& draws) {
  CV_Assert(sample.image.type() == CV_8UC3 && sample.mask.type() == CV_8UC1);
  CV_Assert(sample.image.size() == sample.mask.size());
  Frame frame;
  frame.image = deform(sample.image, output, draws, options.affine, cv::INTER_LINEAR,
                       static_cast<double>(options.affine.border));
  frame.mask = deform(sample.mask, output, draws, options.affine, cv::INTER_NEAREST,
                      options.affine.outside == Outside::kIgnored ? kIgnore : 0);
  if (draws.flip) exchange_classes(frame.mask, sample.mirrored_classes);
  frame = add_prior(frame, draws.prior, sample.id);
  Augmented result;
  result.image = change_texture(frame.image, draws);
  frame.image.convertTo(result.deformed, CV_32F);
  result.mask = frame.mask;
  result.prior = frame.prior;
  result.moved = draws.prior.present && draws.prior.image_moves;
  return result;
}

Augmented augment(const Sample& sample, cv::Size output, const AugmentOptions& options, Random& random) {
  return augment(sample, output, options, draw_augment(options, output, random));
}

cv::Matx23d affine_matrix(cv::Size image, cv::Size output, double u_x, double u_y, double u_angle,
                          double u_scale, const AffineOptions& options) {
  // As the references, from corner pixel to corner pixel; an image of one pixel has no extent.
  const double extent_x = std::max(1, image.width - 1), extent_y = std::max(1, image.height - 1);
  const double move_x = (output.width - extent_x) / 2, move_y = (output.height - extent_y) / 2;
  const double offset = options.shift * output.height;
  const double center_x = output.width / 2.0 + (u_x - 0.5) * 2 * offset;
  const double center_y = output.height / 2.0 + (u_y - 0.5) * 2 * offset;
  const double fill = (output.width / extent_x + output.height / extent_y) / 2;
  const double scale = (u_scale * (options.scale.at(1) - options.scale.at(0)) + options.scale.at(0)) * fill;
  const double angle = (u_angle * 2 - 1) * options.rotation_deg / 180 * CV_PI;
  const double a = scale * std::cos(angle), b = scale * std::sin(angle);
  // Rotation and scale about the centre, after the move.
  return {a,  b, a * move_x + b * move_y + (1 - a) * center_x - b * center_y,  //
          -b, a, a * move_y - b * move_x + b * center_x + (1 - a) * center_y};
}

cv::Mat blur_image(const cv::Mat& image, Blur kind, int kernel) {
  cv::Mat result;
  switch (kind) {
    case Blur::kGaussian:
      cv::GaussianBlur(image, result, {kernel, kernel}, 0);
      break;
    case Blur::kMedian:
      cv::medianBlur(image, result, kernel);
      break;
    case Blur::kBox:
      cv::blur(image, result, {kernel, kernel});
      break;
  }
  return result;
}

}  // namespace portraitseg
