#include "portraitseg/data/augment.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "portraitseg/data/image_file.h"
#include "portraitseg/data/photometric.h"
#include "portraitseg/weights/safetensors.h"

#include "support/shared_data.h"

namespace portraitseg {
namespace {

/// Golden images are compared with equality where the arithmetic is ours. Warps and blurs are OpenCV's and
/// may differ by one grey level, and in a few mask pixels, between its versions (shared/golden/README.md,
/// "How to compare").
constexpr double kOpenCvLevels = 1;
constexpr int kOpenCvMaskPixels = 5;

/// U8 [H, W, 3] or [H, W]; shares the tensor's memory.
cv::Mat as_mat(const torch::Tensor& t) {
  const int type = t.dim() == 3 ? CV_8UC3 : CV_8UC1;
  return cv::Mat(static_cast<int>(t.size(0)), static_cast<int>(t.size(1)), type, t.data_ptr<std::uint8_t>());
}

double difference(const cv::Mat& a, const cv::Mat& b) {
  return cv::norm(a, b, cv::NORM_INF);
}

class AugmentParity : public ::testing::Test {
 protected:
  void SetUp() override {
    PORTRAITSEG_NEEDS_SHARED_DATA();
    augment_ = read_safetensors(testing::golden_path("augment.safetensors"));
    preprocess_ = read_safetensors(testing::golden_path("preprocess.safetensors"));
    texture_ = read_safetensors(testing::golden_path("texture.safetensors"));
  }

  /// The matrix from the golden draws of that row.
  cv::Matx23d matrix(std::int64_t row, cv::Size image, cv::Size output,
                     const AffineOptions& options = {}) const {
    const auto u = augment_.at("random_values").accessor<double, 2>()[row];
    return affine_matrix(image, output, u[0], u[1], u[2], u[3], options);
  }

  static double matrix_difference(const cv::Matx23d& m, const torch::Tensor& golden) {
    double largest = 0;
    for (int i = 0; i < 6; ++i) {
      largest = std::max(largest, std::abs(m.val[i] - golden.contiguous().data_ptr<double>()[i]));
    }
    return largest;
  }

  /// That row's draws; no flip and no texture.
  AugmentDraws draws(std::int64_t row) const {
    const auto u = augment_.at("random_values").accessor<double, 2>()[row];
    AugmentDraws draws;
    draws.x = u[0];
    draws.y = u[1];
    draws.angle = u[2];
    draws.scale = u[3];
    return draws;
  }

  Sample small() const {
    Sample sample;
    sample.image = as_mat(preprocess_.at("small.image"));
    sample.mask = as_mat(preprocess_.at("small.mask"));
    return sample;
  }

  static void expect_deformed(const Augmented& result, const cv::Mat& image, const cv::Mat& mask) {
    cv::Mat bytes;
    result.image.convertTo(bytes, CV_8U);
    EXPECT_LE(difference(bytes, image), kOpenCvLevels);
    EXPECT_LE(cv::countNonZero(result.mask != mask), kOpenCvMaskPixels);
  }

  void expect_warps(const std::string& name, const Sample& sample, cv::Size output,
                    std::int64_t first_row) const {
    const torch::Tensor& images = augment_.at("warp_image." + name);
    const torch::Tensor& masks = augment_.at("warp_mask." + name);
    for (std::int64_t i = 0; i < images.size(0); ++i) {
      SCOPED_TRACE(name + " " + std::to_string(i));
      expect_deformed(augment(sample, output, AugmentOptions(), draws(first_row + i)), as_mat(images[i]),
                      as_mat(masks[i]));
    }
  }

  cv::Mat texture(const std::string& name) const { return as_mat(texture_.at(name)); }

  /// Golden enhancements are RGB.
  cv::Mat enhanced(const std::string& name) const {
    cv::Mat bgr;
    cv::cvtColor(texture(name), bgr, cv::COLOR_RGB2BGR);
    return bgr;
  }

  TensorFile augment_, preprocess_, texture_;
};

TEST_F(AugmentParity, MatricesEqualReference) {
  for (std::int64_t row = 0; row < 4; ++row) {
    EXPECT_LT(matrix_difference(matrix(row, {70, 45}, {64, 64}), augment_.at("H.small")[row]), 1e-11);
    EXPECT_LT(matrix_difference(matrix(row, {70, 45}, {56, 40}), augment_.at("H.small_nonsquare")[row]),
              1e-11);
    EXPECT_LT(matrix_difference(matrix(row, {600, 800}, {224, 224}), augment_.at("H.real0")[row]), 1e-11);
  }
  AffineOptions background;
  background.scale = {1.5, 2};
  EXPECT_LT(matrix_difference(matrix(1, {70, 45}, {64, 64}, background), augment_.at("H_background.small")),
            1e-11);
}

TEST_F(AugmentParity, WarpsEqualReference) {
  expect_warps("small", small(), {64, 64}, 0);
  expect_warps("small_nonsquare", small(), {56, 40}, 0);
  Sample real;
  real.image = read_image(testing::golden_path("../data/eg1800/Images/00002.jpg"));
  real.mask = read_mask_values(testing::golden_path("../data/eg1800/Labels/00002.png"));
  expect_warps("real0", real, {224, 224}, 1);
}

TEST_F(AugmentParity, FlipEqualsReference) {
  for (const std::string draw : {"0.2", "0.7"}) {
    AugmentDraws drawn = draws(1);
    drawn.flip = std::stod(draw) >= 0.5;
    const std::string golden = "clova_translation.flip" + draw;
    const cv::Mat label = as_mat(augment_.at(golden + ".label"));  // 0 or 255
    expect_deformed(augment(small(), {64, 64}, AugmentOptions(), drawn),
                    as_mat(augment_.at(golden + ".image")), label / 255);
  }
}

TEST_F(AugmentParity, AugmentMakesTheSameStepsInTheSameOrder) {
  Sample sample;
  sample.image = texture("image_bgr");
  sample.mask = cv::Mat::zeros(sample.image.size(), CV_8UC1);
  AugmentOptions options;
  options.affine.enabled = false;
  const auto textured = [&](const AugmentDraws& drawn) {
    cv::Mat bytes;
    augment(sample, sample.image.size(), options, drawn).image.convertTo(bytes, CV_8U);
    return bytes;
  };
  AugmentDraws drawn;
  EXPECT_EQ(difference(textured(drawn), enhanced("color.1")), 0);
  drawn.colored = true;
  drawn.color = 1.3;
  drawn.brightness = 0.7;
  drawn.contrast = 1.2;
  drawn.sharpness = 1.1;
  EXPECT_EQ(difference(textured(drawn), enhanced("chain_1.3_0.7_1.2_1.1")), 0);
  drawn = {};
  drawn.blurred = true;
  for (const auto& [kind, name] :
       {std::pair(Blur::kGaussian, "gaussian_blur"), std::pair(Blur::kMedian, "median_blur"),
        std::pair(Blur::kBox, "box_blur")}) {
    for (const int kernel : {3, 5}) {
      drawn.blur = kind;
      drawn.kernel = kernel;
      EXPECT_LE(difference(textured(drawn), texture(name + ("." + std::to_string(kernel)))), kOpenCvLevels);
    }
  }
}

TEST_F(AugmentParity, EnhancementsEqualPillow) {
  const cv::Mat image = texture("image_bgr");
  const auto expect = [&](const std::string& name, cv::Mat (*enhance)(const cv::Mat&, double),
                          std::initializer_list<const char*> factors) {
    for (const std::string factor : factors) {
      EXPECT_EQ(difference(enhance(image, std::stod(factor)), enhanced(name + "." + factor)), 0)
          << name << factor;
    }
  };
  expect("color", enhance_color, {"0.4", "1", "1.6"});
  expect("brightness", enhance_brightness, {"0.4", "1", "1.6"});
  expect("contrast", enhance_contrast, {"0.6", "1", "1.4"});
  expect("sharpness", enhance_sharpness, {"0.8", "1", "1.2"});
  const cv::Mat chain =
      enhance_sharpness(enhance_contrast(enhance_brightness(enhance_color(image, 1.3), 0.7), 1.2), 1.1);
  EXPECT_EQ(difference(chain, enhanced("chain_1.3_0.7_1.2_1.1")), 0);
}

TEST_F(AugmentParity, BlursEqualReference) {
  const cv::Mat image = texture("image_bgr");
  for (const int kernel : {3, 5}) {
    const std::string suffix = "." + std::to_string(kernel);
    EXPECT_LE(difference(blur_image(image, Blur::kGaussian, kernel), texture("gaussian_blur" + suffix)),
              kOpenCvLevels);
    EXPECT_LE(difference(blur_image(image, Blur::kMedian, kernel), texture("median_blur" + suffix)),
              kOpenCvLevels);
    EXPECT_LE(difference(blur_image(image, Blur::kBox, kernel), texture("box_blur" + suffix)), kOpenCvLevels);
  }
}

}  // namespace
}  // namespace portraitseg
