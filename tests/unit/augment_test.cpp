#include "portraitseg/data/augment.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/data/photometric.h"

namespace portraitseg {
namespace {

Random generator(std::uint64_t index) {
  return Random(1, Purpose::kAugment, {index});
}

/// Noise above a portrait-like disc with an ignored band.
Sample sample(cv::Size size = {60, 80}) {
  Sample s;
  s.image.create(size, CV_8UC3);
  cv::RNG(5).fill(s.image, cv::RNG::UNIFORM, 0, 256);
  s.mask = cv::Mat::zeros(size, CV_8UC1);
  const cv::Point center(size.width / 2, size.height / 2);
  cv::circle(s.mask, center, size.width / 3, cv::Scalar(kIgnore), -1);
  cv::circle(s.mask, center, size.width / 4, cv::Scalar(1), -1);
  return s;
}

/// Everything off, so that a test can turn on one step.
AugmentOptions nothing() {
  AugmentOptions options;
  options.affine.enabled = false;
  options.flip = options.color.probability = options.blur.probability = options.noise.probability = 0;
  return options;
}

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.type() == b.type() && a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

cv::Mat rounded(const cv::Mat& image) {
  cv::Mat result;
  image.convertTo(result, CV_8U);
  return result;
}

TEST(Augment, ResultsHaveOutputSizeAndTypes) {
  Random random = generator(0);
  const Augmented result = augment(sample(), {56, 40}, AugmentOptions(), random);
  EXPECT_EQ(result.image.size(), cv::Size(56, 40));
  EXPECT_EQ(result.image.type(), CV_32FC3);
  EXPECT_EQ(result.deformed.type(), CV_32FC3);
  EXPECT_EQ(result.mask.size(), cv::Size(56, 40));
  EXPECT_EQ(result.mask.type(), CV_8UC1);
}

TEST(Augment, MaskHoldsOnlyItsClasses) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    Random random = generator(i);
    const cv::Mat mask = augment(sample(), {64, 64}, AugmentOptions(), random).mask;
    const std::set<int> values(mask.begin<std::uint8_t>(), mask.end<std::uint8_t>());
    for (const int value : values) EXPECT_TRUE(value == 0 || value == 1 || value == kIgnore) << value;
  }
}

TEST(Augment, ImageStaysWithinGreyLevels) {
  AugmentOptions options;
  options.noise = {1, 100};
  for (std::uint64_t i = 0; i < 20; ++i) {
    Random random = generator(i);
    double low = 0, high = 0;
    cv::minMaxLoc(augment(sample(), {64, 64}, options, random).image.reshape(1), &low, &high);
    EXPECT_GE(low, 0);
    EXPECT_LE(high, 255);
  }
}

TEST(Augment, SameKeySameResult) {
  Random first = generator(3), second = generator(3), other = generator(4);
  const Augmented a = augment(sample(), {64, 64}, AugmentOptions(), first);
  const Augmented b = augment(sample(), {64, 64}, AugmentOptions(), second);
  const Augmented c = augment(sample(), {64, 64}, AugmentOptions(), other);
  EXPECT_TRUE(same(a.image, b.image));
  EXPECT_TRUE(same(a.mask, b.mask));
  EXPECT_FALSE(same(a.image, c.image));
}

AugmentOptions everything() {
  AugmentOptions options;
  options.flip = options.color.probability = options.blur.probability = options.noise.probability = 1;
  options.prior.probability = 1;
  options.distortion.enabled = true;
  return options;
}

TEST(Augment, AlwaysTakes77Draws) {
  for (const AugmentOptions& options : {nothing(), AugmentOptions(), everything()}) {
    Random used = generator(9), counted = generator(9);
    augment(sample(), {32, 32}, options, used);
    for (int i = 0; i < 77; ++i) counted.next();
    EXPECT_EQ(used.next(), counted.next());
  }
}

TEST(Augment, PriorAndDistortionShiftNoOthersDraws) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    Random first = generator(i), second = generator(i);
    AugmentOptions options, more;
    more.prior.probability = 1;
    more.distortion.enabled = true;
    const AugmentDraws a = draw_augment(options, {32, 32}, first), b = draw_augment(more, {32, 32}, second);
    EXPECT_EQ(std::tie(a.x, a.y, a.angle, a.scale, a.flip, a.colored, a.color, a.brightness, a.contrast),
              std::tie(b.x, b.y, b.angle, b.scale, b.flip, b.colored, b.color, b.brightness, b.contrast));
    EXPECT_EQ(std::tie(a.sharpness, a.blurred, a.blur, a.kernel, a.noisy, a.sigma, a.noise_seed),
              std::tie(b.sharpness, b.blurred, b.blur, b.kernel, b.noisy, b.sigma, b.noise_seed));
    EXPECT_FALSE(a.prior.present);
    EXPECT_TRUE(b.prior.present);
  }
}

TEST(Augment, FlipExchangesMirroredClasses) {
  Sample s = sample({8, 6});
  s.mask.setTo(1);
  s.mask.colRange(0, 2).setTo(5);
  s.mask.colRange(5, 6).setTo(6);
  s.mask.colRange(6, 8).setTo(kIgnore);
  s.mirrored_classes = {{3, 4}, {5, 6}};
  AugmentDraws flip;
  flip.flip = true;
  Sample once = s;
  once.mask = augment(s, {8, 6}, nothing(), flip).mask;
  const std::vector<int> row(once.mask.ptr(0), once.mask.ptr(0) + 8);
  EXPECT_EQ(row, (std::vector<int>{kIgnore, kIgnore, 5, 1, 1, 1, 6, 6}));
  EXPECT_TRUE(same(augment(once, {8, 6}, nothing(), flip).mask, s.mask));
  EXPECT_TRUE(same(augment(s, {8, 6}, nothing(), AugmentDraws()).mask, s.mask));
}

TEST(Augment, PriorIsTheDeformedAndFlippedMask) {
  AugmentOptions options;
  options.prior.probability = 1;
  int moved = 0, same_masks = 0;
  for (std::uint64_t i = 0; i < 40; ++i) {
    Random first = generator(i), second = generator(i);
    const Augmented without = augment(sample(), {48, 48}, AugmentOptions(), first);
    const Augmented result = augment(sample(), {48, 48}, options, second);
    ASSERT_EQ(result.prior.type(), CV_32FC1);
    ASSERT_EQ(result.prior.size(), cv::Size(48, 48));
    EXPECT_TRUE(without.prior.empty() && !without.moved);
    cv::Mat mask;
    cv::Mat(without.mask == 1).convertTo(mask, CV_32F, 1.0 / 255);
    if (result.moved) {
      ++moved;
      EXPECT_TRUE(same(result.prior, mask));
      same_masks += same(result.mask, without.mask);
    } else {
      EXPECT_TRUE(same(result.mask, without.mask) && same(result.image, without.image));
    }
  }
  EXPECT_TRUE(moved > 10 && moved < 30);
  EXPECT_LT(same_masks, moved / 2);  // but for 1 in 16 a step is made
}

TEST(Augment, DeformedIsTheImageThatTheFramesMovementLeft) {
  AugmentDraws draws;
  draws.prior = {true, true, {}};
  draws.prior.motion.affine = true;
  draws.prior.motion.affine_shifts.to.fill({4, 0});
  const Sample s = sample();
  const Augmented result = augment(s, s.image.size(), nothing(), draws);
  EXPECT_TRUE(result.moved);
  EXPECT_TRUE(same(result.deformed, result.image));
  EXPECT_EQ(cv::norm(rounded(result.deformed).colRange(4, 60), s.image.colRange(0, 56), cv::NORM_INF), 0);
}

TEST(Augment, DistortionComesBeforeColour) {
  const Sample s = sample();
  AugmentDraws draws;
  draws.distortion = {-9.5, false, 0.7, 0.6, 5};
  draws.colored = true;
  draws.brightness = 1.4;
  const Augmented result = augment(s, s.image.size(), nothing(), draws);
  EXPECT_TRUE(
      same(rounded(result.image), enhance_brightness(distort(s.image, draws.distortion), draws.brightness)));
  EXPECT_TRUE(same(rounded(result.deformed), s.image));
}

TEST(Augment, InputIsLeftAlone) {
  const Sample original = sample();
  Sample given;
  given.image = original.image.clone();
  given.mask = original.mask.clone();
  AugmentOptions options = nothing();
  options.flip = options.color.probability = options.blur.probability = options.noise.probability = 1;
  Random random = generator(1);
  augment(given, given.image.size(), options, random);
  EXPECT_TRUE(same(given.image, original.image));
  EXPECT_TRUE(same(given.mask, original.mask));
}

TEST(Augment, WithoutAffineTheImageIsResized) {
  const Sample s = sample();
  cv::Mat image, mask;
  cv::resize(s.image, image, {48, 48}, 0, 0, cv::INTER_LINEAR);
  cv::resize(s.mask, mask, {48, 48}, 0, 0, cv::INTER_NEAREST);
  Random random = generator(0);
  const Augmented result = augment(s, {48, 48}, nothing(), random);
  EXPECT_TRUE(same(rounded(result.image), image));
  EXPECT_TRUE(same(result.mask, mask));
}

TEST(Augment, WhereTheImageDoesNotReachTheLabelIsBackgroundOrIgnored) {
  AugmentOptions options = nothing();
  options.affine.enabled = true;
  options.affine.rotation_deg = options.affine.shift = 0;
  options.affine.scale = {0.5, 0.5};
  Sample all_portrait = sample({64, 64});
  all_portrait.mask.setTo(1);
  const auto mask = [&] {
    Random random = generator(0);
    return augment(all_portrait, {64, 64}, options, random).mask;
  };
  const cv::Mat background = mask();
  const double reached = cv::countNonZero(background == 1);
  EXPECT_NEAR(reached, 32 * 32, 200);
  EXPECT_EQ(cv::countNonZero(background == 0), 64 * 64 - reached);
  options.affine.outside = Outside::kIgnored;
  const cv::Mat ignored = mask();
  EXPECT_TRUE(same(ignored == 1, background == 1));
  EXPECT_EQ(cv::countNonZero(ignored == kIgnore), 64 * 64 - reached);
}

TEST(Augment, FlipTurnsImageAndMask) {
  const Sample s = sample();
  AugmentOptions options = nothing();
  options.flip = 1;
  Random random = generator(0);
  const Augmented result = augment(s, s.image.size(), options, random);
  cv::Mat image, mask;
  cv::flip(s.image, image, 1);
  cv::flip(s.mask, mask, 1);
  EXPECT_TRUE(same(rounded(result.image), image));
  EXPECT_TRUE(same(result.mask, mask));
}

TEST(Augment, DeformationFollowsTheFirstFiveDraws) {
  const Sample s = sample();
  AugmentOptions options = nothing();
  options.affine.enabled = true;
  options.flip = 0.5;
  int flips = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Random draws = generator(i), random = generator(i);
    const double x = draws.uniform(), y = draws.uniform(), angle = draws.uniform(), scale = draws.uniform();
    const bool flip = draws.uniform() >= 0.5;
    flips += flip;
    const cv::Size output(56, 40);
    const cv::Matx23d m = affine_matrix(s.image.size(), output, x, y, angle, scale, options.affine);
    cv::Mat image, mask;
    cv::warpAffine(s.image, image, m, output, cv::INTER_LINEAR, cv::BORDER_CONSTANT, cv::Scalar::all(128));
    cv::warpAffine(s.mask, mask, m, output, cv::INTER_NEAREST);
    if (flip) {
      cv::flip(image, image, 1);
      cv::flip(mask, mask, 1);
    }
    const Augmented result = augment(s, output, options, random);
    EXPECT_TRUE(same(rounded(result.image), image)) << i;
    EXPECT_TRUE(same(result.mask, mask)) << i;
  }
  EXPECT_TRUE(flips > 0 && flips < 20);
}

TEST(Augment, DeformedIsTheImageWithoutTexture) {
  AugmentOptions options;
  options.color.probability = options.blur.probability = options.noise.probability = 1;
  AugmentOptions plain = options;
  plain.color.probability = plain.blur.probability = plain.noise.probability = 0;
  Random first = generator(2), second = generator(2);
  const Augmented result = augment(sample(), {64, 64}, options, first);
  EXPECT_FALSE(same(result.deformed, result.image));
  EXPECT_TRUE(same(result.deformed, augment(sample(), {64, 64}, plain, second).image));
}

TEST(Augment, StepsAreAppliedWithTheirProbability) {
  const Sample s = sample({16, 16});
  constexpr int kDraws = 4000;
  const auto share = [&](const AugmentOptions& options) {
    int changed = 0;
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      Random random = generator(i);
      changed += !same(rounded(augment(s, s.image.size(), options, random).image), s.image);
    }
    return changed / double{kDraws};
  };
  for (const double probability : {0.2, 0.5}) {
    AugmentOptions flip = nothing(), color = nothing(), blur = nothing(), noise = nothing();
    flip.flip = color.color.probability = blur.blur.probability = noise.noise.probability = probability;
    color.color.brightness = {0.4, 0.9};  // never 1, hence always visible
    const double tolerance = 4 * std::sqrt(probability * (1 - probability) / kDraws);
    EXPECT_NEAR(share(flip), probability, tolerance);
    EXPECT_NEAR(share(color), probability, tolerance);
    EXPECT_NEAR(share(blur), probability, tolerance);
    EXPECT_NEAR(share(noise), probability, tolerance + 0.02);  // sigmas near 0 change no rounded level
  }
}

TEST(Augment, BlurKindsAndKernelsHaveTheirShares) {
  const Sample s = sample({16, 16});
  AugmentOptions options = nothing();
  options.blur.probability = 1;
  std::map<std::pair<int, int>, int> counts;
  constexpr int kDraws = 4000;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    Random random = generator(i);
    const cv::Mat result = rounded(augment(s, s.image.size(), options, random).image);
    for (const Blur kind : {Blur::kGaussian, Blur::kMedian, Blur::kBox}) {
      for (const int kernel : {3, 5}) {
        counts[{static_cast<int>(kind), kernel}] += same(result, blur_image(s.image, kind, kernel));
      }
    }
  }
  const std::vector<double> shares = {0.3, 0.3, 0.4};
  int total = 0;
  for (const auto& [key, count] : counts) {
    EXPECT_NEAR(count / double{kDraws}, shares[static_cast<std::size_t>(key.first)] / 2, 0.025);
    total += count;
  }
  EXPECT_EQ(total, kDraws);
}

TEST(Augment, FactorsAreTenthsWithBothEnds) {
  Sample s = sample({8, 8});
  s.image.setTo(cv::Scalar::all(100));
  AugmentOptions options = nothing();
  options.color.probability = 1;
  std::map<float, int> levels;
  constexpr int kDraws = 6500;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    Random random = generator(i);
    ++levels[augment(s, s.image.size(), options, random).image.at<cv::Vec3f>(4, 4)[0]];
  }
  // Only brightness changes an image of one grey level.
  EXPECT_EQ(levels.size(), 13U);
  EXPECT_EQ(levels.begin()->first, 40.F);
  EXPECT_EQ(levels.rbegin()->first, 160.F);
  for (const auto& [level, count] : levels) EXPECT_NEAR(count, kDraws / 13.0, 90) << level;
}

TEST(Augment, NoiseHasSigmaUpToItsMaximum) {
  Sample s = sample({64, 64});
  s.image.setTo(cv::Scalar::all(128));
  AugmentOptions options = nothing();
  options.noise.probability = 1;
  std::vector<double> sigmas;
  for (std::uint64_t i = 0; i < 400; ++i) {
    Random random = generator(i);
    cv::Scalar mean, sigma;
    const cv::Mat image = augment(s, s.image.size(), options, random).image;
    cv::meanStdDev(image.reshape(1), mean, sigma);
    EXPECT_NEAR(mean[0], 128, 0.4);
    sigmas.push_back(sigma[0]);
    std::vector<cv::Mat> channels;
    cv::split(image, channels);
    EXPECT_FALSE(same(channels[0], channels[1]));  // drawn for each channel
  }
  double sum = 0;
  for (const double sigma : sigmas) sum += sigma;
  EXPECT_NEAR(sum / 400, 5, 0.6);
  EXPECT_LT(*std::max_element(sigmas.begin(), sigmas.end()), 10.3);
  EXPECT_GT(*std::max_element(sigmas.begin(), sigmas.end()), 9.5);
}

TEST(Augment, AffineDrawsCoverTheirRanges) {
  const AffineOptions options;
  const cv::Size image(600, 800), output(224, 224);
  const double fill = (224 / 599.0 + 224 / 799.0) / 2;
  const auto scale = [](const cv::Matx23d& m) { return std::hypot(m(0, 0), m(0, 1)); };
  const auto angle_deg = [](const cv::Matx23d& m) { return std::atan2(m(0, 1), m(0, 0)) * 180 / CV_PI; };
  const cv::Matx23d low = affine_matrix(image, output, 0.5, 0.5, 0, 0, options);
  const cv::Matx23d high = affine_matrix(image, output, 0.5, 0.5, 1, 1, options);
  EXPECT_NEAR(scale(low), 0.5 * fill, 1e-12);
  EXPECT_NEAR(scale(high), 1.5 * fill, 1e-12);
  EXPECT_NEAR(angle_deg(low), -45, 1e-9);
  EXPECT_NEAR(angle_deg(high), 45, 1e-9);
}

TEST(Augment, CentreStaysWithoutShift) {
  const cv::Matx23d m = affine_matrix({61, 81}, {40, 56}, 0.5, 0.5, 0.8, 0.3, AffineOptions());
  const cv::Vec2d center = m * cv::Vec3d(30, 40, 1);
  EXPECT_NEAR(center[0], 20, 1e-9);
  EXPECT_NEAR(center[1], 28, 1e-9);
}

TEST(Augment, OnePixelImageIsNoError) {
  Random random = generator(0);
  EXPECT_EQ(augment(sample({1, 1}), {8, 8}, AugmentOptions(), random).mask.size(), cv::Size(8, 8));
}

TEST(Photometric, FactorOneChangesNothing) {
  const cv::Mat image = sample().image;
  for (const auto enhance : {enhance_color, enhance_brightness, enhance_contrast, enhance_sharpness}) {
    EXPECT_TRUE(same(enhance(image, 1), image));
  }
}

TEST(Photometric, FactorZeroGivesTheDegenerateImage) {
  const cv::Mat image = sample().image;
  std::vector<cv::Mat> channels;
  cv::split(enhance_color(image, 0), channels);
  EXPECT_TRUE(same(channels[0], channels[1]) && same(channels[1], channels[2]));
  EXPECT_EQ(cv::norm(enhance_brightness(image, 0), cv::NORM_INF), 0);
  double low = 0, high = 0;
  cv::minMaxLoc(enhance_contrast(image, 0).reshape(1), &low, &high);
  EXPECT_EQ(low, high);
  EXPECT_TRUE(same(enhance_sharpness(image, 0).row(0), image.row(0)));
}

TEST(Photometric, TooSmallForTheFilterIsUnchanged) {
  const cv::Mat image = sample({2, 9}).image;
  EXPECT_TRUE(same(enhance_sharpness(image, 0.5), image));
}

TEST(AugmentOptions, ReadsItsFields) {
  AugmentOptions options;
  Config::parse("{flip: 0.1, affine: {scale: [0.9, 1.1], enabled: false}, blur: {kernels: [7]}}", "test")
      .read(options);
  EXPECT_EQ(options.flip, 0.1);
  EXPECT_EQ(options.affine.scale, (std::vector<double>{0.9, 1.1}));
  EXPECT_FALSE(options.affine.enabled);
  EXPECT_EQ(options.blur.kernels, std::vector<std::int64_t>{7});
}

TEST(AugmentOptions, NonsenseIsRefused) {
  for (const std::string yaml :
       {"flip: 2", "affine: {scale: [1.5, 0.5]}", "affine: {scale: [1]}", "affine: {scale: [0, 1]}",
        "color: {color: [0.45, 1]}", "color: {sharpness: [1.2, 0.8]}", "blur: {kernels: [4]}",
        "prior: {probability: 2}", "distortion: {contrast: [1]}", "blur: {kernels: []}",
        "blur: {gaussian: 0.8}", "noise: {sigma_max: -1}"}) {
    AugmentOptions options;
    EXPECT_THROW(Config::parse(yaml, "test").read(options), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace portraitseg
